# Who bans where fail2ban is not installed: `reconciler ban` for the same
# attackers, with the records that fail2ban's action would make. Sourced by
# play.sh.
# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154 # the files share their variables

banner="reconciler ban, by hand"

configure_bans() { mkdir "$dir/state"; }

# offenders FILE: the addresses with three failures, as fail2ban finds them.
offenders() {
	awk '/Failed password|Connection closed by authenticating/ {
		for (i = 2; i <= NF; i++) if ($i == "port") failures[$(i - 1)]++
	} END { for (address in failures) if (failures[address] >= 3) print address }' "$1"
}

record() { # RESTORED
	for log in auth.log:sshd secure:sshd-secure; do
		# shellcheck disable=SC2046 # addresses are words
		"$reconciler" ban --jail "${log#*:}" --time "$started" --restored "$1" -- $(offenders "$dir/${log%:*}") || return 1
	done
}

banned() { for log in auth.log secure; do offenders "$dir/$log"; done | grep -cvxF "${lifted:-none}"; }

start_bans() {
	restored=${started:+1}
	: "${started:=$(date +%s)}"
	for jail in sshd sshd-secure; do "$reconciler" start --jail $jail || return 1; done
	record "${restored:-0}"
	took=0.00
}

stop_bans() {
	for jail in sshd sshd-secure; do
		"$reconciler" flush --jail $jail --defer 30 && "$reconciler" stop --jail $jail || return 1
	done
}

unban() { lifted=$1 && "$reconciler" unban --jail sshd -- "$1"; }

attack() { "$reconciler" ban --jail sshd -- "$1"; }
