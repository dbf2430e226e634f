#!/bin/sh
# After the files are in place. dpkg passes "configure" and, on an upgrade, the
# old version; rpm passes how many versions are installed now.
set -e

unit=reconciler.service
removed=/var/lib/reconciler/.removed

case "${1:-}" in
configure) [ -z "${2:-}" ] && fresh=yes || fresh=no ;;
1) fresh=yes ;;
2 | 3 | 4) fresh=no ;;
*) exit 0 ;; # dpkg's abort-upgrade and such: nothing has changed
esac

# The user, and the directories that only it and root may read.
if command -v systemd-sysusers >/dev/null 2>&1; then
	systemd-sysusers reconciler.conf
elif ! getent passwd reconciler >/dev/null; then
	useradd --system --user-group --home-dir /var/lib/reconciler --no-create-home --shell /usr/sbin/nologin reconciler
fi
for dir in /var/lib/reconciler /run/reconciler; do
	install -d -m 0750 -o reconciler -g reconciler "$dir"
done

# A removal lifted everything with a pause, which is on record. It ends here.
if [ -e "$removed" ]; then
	if /usr/bin/reconciler resume; then
		rm -f "$removed"
	else
		echo "reconciler: it is paused since its removal; fix that and run: reconciler resume" >&2
	fi
	fresh=yes
fi

[ -d /run/systemd/system ] || exit 0

systemctl daemon-reload
if [ "$fresh" = yes ]; then
	systemctl enable "$unit"
	systemctl start "$unit" || echo "reconciler: the service did not start; see: reconciler doctor" >&2
else
	# Stopping lifts nothing, so nothing is open in between.
	systemctl try-restart "$unit" || echo "reconciler: the service did not restart; see: reconciler doctor" >&2
fi
