#!/bin/sh
# The demo itself, inside the private namespaces that demo.sh has made.
# usage: play.sh DIRECTORY, which holds bin/ and takes every other file.
set -u

dir=$1
reconciler=$dir/bin/reconciler
stagehand=$dir/bin/stagehand
here=scripts/demo
# shellcheck source=scripts/demo/lib.sh
. $here/lib.sh
# shellcheck source=scripts/demo/stage.sh
. $here/stage.sh
if command -v fail2ban-server >/dev/null; then
	# shellcheck source=scripts/demo/fail2ban.sh
	. $here/fail2ban.sh
else
	# shellcheck source=scripts/demo/byhand.sh
	. $here/byhand.sh
fi

# In the sample logs: 66 attackers, one of them in both; the office and the
# bastion's own public address, which fail2ban bans as well and which must not
# be; and friends.
attackers=66
tickets=69
attacker4=203.0.113.7
attacker6=2001:db8:11::5
newcomer=203.0.113.250
office=192.0.2.77
public=198.51.100.10
friend4=192.0.2.200
friend6=2001:db8:cafe::7

give_up() {
	printf '\n%sThe demo cannot go on: %s%s\n' "$red" "$1" "$plain" >&2
	for log in fail2ban.log f2b.out run.log sandbox.log gateway.log run-a.log run-b.log; do
		[ ! -s "$dir/$log" ] || { echo "--- $log" && tail -n 5 "$dir/$log"; } >&2
	done
	exit 1
}

begin=$(ticks)
raise_network $attacker4 $attacker6 $newcomer $friend4 $friend6 || give_up "the private network could not be set up"
raise_endpoint || give_up "the EC2 endpoint did not start"
configure
configure_bans || give_up "fail2ban could not be configured"

act "1. Attacks, in the styles of /var/log/auth.log and /var/log/secure"
for log in auth.log secure; do
	"$stagehand" redate <"examples/fail2ban/$log" >"$dir/$log" || give_up "the sample $log is damaged"
done
[ "${banner#fail2ban}" != "$banner" ] || say "fail2ban is not installed here: the same attackers are banned by hand."
check "before: $attacker4 and $attacker6 reach port 22 of the bastion" reach $attacker4 $attacker6
start_bans $tickets
check "$banner has banned $(banned) addresses in two jails, all in the log after ${took} s" [ "$(banned)" -eq $tickets ]

act "2. Plan and apply"
nothing_written() { [ "$shown_status" -eq 2 ] && [ "$(writes)" -eq 0 ] && ! ipset list -n | grep -q f2b; }
show plan --detailed-exitcode
check "plan writes nothing: $(writes) writing EC2 calls, no set in the kernel" nothing_written
start=$(ticks)
show apply
check "apply succeeds, in $(seconds "$start") s" [ "$shown_status" -eq 0 ]
acl_is_full() { [ "$(acl_denies 4)" -eq 18 ] && [ "$(acl_denies 6)" -eq 18 ]; }
check "the ACL holds $(acl_denies 4) IPv4 and $(acl_denies 6) IPv6 bans: quota 20, less the site's allow and the default deny" acl_is_full
check "the host's sets hold all $(host_total) bans" sets_hold $attackers
check "$(writes) writing EC2 calls for 36 slots" [ "$(writes)" -eq 36 ]
show plan --detailed-exitcode
check "the plan after it is empty" [ "$shown_status" -eq 0 ]
show acl
show status
check "all $(active) attackers are banned" [ "$(active)" -eq $attackers ]

act "3. Who must never be banned"
show status $office
show status $public
left_alone() { acl_lacks "$1/32" && host_lacks 4 "$1" && "$reconciler" status "$1" | grep -q refused; }
check "the office ($office, ignore list) is banned nowhere" left_alone $office
check "the bastion's public address ($public, metadata) is banned nowhere" left_alone $public
daemon_left_alone() { grep -q ' add: ' "$dir/run.log" && ! grep -qE "(prefix|old)=($1|$2)/32" "$dir/run.log"; }

act "4. Packets"
check "$attacker4 is refused" is_refused $attacker4
check "$attacker6 is refused" is_refused $attacker6
check "friends pass: $friend4 and $friend6" reach $friend4 $friend6

act "5. The daemon takes over"
before=$(writes)
start_daemon
check "reconciler run finds nothing to do: $(($(writes) - before)) writing EC2 calls (ready after ${took} s)" [ "$(writes)" -eq "$before" ]
attack $newcomer
wait_for host_has 4 $newcomer
check "a new attacker, $newcomer, is blocked on the host ${took} s after the last failed login" is_refused $newcomer
check "the ACL is full, so it waits for a slot there" acl_lacks $newcomer/32
lucky=$(first_in_acl sshd)
rule=$(rule_of "$lucky/32")
before=$(writes)
start=$(ticks)
unban "$lucky" >/dev/null
wait_for rule_is "$rule" $newcomer/32
check "$lucky is unbanned; $newcomer takes its rule $rule in place, after $(seconds "$start") s" rule_is "$rule" $newcomer/32
check "with $(($(writes) - before)) writing EC2 call" [ $(($(writes) - before)) -eq 1 ]
check "$lucky is on the host no more" host_lacks 4 "$lucky"

act "6. fail2ban restarts"
before=$(writes) bans=$(active) holds=$(host_total) said=$(banned)
stop_bans >/dev/null || say "fail2ban did not stop cleanly"
as_before() { [ "$(active)" -eq "$bans" ] && [ "$(host_total)" -eq "$holds" ]; }
check "while it is down nothing is lifted: $(active) bans, $(host_total) on the host" as_before
start_bans "$said"
sleep 0.5
restored() { [ "$(banned)" -eq "$said" ] && as_before; }
check "it has restored $(banned) bans in ${took} s: $(active) bans, $(host_total) on the host, as before" restored
check "$(($(writes) - before)) writing EC2 calls" [ "$(writes)" -eq "$before" ]

act "7. Damage: ipset flush, iptables -F, and a rule deleted in the ACL, all at once"
victim=$(first_in_acl sshd-secure)
rule=$(rule_of "$victim/32")
before=$(writes)
start=$(ticks)
ipset flush
iptables -F
ip6tables -F
AWS_ENDPOINT_URL=$colleague "$stagehand" delete "$acl" "$rule"
sets='' jumps='' back=''
while [ $(($(ticks) - start)) -lt $((patience * 100)) ]; do
	[ -n "$sets" ] || ! sets_hold "$holds" || sets=$(seconds "$start")
	[ -n "$jumps" ] || ! jump_stands 2>/dev/null || jumps=$(seconds "$start")
	[ -n "$back" ] || ! acl_has "$victim/32" || back=$(seconds "$start")
	[ -z "$sets" ] || [ -z "$jumps" ] || [ -z "$back" ] || break
	sleep 0.1
done
check "the sets hold all $(host_total) bans again after ${sets:-more than $patience} s (looked at every 10 s)" [ -n "$sets" ]
check "chain and jumps stand again after ${jumps:-more than $patience} s (the same)" [ -n "$jumps" ]
check "rule $rule denies $victim again after ${back:-more than $patience} s (resync 5 s here, 60 s by default)" [ -n "$back" ]
check "with $(($(writes) - before)) writing EC2 call" [ $(($(writes) - before)) -eq 1 ]
check "$attacker4 is refused again" is_refused $attacker4
check "and $friend4 passes" reach $friend4

act "8. Teardown"
show teardown
gone() {
	left=$(iptables -S && ip6tables -S && ipset list -n && "$stagehand" rules "$acl") &&
		! echo "$left" | grep -qE 'f2b| deny$' && echo "$left" | grep -q '^100 0.0.0.0/0 allow'
}
check "chain, sets, jumps and all rules of ours are gone; the site's own rules are not" gone
check "$attacker4 reaches the bastion again" reach $attacker4
check "in all its time the daemon did nothing to the office and the public address" daemon_left_alone $office $public
kill "$daemon" 2>/dev/null
wait "$daemon"
check "the daemon ends cleanly" [ $? -eq 0 ]

if [ -x "$dir/bin/versitygw" ]; then
	# shellcheck source=scripts/demo/shared.sh
	. $here/shared.sh
	share_bans || give_up "the S3 server or the second bastion did not start"
else
	say ""
	say "Left out: two bastions that share their bans through S3; \`sh scripts/deps.sh versitygw\` installs the server."
fi

say ""
say "The endpoint is a simulation that filters no packets: those were refused by this kernel's firewall."
printf '\n%s%d passed, %d failed%s, in %s s.\n' "$bold" "$passed" "$failed" "$plain" "$(seconds "$begin")"
[ "$failed" -eq 0 ]
