# How the demo speaks, checks and waits. Sourced by play.sh.
# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154 # the files share their variables

passed=0
failed=0
bold='' green='' red='' dim='' plain=''
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ] && [ "$TERM" != dumb ]; then
	bold=$(printf '\033[1m') green=$(printf '\033[32m') red=$(printf '\033[31m')
	dim=$(printf '\033[2m') plain=$(printf '\033[0m')
fi

act() { printf '\n%s%s%s\n' "$bold" "$1" "$plain"; }

say() { printf '  %s\n' "$1"; }

# check TEXT COMMAND...: one line of the result, with the figures in TEXT.
check() {
	text=$1
	shift
	if "$@" >/dev/null 2>&1; then
		passed=$((passed + 1))
		printf '  %s✓%s %s\n' "$green" "$plain" "$text"
	else
		failed=$((failed + 1))
		printf '  %s✗%s %s\n' "$red" "$plain" "$text"
	fi
}

# show COMMAND...: runs the program and prints what it says, of each run of
# like lines only the first four. $shown_status is its exit status.
show() {
	printf '  %s$ reconciler %s%s\n' "$bold" "$*" "$plain"
	shown_status=0
	"$reconciler" "$@" >"$dir/shown" 2>&1 || shown_status=$?
	awk '
		function fold() { if (run > 4) printf "    … %d more of these …\n", run - 4; run = 0 }
		{ kind = "" }
		/^  [-+~!] / { kind = $1 $2 }
		/ ours$/ { kind = "ours" }
		/^[0-9a-f.:\/]+ .* until / { kind = "ban" }
		kind == "" || kind != last { fold() }
		{ last = kind; if (++run <= 4 || kind == "") print "    " (length($0) > 130 ? substr($0, 1, 129) "…" : $0) }
		END { fold() }' "$dir/shown"
}

# ticks gives hundredths of a second since the machine started.
ticks() {
	read -r up _ </proc/uptime
	echo "${up%.*}${up#*.}"
}

# seconds TICKS: how long ago that was, as 1.20.
seconds() {
	gone=$(($(ticks) - $1))
	printf '%d.%02d\n' $((gone / 100)) $((gone % 100))
}

# patience is how many seconds something may take that must come. It bounds a
# failure and measures nothing: the machine may be slow.
patience=60

# wait_for COMMAND...: until the command succeeds. $took is how long that was.
wait_for() {
	wait_start=$(ticks)
	wait_end=$((wait_start + patience * 100))
	until "$@" >/dev/null 2>&1; do
		if [ "$(ticks)" -ge "$wait_end" ]; then
			took=$(seconds "$wait_start")
			return 1
		fi
		sleep 0.05
	done
	took=$(seconds "$wait_start")
}

# What the endpoint and the kernel themselves say, not the program.
acl_denies() { # 4 or 6
	case $1 in
	4) "$stagehand" rules "$acl" | grep -c '\..* deny$' ;;
	6) "$stagehand" rules "$acl" | grep -c ':.* deny$' ;;
	esac
}
acl_has() { acl_list=$("$stagehand" rules "$acl") && echo "$acl_list" | grep -q " $1 deny\$"; }
acl_lacks() { acl_list=$("$stagehand" rules "$acl") && ! echo "$acl_list" | grep -q " $1 deny\$"; }
rule_of() { "$stagehand" rules "$acl" | sed -n "s|^\([0-9]*\) $1 deny\$|\1|p"; }
# first_in_acl JAIL: the lowest IPv4 rule's address that this jail alone has banned.
first_in_acl() {
	"$stagehand" rules "$acl" | sort -n | sed -n 's|^[0-9]* \([0-9.]*\)/32 deny$|\1|p' | while read -r address; do
		jails=$(grep '"op":"ban"' "$dir/state/bans.jsonl" | grep -F "\"ip\":\"$address\"" | sed 's/.*"jail":"\([^"]*\)".*/\1/' | sort -u)
		[ "$jails" != "$1" ] || { echo "$address" && break; }
	done
}
rule_is() { [ "$("$stagehand" rules "$acl" | sed -n "s|^$1 \(.*\) deny\$|\1|p")" = "$2" ]; }
host_holds() { ipset save "f2b-reconciler-v$1" | grep -c '^add '; }
host_has() { ipset test "f2b-reconciler-v$1" "$2"; }
host_lacks() { host_list=$(ipset save "f2b-reconciler-v$1") && ! echo "$host_list" | grep -q "^add [^ ]* $2 "; }
host_total() { echo $(($(host_holds 4) + $(host_holds 6))); }
writes() { grep -c '"[A-Z][a-z]*NetworkAclEntry"' "$dir/calls"; }
jump_stands() {
	iptables -C INPUT -j f2b-reconciler && iptables -S f2b-reconciler | grep -q REJECT &&
		ip6tables -C INPUT -j f2b-reconciler && ip6tables -S f2b-reconciler | grep -q REJECT
}
sets_hold() { [ "$(host_total)" -eq "$1" ]; }
active() { "$reconciler" status | sed -n 's/^Active bans: \([0-9]*\)\..*/\1/p'; }
