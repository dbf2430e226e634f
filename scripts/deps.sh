#!/bin/sh
# Installs the programs that the firewall tests and the demonstration need:
# iptables, ipset, nftables, iproute2, fail2ban, sqlite3, rpm, systemd, nspawn,
# debootstrap, logrotate and versitygw, or those named as arguments. Only what is
# missing is installed, with apt-get or dnf, as root or through sudo where that
# asks no password; versitygw, an S3 server, is built from its Go module into
# .tools/bin.
#
# What cannot be had is named, with what is left out for it. The exit status is
# 0 all the same, so that the other tests run; with CI=true it is 1.
set -eu

[ $# -gt 0 ] || set -- iptables ipset nftables iproute2 fail2ban sqlite3 rpm systemd nspawn debootstrap logrotate versitygw

# System programs are not on everybody's path.
tools=$(cd "$(dirname "$0")/.." && pwd)/.tools/bin
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin:$tools
export PATH
versitygw=github.com/versity/versitygw/cmd/versitygw@v1.8.0

# programs_of NAME: the programs that must be there for it.
programs_of() {
	case $1 in
	iptables) echo "iptables-restore ip6tables-restore iptables-save ip6tables-save" ;;
	ipset) echo ipset ;;
	nftables) echo nft ;;
	iproute2) echo ip ;;
	fail2ban) echo "fail2ban-server fail2ban-client" ;;
	sqlite3) echo sqlite3 ;;
	rpm) echo rpm ;;
	systemd) echo systemd-analyze ;;
	nspawn) echo systemd-nspawn ;;
	debootstrap) echo debootstrap ;;
	logrotate) echo logrotate ;;
	versitygw) echo versitygw ;;
	*)
		echo "deps: unknown name '$1'; known are iptables ipset nftables iproute2 fail2ban sqlite3 rpm systemd nspawn debootstrap logrotate versitygw" >&2
		exit 2
		;;
	esac
}

# left_out NAME: what does not run without it.
left_out() {
	case $1 in
	iptables | ipset) echo "every test of the host's firewall on the kernel" ;;
	nftables) echo "every test of the host's firewall on the kernel, which nft cleans up" ;;
	iproute2) echo "the tests with packets" ;;
	fail2ban) echo "the tests with a real fail2ban" ;;
	sqlite3) echo "the tests of importing" ;;
	rpm) echo "the test of what the .rpm holds" ;;
	systemd) echo "the test of the unit's exposure" ;;
	nspawn | debootstrap) echo "the test that boots a whole bastion" ;;
	logrotate) echo "the test of a log that logrotate turns over" ;;
	versitygw) echo "the tests with a real S3 server, and the demo's second act" ;;
	esac
}

# package_of MANAGER NAME: what the package is called there.
package_of() {
	case $1:$2 in
	dnf:iptables) echo iptables-nft ;;
	dnf:iproute2) echo iproute ;;
	dnf:sqlite3) echo sqlite ;;
	*:nspawn) echo systemd-container ;;
	*) echo "$2" ;;
	esac
}

has() {
	for program in $(programs_of "$1"); do
		command -v "$program" >/dev/null 2>&1 || return 1
	done
}

# missing NAME...: those that are not there.
missing() {
	for name in "$@"; do
		has "$name" || printf '%s ' "$name"
	done
}

as_root() {
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
		sudo -n "$@"
	else
		echo "deps: not root, and sudo is not there or asks for a password" >&2
		return 1
	fi
}

# quietly COMMAND...: shows what the command said only when it failed.
quietly() {
	if said=$(as_root "$@" 2>&1); then
		return 0
	fi
	printf '%s\n' "$said" | tail -n 5 >&2
	return 1
}

# install_all NAME...: one after the other, so that one that is not offered
# keeps nothing else away.
install_all() {
	case " $* " in
	*" versitygw "*)
		GOBIN=$tools GOFLAGS='' "${GO:-go}" install "$versitygw" >&2 || true
		# shellcheck disable=SC2046 # the names are words
		set -- $(printf '%s\n' "$@" | grep -vx versitygw)
		[ $# -gt 0 ] || return 0
		;;
	esac
	if command -v apt-get >/dev/null 2>&1; then
		quietly env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Acquire::Retries=3 update || return 1
		for name in "$@"; do
			quietly env DEBIAN_FRONTEND=noninteractive \
				apt-get -qq -y -o Acquire::Retries=3 --no-install-recommends install "$(package_of apt "$name")" || true
		done
	elif command -v dnf >/dev/null 2>&1; then
		for name in "$@"; do
			quietly dnf -q -y install "$(package_of dnf "$name")" || true
		done
	else
		echo "deps: neither apt-get nor dnf is here" >&2
		return 1
	fi
}

for name in "$@"; do
	programs_of "$name" >/dev/null
done

wanted=$(missing "$@")
if [ -n "$wanted" ]; then
	echo "deps: installing $wanted"
	# shellcheck disable=SC2086 # the names are words
	install_all $wanted || true
	wanted=$(missing "$@")
fi

for name in $wanted; do
	echo "deps: $name is missing; left out: $(left_out "$name")" >&2
done
if [ -n "$wanted" ] && [ "${CI:-}" = true ]; then
	echo "deps: with CI=true nothing may be left out" >&2
	exit 1
fi
