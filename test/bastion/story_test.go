//go:build e2e

package bastion

import "testing"

// TestABastionKeepsItsBans is one story on one machine: each check begins with
// what the ones before have left. The number is that of the calls that may
// change the ACL, failed ones counted: as many as there are slots that differ.
func TestABastionKeepsItsBans(t *testing.T) {
	need(t)
	s := newSite(t)
	v4, v6 := s.room()
	for _, part := range []struct {
		name  string
		calls int
		f     func(*testing.T)
	}{
		{"the package is installed and the service runs", 0, s.anInstallation},
		{"every attacker is blocked, at the router or by the host", v4 + v6, s.anAttack},
		{"the daemon is killed", 0, s.aKill},
		{"the daemon is restarted", 0, s.aRestart},
		{"fail2ban bans 500", 0, s.aCrowd},
		{"fail2ban is restarted while it holds 500 bans and a slow action", 0, s.aRestartOfFail2ban},
		{"a ban is prolonged", 0, s.aProlongation},
		{"two jails ban one address", 0, s.twoJails},
		{"the rules are flushed", 0, s.aBrokenFirewall("iptables -F; ip6tables -F")},
		{"the sets are destroyed", 0, s.aBrokenFirewall("iptables -F; ip6tables -F; ipset destroy")},
		{"the whole firewall is loaded anew", 0, s.aBrokenFirewall("nft flush ruleset; systemctl restart nftables")},
		{"EC2 is out of reach for a minute", 1, s.anOutage},
		{"the log's disk is full", 0, s.aFullDisk},
		{"the machine is rebooted", 0, s.aReboot},
		{"the .deb is upgraded", 0, s.anUpgrade("dpkg -i /root/new.deb")},
		{"fail2ban unbans all", v4 + v6, s.anUnbanOfAll},
		{"the .deb is removed", 1, s.aRemoval("dpkg -r reconciler")},
		{"the .deb is purged", 0, s.aPurge},
		{"the .rpm is installed", len(late), s.aReturn("rpm -i --nodeps --force-debian /root/old.rpm")},
		{"the .rpm is upgraded", 0, s.anUpgrade("rpm -U --nodeps --force-debian /root/new.rpm")},
		{"the .rpm is removed", len(late), s.aRemoval("rpm -e --force-debian reconciler")},
		{"iptables is the old one, and no ACL is kept any more", 2 * len(late), s.anOldIptables},
	} {
		if !s.check(t, part.name, part.calls, part.f) {
			t.Fatal("what follows needs this check")
		}
	}
}
