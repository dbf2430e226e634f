#!/bin/sh
# After the files are gone. Only dpkg's purge removes the log and the settings: a
# package that is put back goes on with its bans.
set -e

if [ -d /run/systemd/system ]; then
	systemctl daemon-reload || true
fi
if [ "${1:-}" = purge ]; then
	rm -f /etc/reconciler/config.yaml # the operator's, so dpkg does not know it
	rmdir /etc/reconciler 2>/dev/null || true
	for dir in /var/lib/reconciler /run/reconciler; do
		[ -d "$dir" ] || continue
		find "$dir" -mindepth 1 -delete
		rmdir "$dir" 2>/dev/null || true # a disk of its own stays, empty
	done
fi
