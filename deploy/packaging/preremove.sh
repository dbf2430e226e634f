#!/bin/sh
# Before the files go. A removal takes down everything that is ours, here and in
# the Network ACLs; an upgrade leaves all in force. dpkg passes "remove" or
# "upgrade"; rpm passes how many versions stay.
set -e

case "${1:-}" in
remove | 0) ;;
*) exit 0 ;;
esac

state=/var/lib/reconciler
chain=f2b-reconciler

# named_by lists where fail2ban's files name this program, comments left out.
named_by() {
	grep -rns --include='*.conf' --include='*.local' reconciler "${1:-/etc/fail2ban}" |
		grep -v -e '^[^:]*/action\.d/reconciler\.\(conf\|local\):' -e '^[^:]*:[0-9]*:[[:space:]]*[#;]'
}

# Without the program each ban of such a jail fails (status 127).
if named=$(named_by); then
	cat >&2 <<-EOF
		reconciler: fail2ban still bans with reconciler, and cannot ban once it is gone:
		$named
		reconciler: give these jails another action, such as "banaction = nftables", and run: fail2ban-client reload --restart
	EOF
fi

# torn_down: a mistake in the settings must not leave the bans in force with
# nobody to lift them. What the settings do not say then is as by default.
torn_down() {
	timeout 150 /usr/bin/reconciler teardown && return
	! timeout 30 /usr/bin/reconciler check >/dev/null 2>&1 || return 1
	echo "reconciler: the settings cannot be used; taking down what the default ones name" >&2
	empty=$(mktemp) || return
	timeout 150 /usr/bin/reconciler teardown --config "$empty" && said=0 || said=$?
	rm -f "$empty"
	return "$said"
}

# by_hand says what to paste once the program is gone.
by_hand() {
	cat <<-EOF
		reconciler: not everything was removed. On the host, with the names of chain and hook that you use:
		  for t in iptables ip6tables; do \$t -D INPUT -j $chain; \$t -F $chain; \$t -X $chain; done
		  ipset destroy $chain-v4; ipset destroy $chain-v6
		In the Network ACLs, for each deny of rules 1-90 that is a ban:
		  aws ec2 delete-network-acl-entry --network-acl-id ACL --ingress --rule-number N
	EOF
}

if [ -x /usr/bin/reconciler ]; then
	# The next installation ends the pause that a teardown records. A redirection
	# that fails would end the script, whatever follows it.
	install -d -m 0750 -o reconciler -g reconciler "$state" 2>/dev/null || true
	touch "$state/.removed" 2>/dev/null || true
	# AWS may be out of reach. That must not keep a package on a host for ever.
	torn_down || by_hand >&2
fi

if [ -d /run/systemd/system ]; then
	systemctl disable --now reconciler.service || true
fi

# Rules that were saved with ours ask a set that nobody makes any more.
for saved in /etc/iptables/rules.v4 /etc/iptables/rules.v6 /etc/sysconfig/iptables /etc/sysconfig/ip6tables; do
	if grep -qs -e "--match-set $chain-v" "$saved"; then
		echo "reconciler: the next boot cannot restore $saved, which holds the chain $chain; take it out with: sed -Ei '/[ :]$chain( |\$)/d' $saved" >&2
	fi
done

# dpkg keeps the settings until a purge. rpm would delete the file that it only names.
if [ "$1" = 0 ] && [ -s /etc/reconciler/config.yaml ]; then
	cp -p /etc/reconciler/config.yaml /etc/reconciler/config.yaml.rpmsave
	echo "reconciler: the settings are kept in /etc/reconciler/config.yaml.rpmsave" >&2
fi
