#!/bin/sh
# Run before saved rules are restored: as a plugin of netfilter-persistent, and
# by the drop-in of iptables.service, ip6tables.service and their like. A rule
# that asks a set which does not exist makes iptables-restore refuse the whole
# file, and the firewall stays open: so the sets that saved rules of ours ask
# are made first, empty. The daemon fills them.
[ "${1:-}" = start ] || exit 0

saved='/etc/iptables/rules.v4 /etc/iptables/rules.v6 /etc/sysconfig/iptables /etc/sysconfig/ip6tables
/etc/iptables.rules /etc/ip6tables.rules /etc/iptables.up.rules /etc/iptables/iptables.rules /etc/iptables/ip6tables.rules'

for file in ${RECONCILER_SAVED_RULES:-$saved}; do
	[ -r "$file" ] || continue
	# Ours is a chain that asks a set of its own name.
	sed -n 's/^.*-A \([A-Za-z0-9][A-Za-z0-9_.-]*\) .*--match-set \(\1-v[46]\(-t\)\{0,1\}\) src .*$/\2/p' "$file" | sort -u |
		while read -r set; do
			case "$set" in
			*-v6 | *-v6-t) family=inet6 ;;
			*) family=inet ;;
			esac
			ipset -exist create "$set" hash:net family "$family" maxelem 2097152 timeout 0
		done
done
exit 0
