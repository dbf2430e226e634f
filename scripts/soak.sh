#!/bin/sh
# Tries CASES random cases: nine of ten against the plan, the rest against the
# fold of the log, and one situation in ten thousand with a fault at every call,
# which is some hundred runs of the whole daemon. All pick new weather each time;
# a failure prints its seed. Then lives SOAK_DAYS simulated days of busy bastions
# under a virtual clock, shared by as many lives as there are such tests, all at
# the same time. The race detector is left out: pure functions have no second
# thread, and it makes the rest several times slower; CI runs the same tests with
# it.
set -eu

go=${GO:-go}
cases=${CASES:-1000000}

# names_in PREFIX FILE...: the tests of the files whose names begin so.
names_in() {
	prefix=$1
	shift
	sed -n "s/^func \\($prefix[A-Za-z0-9_]*\\)(.*/\\1/p" "$@"
}

# cases_of PACKAGE TOTAL NAMES: as many cases in all, shared by the tests.
cases_of() {
	count=$(printf '%s\n' "$3" | wc -l)
	each=$(($2 / count + 1))
	echo "soak: $1: $count properties with $each cases each"
	"$go" test -shuffle=on -count=1 -timeout 6h -run "^($(printf '%s' "$3" | tr '\n' '|'))\$" "$1" \
		-rapid.seed="${SEED:-0}" -rapid.checks="$each"
}

cases_of ./internal/plan $((cases * 9 / 10)) "$(names_in TestProperty internal/plan/*_test.go)"
cases_of ./internal/desired $((cases / 10)) "$(names_in Test internal/desired/fold_prop_test.go)"
cases_of ./internal/controller $((cases / 10000 + 10)) "$(names_in TestProperty internal/controller/*_test.go)"

# Under a virtual clock one thing happens at a time: a second processor would
# only bring hand-overs between the two, so each life has one of its own.
lives=$(names_in TestSoak internal/controller/soak_test.go)
count=$(printf '%s\n' "$lives" | wc -l)
export SOAK_DAYS=$((${SOAK_DAYS:-30} / count)) GOMAXPROCS=1 GOGC=800
printf '%s\n' "$lives" |
	xargs -P "$count" -I LIFE "$go" test -count=1 -v -timeout 6h -run '^LIFE$' ./internal/controller
