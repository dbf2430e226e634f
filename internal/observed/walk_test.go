package observed

import (
	"net/netip"
	"os"
	"strings"
	"testing"
)

// filterTable is what iptables-save prints for these lines.
func filterTable(lines ...string) Table {
	return ParseTable([]byte("*filter\n" + strings.Join(lines, "\n") + "\nCOMMIT\n"))
}

// passes reports whether a ban of the prefix is let past.
func passes(openings []Opening, prefix string) bool {
	p := netip.MustParsePrefix(prefix)
	for _, o := range openings {
		if o.Sources == nil || o.Sources.Overlaps(p) {
			return true
		}
	}
	return false
}

func TestAnAcceptForSourcesOverrulesJustTheBansInThem(t *testing.T) {
	friends := func(set string) (Sources, bool, bool) {
		from := sourcesOf(netip.MustParsePrefix("203.0.113.0/28"), netip.MustParsePrefix("198.51.100.7/32"))
		switch set {
		case "friends":
			return from, true, true
		case "some": // it has exceptions
			return from, false, true
		}
		return nil, false, false
	}
	cases := []struct {
		rule     string
		let, not string // bans that are let past, and that are not
	}{
		{"-s 203.0.0.0/8 -j ACCEPT", "203.0.113.7/32 203.0.0.0/16 192.0.0.0/4", "204.0.0.1/32"},
		{"! -s 203.0.113.0/24 -j ACCEPT", "192.0.2.1/32 203.0.112.0/23", "203.0.113.7/32 203.0.113.0/24"},
		{"-m iprange --src-range 203.0.113.5-203.0.113.9 -j ACCEPT", "203.0.113.5/32 203.0.113.9/32 203.0.113.8/29", "203.0.113.4/32 203.0.113.10/32"},
		{"-m iprange ! --src-range 203.0.113.5-203.0.113.9 -j ACCEPT", "203.0.113.4/32", "203.0.113.5/32 203.0.113.8/31"},
		{"-m set --match-set friends src -j ACCEPT", "203.0.113.7/32 198.51.100.0/24", "203.0.113.16/32 198.51.100.8/32"},
		{"-m set ! --match-set friends src -j ACCEPT", "203.0.113.16/32", "203.0.113.7/32 198.51.100.7/32"},
		{"-m set --match-set some src -j ACCEPT", "203.0.113.7/32", "203.0.113.16/32"},
		{"-m set ! --match-set some src -j ACCEPT", "203.0.113.7/32 203.0.113.16/32", ""},
		{"-m set --match-set nobody-knows src -j ACCEPT", "203.0.113.7/32", ""},
		{"-m set --match-set friends dst -j ACCEPT", "192.0.2.1/32", ""},
		{"-s 203.0.113.0/24 -j NFQUEUE --queue-num 0", "203.0.113.7/32", "203.0.112.1/32"},
		{"-s 203.0.113.0/24 -m limit --limit 1/sec -j ACCEPT", "203.0.113.7/32", "203.0.112.1/32"},
	}
	for _, c := range cases {
		table := filterTable(":INPUT ACCEPT [0:0]", ":ours - [0:0]", "-A INPUT "+c.rule, "-A INPUT -j ours")
		found := table.Openings(IPv4, HostSpec{Chain: "ours", Hooks: []string{"INPUT"}, Shape: ssh}, friends)
		for _, p := range strings.Fields(c.let) {
			if !passes(found, p) {
				t.Errorf("%q: the ban of %s is let past and counts as enforced", c.rule, p)
			}
		}
		for _, p := range strings.Fields(c.not) {
			if passes(found, p) {
				t.Errorf("%q: the ban of %s is enforced and counts as let past: %v", c.rule, p, found)
			}
		}
		for _, o := range found {
			if o.Fixed {
				t.Errorf("%q: the jump can go above it, and it is not said so", c.rule)
			}
		}
	}
}

func TestADropBeforeTheAcceptLeavesItLess(t *testing.T) {
	table := filterTable(":INPUT ACCEPT [0:0]", ":ours - [0:0]", "-A INPUT -s 203.0.113.0/24 -j DROP", "-A INPUT -s 203.0.112.0/22 -j ACCEPT", "-A INPUT -j ours")
	found := table.Openings(IPv4, HostSpec{Chain: "ours", Hooks: []string{"INPUT"}, Shape: ssh}, nil)
	if passes(found, "203.0.113.0/24") || !passes(found, "203.0.114.1/32") {
		t.Errorf("the openings are %v", found)
	}
}

func TestTheWholeWayToAHookIsJudged(t *testing.T) {
	docker := []string{":INPUT ACCEPT [0:0]", ":FORWARD DROP [0:0]", ":DOCKER - [0:0]", ":DOCKER-USER - [0:0]", ":ours - [0:0]"}
	rest := []string{
		"-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT", "-A FORWARD -o docker0 -j DOCKER",
		"-A DOCKER -d 172.17.0.2/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 80 -j ACCEPT", "-A DOCKER-USER -j ours",
	}
	cases := []struct {
		name  string
		rules []string
		want  string // part of the words; "" for a sound way
		fixed bool
	}{
		{"as Docker makes it", []string{"-A FORWARD -j DOCKER-USER"}, "", false},
		{"nothing leads to the hook", nil, "nothing leads", true},
		{"an accept above it", []string{"-A FORWARD -p tcp -m tcp --dport 8080 -j ACCEPT", "-A FORWARD -j DOCKER-USER"}, "rule 1 of FORWARD", true},
		{"known connections above it", []string{"-A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT", "-A FORWARD -j DOCKER-USER"}, "", false},
		{"some packets alone get there", []string{"-A FORWARD -i eth0 -j DOCKER-USER"}, "rule 1 of DOCKER", true},
		{"its caller is left by a goto", []string{"-A FORWARD -g DOCKER", "-A FORWARD -j DOCKER-USER"}, "rule 1 of DOCKER", true},
		{"a goto to the hook", []string{"-A FORWARD -g DOCKER-USER"}, "", false},
		{"the queue above it", []string{"-A FORWARD -j NFQUEUE --queue-num 0", "-A FORWARD -j DOCKER-USER"}, "rule 1 of FORWARD", true},
		{"an accept in the hook", []string{"-A FORWARD -j DOCKER-USER", "-I"}, "rule 1 of DOCKER-USER", false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var lines []string
			lines = append(lines, docker...)
			for _, r := range c.rules {
				if r == "-I" {
					r = "-A DOCKER-USER -p tcp -j ACCEPT"
				}
				lines = append(lines, r)
			}
			table := filterTable(append(lines, rest...)...)
			found := table.Openings(IPv4, HostSpec{Chain: "ours", Hooks: []string{"INPUT", "DOCKER-USER"}, Shape: ssh}, nil)
			if (len(found) == 0) != (c.want == "") {
				t.Fatalf("the openings are %v, want %q", found, c.want)
			}
			if len(found) > 0 && (!strings.Contains(found[0].Why, c.want) || found[0].Fixed != c.fixed) {
				t.Errorf("the opening is %+v, want %q, fixed %t", found[0], c.want, c.fixed)
			}
		})
	}
}

func TestAGotoThatReturnsMeetsThePolicy(t *testing.T) {
	for policy, let := range map[string]bool{"ACCEPT": true, "DROP": false} {
		table := filterTable(":INPUT "+policy+" [0:0]", ":LOGALL - [0:0]", ":ours - [0:0]",
			"-A INPUT -g LOGALL", "-A INPUT -j ours", "-A LOGALL -m comment --comment counts")
		if found := table.Openings(IPv4, HostSpec{Chain: "ours", Hooks: []string{"INPUT"}}, nil); (len(found) > 0) != let {
			t.Errorf("with the policy %s the openings are %v", policy, found)
		}
	}
}

func TestWhatNftSaysCompletesARule(t *testing.T) {
	read := func(name string) []byte {
		text, err := os.ReadFile("testdata/native/" + name)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	table := ParseTable(read("save.txt"))
	table.complete(read("table.json"), IPv4)
	spec := HostSpec{Chain: "f2b-reconciler", Hooks: []string{"INPUT"}, Shape: ssh}
	found := table.Openings(IPv4, spec, nil)
	for prefix, want := range map[string]bool{"10.1.2.3/32": true, "198.51.100.9/32": true, "203.0.113.7/32": false, "192.0.2.50/32": true, "192.0.2.200/32": false} {
		if passes(found, prefix) != want {
			t.Errorf("%s is let past: %t, want %t; %v", prefix, !want, want, found)
		}
	}
}

// The tables of public reports, as they came. The chain of ours is not in all.
func TestReportedTablesAreJudgedAsTheirPacketsGo(t *testing.T) {
	for name, c := range map[string]struct {
		hook  string
		want  string // part of the words
		fixed bool   // the top of the hook is no mend
	}{
		"docker-user-unreached":     {"DOCKER-USER", "nothing leads from INPUT or FORWARD to the hook DOCKER-USER", true},
		"accept-before-docker-user": {"DOCKER-USER", `rule 2 of FORWARD ("-i eth0 -p tcp -m tcp --dport 80 -j ACCEPT") lets new traffic past`, true},
		"queue":                     {"INPUT", `rule 1 of INPUT ("-j NFQUEUE --queue-num 0 --queue-bypass") lets new traffic past`, false},
		"goto":                      {"INPUT", `the policy of INPUT, to which rule 1 of INPUT ("-g LOGALL") sends it, lets new traffic past`, false},
	} {
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile("testdata/ways/" + name + ".iptables")
			if err != nil {
				t.Fatal(err)
			}
			spec := HostSpec{Hooks: []string{c.hook}}.WithDefaults()
			found := ParseTable(text).Openings(IPv4, spec, nil)
			if len(found) != 1 || !strings.Contains(found[0].Why, c.want) || found[0].Fixed != c.fixed || !found[0].Any() {
				t.Fatalf("the openings are %+v, want one for all: %q, fixed %t", found, c.want, c.fixed)
			}
			spec.Hooks = []string{"INPUT", c.hook, "FORWARD"} // as is advised; a jump that is missing will stand at the top
			if found := ParseTable(text).Openings(IPv4, spec, nil); c.fixed && len(found) > 0 {
				t.Errorf("with the hook that is advised there are %v", found)
			}
		})
	}
}
