#!/bin/sh
# Runs every fuzz target of the tree for FUZZTIME (10s by default). Go fuzzes
# one target at a time.
set -eu

go=${GO:-go}
time=${FUZZTIME:-10s}
found=0

for file in $(grep -rl --include='*_test.go' '^func Fuzz' internal cmd test 2>/dev/null | sort); do
	for target in $(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' "$file"); do
		found=$((found + 1))
		echo "fuzz: $target in $(dirname "$file") for $time"
		"$go" test -run '^$' -fuzz "^$target\$" -fuzztime "$time" "./$(dirname "$file")"
	done
done

if [ "$found" -eq 0 ]; then
	echo "fuzz: no target found; run it at the top of the tree" >&2
	exit 1
fi
