# Builds the stage inside the private namespaces: the bastion with its
# endpoint, and the world outside, from where the strangers come. Sourced by
# play.sh.
# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154 # the files share their variables

bastion4=10.0.1.10
bastion6=fd00:ec2:0:101::a

inode() { readlink "/proc/$1/ns/net"; }
apart() { [ "$(inode "$1")" != "$(inode self)" ]; }
outside() { nsenter --target "$world" --net "$@"; }

# raise_network joins the bastion to a second network namespace by a cable.
raise_network() {
	mount -t tmpfs tmpfs /run && ip link set lo up || return 1
	unshare --net sleep 600 &
	world=$!
	wait_for apart "$world" &&
		ip link add bastion0 type veth peer name world0 netns "$world" &&
		ip address add $bastion4/24 dev bastion0 &&
		ip address add $bastion6/64 dev bastion0 nodad &&
		ip link set bastion0 up &&
		outside ip link set world0 up &&
		outside ip route add $bastion4/32 dev world0 &&
		outside ip route add $bastion6/128 dev world0 || return 1
	for range in 192.0.2.0/24 198.51.100.0/24 203.0.113.0/24 2001:db8::/32; do
		ip route add "$range" dev bastion0 || return 1
	done
	for stranger in "$@"; do
		case $stranger in
		*:*) outside ip address add "$stranger" dev world0 nodad || return 1 ;;
		*) outside ip address add "$stranger" dev world0 || return 1 ;;
		esac
	done
	"$stagehand" listen "$bastion4:22" "[$bastion6]:22" >"$dir/listening" &
	wait_for grep -q ready "$dir/listening"
}

# knock FROM: a TCP connect to the bastion's port 22 from that address.
knock() {
	case $1 in
	*:*) outside "$stagehand" knock "$1" "[$bastion6]:22" ;;
	*) outside "$stagehand" knock "$1" "$bastion4:22" ;;
	esac
}
reach() { for stranger in "$@"; do knock "$stranger" || return 1; done; }
is_refused() { knock "$1" 2>&1 | grep -q 'connection refused'; }

# raise_endpoint starts the sandbox, and before it a witness of every call.
raise_endpoint() {
	"$reconciler" sandbox --listen 127.0.0.1:0 --quota 20 --state-file "$dir/account.json" >"$dir/aws" 2>"$dir/sandbox.log" &
	wait_for grep -q AWS_SECRET_ACCESS_KEY "$dir/aws" || return 1
	# shellcheck disable=SC1091 # it is made at run time
	. "$dir/aws"
	acl=$(sed -n 's/^# .*\(acl-[0-9a-f]*\)$/\1/p' "$dir/aws")
	: >"$dir/calls"
	"$stagehand" witness "$AWS_ENDPOINT_URL" "$dir/calls" >"$dir/witness" &
	colleague=$AWS_ENDPOINT_URL
	wait_for grep -q http "$dir/witness" || return 1
	AWS_ENDPOINT_URL=$(cat "$dir/witness")
	export AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null AWS_ENDPOINT_URL
}

# configure writes the one file that all commands of the demo read.
configure() {
	cat >"$dir/config.yaml" <<-END
		state: $dir/state/bans.jsonl
		run-dir: $dir/run
		ignore: 192.0.2.77   # the office
		resync: 5s           # a minute by default
	END
	export RECONCILER_CONFIG="$dir/config.yaml"
}

start_daemon() {
	"$reconciler" run >"$dir/run.log" 2>&1 &
	daemon=$!
	wait_for grep -q 'enforced: health=ok .*acl-' "$dir/run.log"
}
