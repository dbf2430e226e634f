#!/bin/sh
# Builds the packages into dist/: .deb and .rpm, for the architectures given
# (amd64 arm64). The same commit gives the same bytes: all times are that of the
# commit, paths are trimmed, and files go in sorted.
set -eu

go=${GO:-go}
nfpm=${NFPM:?the path of nfpm; or run: make package}
out=${OUT:-dist}
[ $# -gt 0 ] || set -- amd64 arm64

export TZ=UTC LC_ALL=C
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH
PKG_DATE=$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)
export PKG_DATE

# version_of: a tag's version; between tags one that sorts after the last. What
# is not committed is named: such a package cannot be built again.
version_of() {
	commit=$(git rev-parse --short=12 HEAD)
	dirty=
	[ -z "$(git status --porcelain --untracked-files=no)" ] || dirty=.dirty
	if tag=$(git describe --tags --abbrev=0 --match 'v[0-9]*' 2>/dev/null); then
		ahead=$(git rev-list --count "$tag..HEAD")
		[ "$ahead$dirty" != 0 ] || { echo "${tag#v}"; return; }
		echo "${tag#v}+$ahead.g$commit$dirty"
	else
		echo "0.0.0+$(date -u -d "@$(git log -1 --format=%ct)" +%Y%m%d%H%M%S).g$commit$dirty"
	fi
}
PKG_VERSION=${PKG_VERSION:-$(version_of)}
export PKG_VERSION

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$out"

build() { CGO_ENABLED=0 GOFLAGS= "$go" build -trimpath -buildvcs=false -ldflags "-s -w -buildid= -X main.version=$PKG_VERSION" "$@" ./cmd/reconciler; }

echo "package: man pages and completions"
build -tags docs -o "$work/docs"
"$work/docs" docs "$work"
gzip -n -9 "$work"/man/*

for PKG_ARCH in "$@"; do
	PKG_STAGE=$work/$PKG_ARCH
	export PKG_ARCH PKG_STAGE
	mkdir -p "$PKG_STAGE"
	cp -R "$work/man" "$work/completions" "$PKG_STAGE/"
	GOOS=linux GOARCH=$PKG_ARCH build -o "$PKG_STAGE/reconciler"
	find "$PKG_STAGE" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
	for packager in deb rpm; do
		"$nfpm" package --config deploy/packaging/nfpm.yaml --packager "$packager" --target "$out/" >"$work/said" ||
			{ cat "$work/said" >&2; exit 1; }
		tail -n 1 "$work/said"
	done
done
