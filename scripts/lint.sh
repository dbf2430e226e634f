#!/bin/sh
# Checks the format, then runs go vet, golangci-lint and staticcheck over the
# given packages (all by default). Installs the two linters, at the versions
# that the Makefile fixes, into the tree when they are not there yet.
set -eu

go=${GO:-go}
tools=${TOOLS:-$PWD/.tools/bin}
[ $# -gt 0 ] || set -- ./...

# install PROGRAM MODULE VERSION: the version is part of the stamp's name, so
# that a new one replaces the old.
install() {
	stamp="$tools/.$1-$3"
	if [ ! -e "$stamp" ] || [ ! -x "$tools/$1" ]; then
		echo "lint: installing $1 $3"
		mkdir -p "$tools"
		GOBIN="$tools" GOFLAGS= "$go" install "$2@$3"
		: >"$stamp"
	fi
}

install golangci-lint github.com/golangci/golangci-lint/v2/cmd/golangci-lint "${GOLANGCI_LINT:?set it, or run: make lint}"
install staticcheck honnef.co/go/tools/cmd/staticcheck "${STATICCHECK:?set it, or run: make lint}"

"$go" vet "$@"
"$go" vet -tags e2e "$@"
for pattern in "$@"; do
	"$tools/golangci-lint" fmt --diff "${pattern%/...}"
done
"$tools/golangci-lint" run --allow-parallel-runners "$@"
"$tools/staticcheck" "$@"
echo "lint: clean"
