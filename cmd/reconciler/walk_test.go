package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"reconciler/internal/apply"
	"reconciler/internal/hostfake"
	"reconciler/internal/observed"
	"reconciler/internal/plan"
	"reconciler/internal/testenv"
)

// road is a ruleset that somebody else puts beside ours, and what becomes of
// new packets of a banned address on it.
type road struct {
	name    string
	hook    string // beside INPUT
	rules   []string
	to      string // where the banned address knocks; empty: this machine
	passes  bool   // its packets get through
	claimed bool   // status says that the host enforces
}

// before puts rules above the jump from INPUT to ours, with what they need.
func before(name, rule string, passes, claimed bool, chains ...string) road {
	return road{name: name, rules: append(chains, "-I INPUT 1 "+rule), passes: passes, claimed: claimed}
}

const behind = "10.98.2.2:8022"

// roads are read by people too: a rule that is overlooked is a line here.
var roads = []road{
	before("nothing", "-p udp -j DROP", false, true),
	before("a source wider than the ban", "-s 10.0.0.0/8 -j ACCEPT", true, false),
	before("a source beside the ban", "-s 172.16.0.0/12 -j ACCEPT", false, true),
	before("all but a source", "! -s 172.16.0.0/12 -j ACCEPT", true, false),
	before("source ports", "-p tcp -m tcp --sport 1024:65535 --dport 8022 -j ACCEPT", true, false),
	before("ports of both sides", "-p tcp -m multiport --ports 8022 -j ACCEPT", true, false),
	before("limit", "-p tcp -m limit --limit 3/min -j ACCEPT", true, false),
	before("a set with it", "-m set --match-set walk-friends src -j ACCEPT", true, false),
	before("a set without it", "-m set --match-set walk-others src -j ACCEPT", false, true),
	before("all but a set with it", "-m set ! --match-set walk-friends src -j ACCEPT", false, true),
	before("all but a set without it", "-m set ! --match-set walk-others src -j ACCEPT", true, false),
	before("a range with it", "-m iprange --src-range 10.98.1.1-10.98.1.9 -j ACCEPT", true, false),
	before("a range without it", "-m iprange --src-range 10.98.1.3-10.98.1.9 -j ACCEPT", false, true),
	before("mark", "-m mark --mark 0x0 -j ACCEPT", true, false),
	before("length", "-m length --length 0:500 -j ACCEPT", true, false),
	before("pkttype", "-m pkttype --pkt-type unicast -j ACCEPT", true, false),
	before("ttl", "-m ttl --ttl-gt 5 -j ACCEPT", true, false),
	before("statistic", "-m statistic --mode nth --every 1 --packet 0 -j ACCEPT", true, false),
	before("no fragment", "! -f -j ACCEPT", true, false),
	before("a mask with holes", "-s 10.0.1.0/255.0.255.0 -j ACCEPT", true, false),
	before("a queue without a reader", "-j NFQUEUE --queue-num 7", false, false),
	before("a queue that may be passed by", "-j NFQUEUE --queue-num 7 --queue-bypass", true, false),
	before("a goto that returns", "-g walk-a", true, false, ":walk-a - [0:0]", "-A walk-a -m comment --comment counts"),
	before("a goto that drops", "-g walk-a", false, true, ":walk-a - [0:0]", "-A walk-a -j DROP"),
	before("a goto below a jump", "-j walk-a", true, false, ":walk-a - [0:0]", ":walk-b - [0:0]", "-A walk-a -g walk-b", "-A walk-a -j DROP", "-A walk-b -p tcp -j ACCEPT"),
	before("a jump that returns", "-j walk-a", false, true, ":walk-a - [0:0]", "-A walk-a -p tcp -j RETURN", "-A walk-a -j DROP"),
	before("a chain that asks", "-p tcp -j walk-a", true, false, ":walk-a - [0:0]", "-A walk-a -m conntrack --ctstate NEW -j ACCEPT"),
	before("a return from INPUT", "-p tcp -j RETURN", true, false),
	before("known connections and the loopback", "-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT", false, true, "-I INPUT 1 -i lo -j ACCEPT"),
	before("a comment that looks like a source", `-m comment --comment "! -s 10.0.0.0/8 -j DROP" -j ACCEPT`, true, false),
	{name: "Docker's hook", hook: "DOCKER-USER", rules: []string{"-A FORWARD -j DOCKER-USER"}, to: behind, claimed: true},
	{name: "Docker's hook without a jump", hook: "DOCKER-USER", to: behind, passes: true},
	{
		name: "an accept before Docker's hook", hook: "DOCKER-USER", to: behind, passes: true,
		rules: []string{"-A FORWARD -p tcp -m tcp --dport 8022 -j ACCEPT", "-A FORWARD -j DOCKER-USER"},
	},
	{
		name: "a goto before Docker's hook", hook: "DOCKER-USER", to: behind, passes: true,
		rules: []string{":walk-a - [0:0]", "-A FORWARD -g walk-a", "-A FORWARD -j DOCKER-USER"},
	},
	{name: "an accept in FORWARD below ours", hook: "FORWARD", rules: []string{"-A FORWARD -j ACCEPT"}, to: behind, claimed: true},
	{name: "an accept in FORWARD above ours", hook: "FORWARD", rules: []string{"-I FORWARD 1 -s 10.98.1.0/24 -j ACCEPT"}, to: behind, passes: true},
}

// What status says is held against what packets meet, and the fake as well: it
// must not take for blocked what the kernel lets through.
func TestStatusClaimsNoBanWhosePacketsPass(t *testing.T) {
	testenv.Need(t, "ipset", "iptables-nft-restore", "iptables-legacy-restore")
	crossing := testenv.NewCrossing(t)
	crossing.Serve(behind)
	t.Cleanup(func() { testenv.CleanFirewall(t) })
	here := crossing.Router.String() + ":8022"
	listener, err := net.Listen("tcp", here)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	for _, variant := range []string{"nft", "legacy"} {
		for _, r := range roads {
			t.Run(variant+"/"+r.name, func(t *testing.T) { r.try(t, variant, crossing, here) })
		}
	}
}

const friends = "create walk-friends hash:net\nadd walk-friends 10.98.0.0/16\ncreate walk-others hash:ip\nadd walk-others 10.98.1.77\n"

func (r road) try(t *testing.T, variant string, crossing *testenv.Crossing, here string) {
	testenv.CleanFirewall(t)
	testenv.Run(t, friends, "ipset", "restore")
	restore := "iptables-" + variant + "-restore"
	testenv.Run(t, "*filter\n:DOCKER-USER - [0:0]\nCOMMIT\n", restore, "--noflush", "-w", "5")
	s := newSite(t)
	settings := fmt.Sprintf("nacl: none\niptables: %s\nhook: [INPUT", variant)
	spec := observed.HostSpec{Chain: s.chain, Hooks: []string{"INPUT"}, Variant: variant}
	if r.hook != "" {
		settings += ", " + r.hook
		spec.Hooks = append(spec.Hooks, r.hook)
	}
	s.configure(settings + "]\n")
	s.must("ban", "--", crossing.Client.String())
	s.must("apply")
	rules := strings.Join(slices.Concat([]string{"*filter"}, r.rules, []string{"COMMIT"}), "\n") + "\n"
	testenv.Run(t, rules, restore, "--noflush", "-w", "5")
	to := r.to
	if to == "" {
		to = here
	}
	patience := time.Second // it bounds a silence, which is no answer however long it is
	if r.passes {
		patience = time.Minute
	}
	err := crossing.Knock(to, patience)
	if passes := err == nil; passes != r.passes {
		t.Fatalf("the banned address was met with %v", err)
	}
	if err != nil && !errors.Is(err, syscall.ECONNREFUSED) && !errors.Is(err, syscall.EINPROGRESS) && !errors.Is(err, syscall.EAGAIN) {
		t.Fatalf("knocking: %v", err)
	}
	claimed, why := s.claims()
	if claimed != r.claimed {
		t.Errorf("status claims that the host enforces: %t, want %t; %s", claimed, r.claimed, why)
	}
	if !claimed && !strings.Contains(why, "the host does not enforce") {
		t.Errorf("nobody is told why: %s", why)
	}
	if fakeBlocks(t, spec, rules, crossing.Client) && r.passes {
		t.Error("the fake takes the packet for blocked, and it passes the kernel")
	}
}

// claims reports whether status says that the host enforces all bans.
func (s *site) claims() (claimed bool, why string) {
	s.t.Helper()
	out, said, _ := s.run("status", "-o", "json")
	var status struct {
		Bans []struct {
			By []string `json:"enforced_by"`
		} `json:"bans"`
		Warnings []string `json:"warnings"`
	}
	if err := json.Unmarshal([]byte(out), &status); err != nil || len(status.Bans) != 1 {
		s.t.Fatalf("status says %s%s (%v)", out, said, err)
	}
	return slices.Contains(status.Bans[0].By, "host"), strings.Join(status.Warnings, "; ")
}

// fakeBlocks asks the fake what it makes of the same rules.
func fakeBlocks(t *testing.T, spec observed.HostSpec, rules string, client netip.Addr) bool {
	t.Helper()
	fake := hostfake.New()
	fake.Somebody(strings.ReplaceAll(friends, "hash:net\n", "hash:net family inet\n"), "ipset", "restore")
	fake.Somebody("*filter\n:DOCKER-USER - [0:0]\nCOMMIT\n", "iptables-restore", "--noflush", "-w", "5")
	ban := plan.Change{Target: plan.HostTarget, Action: plan.Add, Prefix: netip.PrefixFrom(client, 32)}
	if _, err := apply.NewHost(fake, spec).Apply(t.Context(), []plan.Change{{Target: plan.HostTarget, Action: plan.Repair}, ban}); err != nil {
		t.Fatal(err)
	}
	fake.Somebody(rules, "iptables-restore", "--noflush", "-w", "5")
	if len(spec.Hooks) > 1 {
		return fake.BlockedAt("FORWARD", client, 8022)
	}
	return fake.Blocked(client, 8022)
}

// Docker may keep its chains with the other variant of iptables: a ban stops
// nothing there until ours are made there too, as status says.
func TestBansStopPacketsToContainersOfTheOtherVariant(t *testing.T) {
	testenv.Need(t, "ipset", "iptables-nft-restore", "iptables-legacy-restore")
	for ours, theirs := range map[string]string{"nft": "legacy", "legacy": "nft"} {
		t.Run("ours with "+ours, func(t *testing.T) {
			testenv.CleanFirewall(t)
			t.Cleanup(func() { testenv.CleanFirewall(t) })
			crossing := testenv.NewCrossing(t)
			crossing.Serve(behind)
			docker := "*filter\n:DOCKER-USER - [0:0]\n:DOCKER - [0:0]\n-A FORWARD -j DOCKER-USER\n-A FORWARD -j DOCKER\n-A DOCKER-USER -j RETURN\n-A DOCKER -j ACCEPT\nCOMMIT\n"
			testenv.Run(t, docker, "iptables-"+theirs+"-restore", "--noflush", "-w", "5")
			s := newSite(t)
			configure := func(variant string) {
				s.configure("nacl: none\nhook: [INPUT, DOCKER-USER]\niptables: " + variant + "\n")
			}
			configure(ours)
			s.must("ban", "--", crossing.Client.String())
			s.must("apply")
			if err := crossing.Knock(behind, time.Minute); err != nil {
				t.Fatalf("ours are not where Docker's are, and the banned address was met with %v", err)
			}
			claimed, why := s.claims()
			if mend := "set iptables: " + theirs; claimed || !strings.Contains(why, mend) {
				t.Fatalf("status claims that the host enforces: %t; the mend is not in %q", claimed, why)
			}

			configure(theirs)
			s.must("apply")
			if rules := testenv.Run(t, "", "iptables-"+ours+"-save", "-t", "filter"); strings.Contains(rules, s.chain) {
				t.Errorf("what is there now has not taken the place of\n%s", rules)
			}
			if err := crossing.Knock(behind, time.Second); err == nil {
				t.Error("what was said to mend it was done, and the banned address gets through")
			}
			if claimed, why := s.claims(); !claimed {
				t.Errorf("status does not claim that the host enforces: %s", why)
			}
			s.configure("nacl: none\niptables: " + ours + "\n")
			s.must("teardown")
			for _, variant := range []string{ours, theirs} {
				if rules := testenv.Run(t, "", "iptables-"+variant+"-save", "-t", "filter"); strings.Contains(rules, s.chain) {
					t.Errorf("after the teardown there is\n%s", rules)
				}
			}
			if err := crossing.Knock(behind, time.Minute); err != nil {
				t.Errorf("after the teardown the address was met with %v", err)
			}
		})
	}
}
