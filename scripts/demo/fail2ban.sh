# Who bans: a real fail2ban with the packaged action and stock filters, all its
# files in the demo's directory. Sourced by play.sh.
# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154 # the files share their variables

banner="fail2ban $(fail2ban-client --version 2>/dev/null | sed -n '1s/.*[ v]\([0-9][0-9.]*\).*/\1/p')"

client() { fail2ban-client -c "$dir/fail2ban" -s "$dir/f2b.sock" -p "$dir/f2b.pid" "$@"; }

# banned: how many addresses fail2ban itself holds, over both jails.
banned() {
	for jail in sshd sshd-secure; do client status $jail; done |
		awk '/Currently banned/ { n += $NF } END { print n + 0 }'
}
# The log has a ban for each that fail2ban holds.
all_recorded() { [ "$(banned)" -eq "$1" ] && [ "$(grep -c '"op":"ban"' "$dir/state/bans.jsonl")" -ge "$2" ]; }

configure_bans() {
	mkdir "$dir/fail2ban" || return 1
	cp -R /etc/fail2ban/. "$dir/fail2ban" || return 1
	rm -rf "$dir/fail2ban/jail.d" "$dir/fail2ban/jail.local" "$dir/fail2ban/fail2ban.d" "$dir"/fail2ban/*/*.local
	cp deploy/fail2ban/action.d/reconciler.conf "$dir/fail2ban/action.d/" || return 1
	cat >"$dir/fail2ban/fail2ban.local" <<-END
		[Definition]
		logtarget = $dir/fail2ban.log
		socket = $dir/f2b.sock
		pidfile = $dir/f2b.pid
		dbfile = $dir/fail2ban.sqlite3
	END
	cat >"$dir/fail2ban/jail.local" <<-END
		[DEFAULT]
		backend = polling
		usedns = no
		ignoreself = false
		maxretry = 3
		bantime = 1h
		action = reconciler[reconciler="$reconciler", state="$dir/state/bans.jsonl"]
		[sshd]
		enabled = true
		filter = sshd[mode=aggressive]
		logpath = $dir/auth.log
		[sshd-secure]
		enabled = true
		filter = sshd[mode=aggressive]
		logpath = $dir/secure
	END
}

# start_bans COUNT: until that many bans are in the log.
start_bans() {
	recorded=$(grep -c '"op":"ban"' "$dir/state/bans.jsonl" 2>/dev/null)
	fail2ban-server -c "$dir/fail2ban" -s "$dir/f2b.sock" -p "$dir/f2b.pid" -x -f start >"$dir/f2b.out" 2>&1 &
	bans_pid=$!
	wait_for all_recorded "$1" $((${recorded:-0} + $1))
}

stop_bans() { client stop && wait "$bans_pid"; }

unban() { client set sshd unbanip "$1"; }

# attack ADDRESS: three failures that fail2ban finds by itself.
attack() {
	for i in 1 2 3; do
		echo "2026-11-22T09:40:0$i.000000+00:00 bastion sshd[900$i]: Failed password for root from $1 port 4000$i ssh2"
	done | "$stagehand" redate >>"$dir/auth.log"
}
