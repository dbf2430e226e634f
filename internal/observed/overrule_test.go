package observed

import (
	"fmt"
	"strings"
	"testing"
)

var (
	allTraffic = Shape{Protocol: ProtocolAll}
	ssh        = Shape{Protocol: ProtocolTCP, Ports: Ports{From: 22, To: 22}}
	dns        = Shape{Protocol: ProtocolUDP, Ports: Ports{From: 53, To: 53}}
)

// tableWith has these rules of INPUT before our jump, and more chains behind.
func tableWith(before []string, more string) Table {
	text := "*filter\n:INPUT ACCEPT [0:0]\n:ours - [0:0]\n"
	for _, rule := range before {
		text += "-A INPUT " + rule + "\n"
	}
	return ParseTable([]byte(text + "-A INPUT -j ours\n-A INPUT -j ACCEPT\n" + more + "COMMIT\n"))
}

// past tells in words what gets past the jump of a hook.
func past(t Table, f Family, hook string, spec HostSpec) string {
	spec.Hooks = []string{hook}
	var words []string
	for _, o := range t.Openings(f, spec, nil) {
		words = append(words, o.Why)
	}
	return strings.Join(words, "; ")
}

func TestWhichSingleRulesOverruleTheJump(t *testing.T) {
	cases := []struct {
		rule  string
		shape Shape
		want  bool
	}{
		{"-j ACCEPT", allTraffic, true},
		{"-p tcp -m tcp --dport 22 -j ACCEPT", allTraffic, true},
		{"-p tcp -m tcp --dport 22 -j ACCEPT", ssh, true},
		{"-p tcp -m tcp --dport 80 -j ACCEPT", ssh, false},
		{"-p tcp -m tcp ! --dport 80 -j ACCEPT", ssh, true},
		{"-p tcp -m tcp ! --dport 22 -j ACCEPT", ssh, false},
		{"-p udp -m udp --dport 22 -j ACCEPT", ssh, false},
		{"-p tcp -m tcp --dport 20:30 -j ACCEPT", ssh, true},
		{"-p tcp -m multiport --dports 80,443,21:23 -j ACCEPT", ssh, true},
		{"-p tcp -m multiport --dports 80,443 -j ACCEPT", ssh, false},
		{"-p tcp -m multiport ! --dports 80,443 -j ACCEPT", ssh, true},
		{"-p tcp -m multiport ! --dports 80,22 -j ACCEPT", ssh, false},
		{"-p udp -m udp --dport 53 -j ACCEPT", dns, true},
		{"! -p tcp -j ACCEPT", dns, true},
		{"! -p udp -j ACCEPT", dns, false},
		{"-p icmp -j ACCEPT", allTraffic, false},
		{"-p sctp -m sctp --dport 5 -j ACCEPT", allTraffic, true},
		{"-i lo -j ACCEPT", allTraffic, false},
		{"! -i lo -j ACCEPT", allTraffic, true},
		{"-i eth0 -j ACCEPT", allTraffic, true},
		{"-s 192.0.2.0/24 -j ACCEPT", allTraffic, true},
		{"! -s 192.0.2.0/24 -j ACCEPT", allTraffic, true},
		{"-d 10.0.0.5/32 -p tcp -m tcp --dport 22 -j ACCEPT", ssh, true},
		{"-d 224.0.0.251/32 -p udp -m udp --dport 5353 -j ACCEPT", allTraffic, false},
		{"-d 127.0.0.0/8 -j ACCEPT", allTraffic, false},
		{"-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT", allTraffic, false},
		{"-m conntrack --ctstate NEW,ESTABLISHED -j ACCEPT", allTraffic, true},
		{"-m conntrack ! --ctstate INVALID -j ACCEPT", allTraffic, true},
		{"-m conntrack ! --ctstate NEW -j ACCEPT", allTraffic, false},
		{"-m state --state ESTABLISHED -j ACCEPT", allTraffic, false},
		{"-p tcp -m state --state NEW -m tcp --dport 22 -j ACCEPT", ssh, true},
		{"-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j ACCEPT", ssh, true},
		{"-p tcp -m tcp ! --tcp-flags FIN,SYN,RST,ACK SYN -j ACCEPT", ssh, false},
		{"-p tcp -m tcp --tcp-flags ACK ACK -j ACCEPT", ssh, false},
		{"-p udp -m udp --sport 53 -j ACCEPT", allTraffic, true},
		{"-m limit --limit 3/min -j ACCEPT", allTraffic, true},
		{"-m set --match-set friends src -j ACCEPT", allTraffic, true},
		{"-m mark --mark 0x1 -j ACCEPT", allTraffic, true},
		{"-m socket -j ACCEPT", allTraffic, true},
		{"-m addrtype --dst-type LOCAL -j ACCEPT", allTraffic, true},
		{"-m addrtype --dst-type BROADCAST -j ACCEPT", allTraffic, false},
		{`-m comment --comment "let -s 1.2.3.4 in" -j ACCEPT`, allTraffic, true},
		{"-p tcp -m tcp --dport 22 -j DROP", allTraffic, false},
		{"-j LOG --log-prefix \"-j ACCEPT \"", allTraffic, false},
		{"-j RETURN", allTraffic, true},
		{"-p tcp -m tcp --sport 1024:65535 --dport 22 -j ACCEPT", ssh, true},
		{"-p tcp -m tcp --sport 1024:65535 --dport 80 -j ACCEPT", ssh, false},
		{"-p tcp -m multiport --ports 22 -j ACCEPT", ssh, true},
		{"-m length --length 0:500 -j ACCEPT", ssh, true},
		{"-m pkttype --pkt-type unicast -j ACCEPT", ssh, true},
		{"-m ttl --ttl-gt 5 -j ACCEPT", ssh, true},
		{"-m statistic --mode random --probability 0.5 -j ACCEPT", ssh, true},
		{"-m statistic --mode random --probability 0.5 -p udp -j ACCEPT", ssh, false},
		{"-m neverheardof --this that -j ACCEPT", ssh, true},
		{"! -f -j ACCEPT", ssh, true},
		{"-f -j ACCEPT", ssh, false},
		{"-s 1.0.3.0/255.0.255.0 -j ACCEPT", ssh, true},
		{"-m conntrack --ctstate RELATED,ESTABLISHED,DNAT -j ACCEPT", ssh, true},
		{"-m conntrack --ctstate INVALID,UNTRACKED -j SYNPROXY --mss 1460", ssh, true},
		{"-j NFQUEUE --queue-num 0", ssh, true},
		{"-j NFQUEUE --queue-num 0 --queue-bypass", ssh, true},
		{"-p udp -j NFQUEUE --queue-num 0", ssh, false},
		{"-i lo -j NFQUEUE --queue-num 0", ssh, false},
		{"-m limit --limit 3/min -j DROP", ssh, false},
		{"-m limit --limit 3/min -j MARK --set-xmark 0x1/0x1", ssh, false},
		{"-p icmp -m limit --limit 3/min -j ACCEPT", allTraffic, false},
		{"-p esp -j ACCEPT", allTraffic, true},
		{"-p esp -j ACCEPT", ssh, false},
		{"-j elsewhere", allTraffic, true},
		{"", allTraffic, false},
	}
	spec := HostSpec{Chain: "ours"}
	for _, c := range cases {
		spec.Shape = c.shape
		got := past(tableWith([]string{c.rule}, ""), IPv4, "INPUT", spec)
		if (got != "") != c.want {
			t.Errorf("the rule %q before the jump, for the shape %+v: overruled is %t, want %t (%s)", c.rule, c.shape, got != "", c.want, got)
		}
	}
}

func TestOverruleFollowsUserChains(t *testing.T) {
	cases := []struct {
		name   string
		before []string
		more   string
		shape  Shape
		want   string // part of the words; "" for not overruled
	}{
		{"accept two chains down", []string{"-j a"}, "-A a -i lo -j ACCEPT\n-A a -j b\n-A b -p tcp -m tcp --dport 22 -j ACCEPT\n", ssh, "rule 1 of b"},
		{"goto", []string{"-g a"}, "-A a -j ACCEPT\n", allTraffic, "rule 1 of a"},
		{"reached for another port only", []string{"-p tcp -m tcp --dport 80 -j a"}, "-A a -j ACCEPT\n", ssh, ""},
		{"ports that exclude each other", []string{"-p tcp -m tcp --dport 80 -j a"}, "-A a -p tcp -m tcp --dport 22 -j ACCEPT\n", allTraffic, ""},
		{"reached from the loopback only", []string{"-i lo -j a"}, "-A a -j ACCEPT\n", allTraffic, ""},
		{"returned before", []string{"-j a"}, "-A a -j RETURN\n-A a -j ACCEPT\n", allTraffic, ""},
		{"returned before for one source", []string{"-j a"}, "-A a -s 192.0.2.1/32 -j RETURN\n-A a -j ACCEPT\n", allTraffic, "rule 2 of a"},
		{"dropped before", []string{"-j a", "-j ACCEPT"}, "-A a -j DROP\n", allTraffic, ""},
		{"our port rejected before", []string{"-p tcp -m tcp --dport 22 -j REJECT", "-j ACCEPT"}, "", ssh, ""},
		{"our port rejected on one interface", []string{"-i eth1 -p tcp -m tcp --dport 22 -j REJECT", "-j ACCEPT"}, "", ssh, "rule 2 of INPUT"},
		{"a chain of nft with a target's name", []string{"-j LOG"}, ":LOG - [0:0]\n-A LOG -j ACCEPT\n", allTraffic, "rule 1 of LOG"},
		{"a loop", []string{"-j a"}, "-A a -j b\n-A b -j a\n", allTraffic, ""},
		{"ours by another way", []string{"-p tcp -j ours"}, "-A ours -j ACCEPT\n", allTraffic, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := past(tableWith(c.before, c.more), IPv6, "INPUT", HostSpec{Chain: "ours", Shape: c.shape})
			if (c.want == "") != (got == "") || !strings.Contains(got, c.want) {
				t.Errorf("the words are %q, want them to say %q", got, c.want)
			}
			if got != "" && !strings.Contains(got, "IPv6") {
				t.Errorf("the words %q do not name the family", got)
			}
		})
	}
}

func TestARuleBehindTheJumpOverrulesNothing(t *testing.T) {
	if got := past(tableWith(nil, ""), IPv4, "INPUT", HostSpec{Chain: "ours", Shape: allTraffic}); got != "" {
		t.Errorf("with only a later accept the words are %q", got)
	}
}

func TestAReturnIsHarmlessWhereThePolicyDrops(t *testing.T) {
	table := ParseTable([]byte("*filter\n:INPUT DROP [0:0]\n:ours - [0:0]\n-A INPUT -j RETURN\n-A INPUT -j ours\nCOMMIT\n"))
	if got := past(table, IPv4, "INPUT", HostSpec{Chain: "ours", Shape: allTraffic}); got != "" {
		t.Errorf("the policy drops what returns, yet the words are %q", got)
	}
}

// A dump in which each chain is entered twice from the one above has 2^30
// paths; the walk must not take them all.
func TestTheWalkIsBounded(t *testing.T) {
	more := ""
	more += ":c30 - [0:0]\n"
	for i := range 30 {
		more += fmt.Sprintf("-A c%d -j c%d\n-A c%d -j c%d\n", i, i+1, i, i+1)
	}
	if got := past(tableWith([]string{"-j c0"}, more), IPv4, "INPUT", HostSpec{Chain: "ours", Shape: allTraffic}); got != "" {
		t.Errorf("chains without an accept overrule: %q", got)
	}
}

func FuzzParseTable(f *testing.F) {
	f.Add([]byte("*filter\n:INPUT ACCEPT [0:0]\n:ours - [0:0]\n-A INPUT -i lo -j ACCEPT\n-A INPUT -j ours\n-A ours -s 192.0.2.1/32 -m comment --comment \"until=5\" -j DROP\nCOMMIT\n"))
	f.Add([]byte("*filter\n-A INPUT -m comment --comment \"a \\\" b -j x\" ! -p tcp --dport 9: -j ours\n-A INPUT -j ours\n*nat\n-A INPUT -j ACCEPT\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		table := ParseTable(text)
		spec := HostSpec{Chain: "ours"}.WithDefaults()
		for _, name := range table.names {
			past(table, IPv4, name, spec)
			for _, at := range table.Jumps(name, "ours") {
				if rule := table.Rules(name)[at-1]; target(rule.options()) != "ours" {
					t.Fatalf("%q was taken for a jump to ours", rule.Spec)
				}
			}
		}
		for _, r := range table.Entering("ours") {
			if r.Chain == "" && !strings.Contains(string(text), "-A ") {
				t.Fatalf("a rule without a chain: %q", r.Spec)
			}
		}
		content := table.Entries(IPv4, spec)
		if len(content.Entries)+content.Foreign+content.Twice != len(table.Rules("ours")) {
			t.Fatalf("of %d rules of the chain %+v was made", len(table.Rules("ours")), content)
		}
	})
}
