# The second part: two bastions, each with a network namespace and a firewall of
# its own, share their bans through a log in S3 (versitygw). Sourced by play.sh.
# shellcheck shell=sh
# shellcheck disable=SC2154 # the files share their variables

here4=10.77.0.1
there4=10.77.0.2

# on HOST COMMAND...: runs something on the bastion a, which is this one, or b.
on() {
	where=$1
	shift
	set -- env -u AWS_EC2_METADATA_SERVICE_ENDPOINT AWS_ENDPOINT_URL_S3="http://$here4:7070" \
		RECONCILER_CONFIG="$dir/shared.yaml" RECONCILER_HOST_ID="bastion-$where" \
		RECONCILER_SPOOL="$dir/$where" RECONCILER_CACHE_DIR="$dir/$where" RECONCILER_RUN_DIR="$dir/$where/run" "$@"
	[ "$where" = a ] || set -- nsenter --target "$second" --net "$@"
	$as "$@"
}
as='' # or exec, in a process of its own: then that is the program itself
on_host() { on "$1" ipset test f2b-reconciler-v4 "$2"; }
not_on_host() { list=$(on "$1" ipset save f2b-reconciler-v4) && ! echo "$list" | grep -q " $2 "; }

# raise_second joins a namespace for the second bastion by a cable.
raise_second() {
	unshare --net sleep 600 &
	second=$!
	wait_for apart "$second" &&
		ip link add shared0 type veth peer name shared1 netns "$second" &&
		ip address add $here4/30 dev shared0 && ip link set shared0 up &&
		nsenter --target "$second" --net ip address add $there4/30 dev shared1 &&
		nsenter --target "$second" --net ip link set shared1 up &&
		nsenter --target "$second" --net ip link set lo up
}

raise_gateway() {
	mkdir -p "$dir/s3/data/bans" "$dir/s3/meta" "$dir/a" "$dir/b" &&
		ROOT_ACCESS_KEY=$AWS_ACCESS_KEY_ID ROOT_SECRET_KEY=$AWS_SECRET_ACCESS_KEY VGW_REGION=$AWS_REGION \
			"$dir/bin/versitygw" --port $here4:7070 --quiet posix --sidecar "$dir/s3/meta" "$dir/s3/data" >"$dir/gateway.log" 2>&1 &
	gateway=$!
	cat >"$dir/shared.yaml" <<-END
		state: s3://bans/demo/
		s3-path-style: true
		s3-timeout: 2s
		poll: 1s             # 10 seconds by default
		nacl: none
	END
}

start_on() { # HOST
	(as=exec && on "$1" "$reconciler" run >"$dir/run-$1.log" 2>&1) &
	wait_for grep -q 'enforced: health=ok' "$dir/run-$1.log"
}

share_bans() {
	act "9. Two bastions share their bans through S3"
	raise_second && raise_gateway || return 1
	start_on a && daemon_a=$! || return 1
	start_on b && daemon_b=$! || return 1
	on a "$reconciler" ban --jail sshd -- 203.0.113.5
	wait_for on_host b 203.0.113.5
	check "a ban on bastion a is in the kernel of bastion b after $took s (it looks every second here)" on_host b 203.0.113.5

	ip link set shared0 down
	start=$(ticks)
	on a "$reconciler" ban --jail sshd -- 203.0.113.6
	asked=$(seconds "$start")
	wait_for on_host a 203.0.113.6
	check "a is cut off from S3: a ban takes $asked s and is in its kernel after $took s" on_host a 203.0.113.6
	check "b does not hear of it, and keeps what it knows" on_host b 203.0.113.5
	ip link set shared0 up
	wait_for on_host b 203.0.113.6
	check "the line is mended: b has it after $took s" on_host b 203.0.113.6

	on b "$reconciler" unban 203.0.113.5
	wait_for not_on_host a 203.0.113.5
	check "an unban on b lifts the ban of a, after $took s" not_on_host a 203.0.113.5
	on a "$reconciler" status 2>&1 | sed -n "s|^s3://|    s3://|p"
	on a "$reconciler" teardown >"$dir/shown" 2>&1
	check "a teardown of a leaves b alone" on_host b 203.0.113.6
	kill "$daemon_a" "$daemon_b" "$gateway" 2>/dev/null
	wait "$daemon_a" "$daemon_b"
	check "both daemons end cleanly" [ $? -eq 0 ]
}
