#!/bin/sh
# Before the files go. A removal takes down everything that is ours, here and in
# the Network ACLs; an upgrade leaves all in force. dpkg passes "remove" or
# "upgrade"; rpm passes how many versions stay.
set -e

case "${1:-}" in
remove | 0) ;;
*) exit 0 ;;
esac

if [ -x /usr/bin/reconciler ]; then
	: >/var/lib/reconciler/.removed 2>/dev/null || true
	# AWS may be out of reach. That must not keep a package on a host for ever.
	if ! timeout 150 /usr/bin/reconciler teardown; then
		echo "reconciler: not everything was removed; look at the rules 1-90 of the Network ACLs" >&2
	fi
fi

if [ -d /run/systemd/system ]; then
	systemctl disable --now reconciler.service || true
fi

if grep -rqsE '^[[:space:]]*(ban)?action(_allports)?[[:space:]]*=.*reconciler' /etc/fail2ban/jail.conf /etc/fail2ban/jail.local /etc/fail2ban/jail.d; then
	echo "reconciler: jails of fail2ban still name the action reconciler; give them another and run: fail2ban-client reload --restart" >&2
fi
