#!/bin/sh
# Shows the whole of reconciler in under a minute: a real fail2ban reads a log
# of attacks, its bans go to a Network ACL (of an embedded EC2 endpoint) and to
# this kernel's firewall, and damage to either is repaired. All of it happens
# in private namespaces; nothing of it is left afterwards.
#
# Exit status: 0; 1 when a check failed or the demo cannot run here.
set -eu

cd "$(dirname "$0")/.."
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
export PATH
go=${GO:-go}

stage=
dir=$(mktemp -d "${TMPDIR:-/tmp}/reconciler-demo.XXXXXX")

# shellcheck disable=SC2317 # the traps call it
# The kernel ends every process of the namespaces with the first of them.
clean() {
	trap - EXIT
	trap '' HUP INT TERM
	if [ -n "$stage" ] && kill -KILL "$stage" 2>/dev/null; then
		wait "$stage" 2>/dev/null || true
	fi
	for _ in 1 2 3 4 5; do
		rm -rf "$dir" 2>/dev/null && break
		sleep 0.2 # the last of them is still writing
	done
}
trap clean EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

sh scripts/deps.sh iptables ipset iproute2 fail2ban
for program in unshare nsenter ip ipset iptables ip6tables; do
	if ! command -v "$program" >/dev/null; then
		echo "demo: it cannot run without $program; install it and try again" >&2
		exit 1
	fi
done

echo "demo: building"
CGO_ENABLED=0 "$go" build -trimpath -o "$dir/bin/" ./cmd/reconciler ./scripts/demo/stagehand
# The second part needs an S3 server; it is left out where there is none.
for gateway in "$PWD/.tools/bin/versitygw" "$(command -v versitygw || true)"; do
	[ ! -x "$gateway" ] || [ -e "$dir/bin/versitygw" ] || ln -s "$gateway" "$dir/bin/versitygw"
done

set -- --net --mount --pid --fork --kill-child --mount-proc
[ "$(id -u)" -eq 0 ] || set -- --user --map-root-user "$@"
if ! unshare "$@" true 2>"$dir/refused"; then
	cat "$dir/refused" >&2
	echo "demo: this kernel gives no private network namespace here, and without one the demo would" >&2
	echo "demo: touch the firewall of this machine; run it as root on a machine or VM of your own" >&2
	exit 1
fi

# Nothing of the caller's settings, AWS credentials or proxies goes in.
env -i PATH="$PATH" HOME="$dir" TMPDIR="$dir" LANG="${LANG:-C.UTF-8}" TERM="${TERM:-dumb}" \
	${TZ:+TZ="$TZ"} ${NO_COLOR:+NO_COLOR="$NO_COLOR"} \
	unshare "$@" sh scripts/demo/play.sh "$dir" &
stage=$!
status=0
wait "$stage" || status=$?
stage=
exit "$status"
