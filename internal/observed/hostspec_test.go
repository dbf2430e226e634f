package observed

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestAHostSpecWithDefaultsIsValid(t *testing.T) {
	for _, backend := range []string{BackendIPSet, BackendIPTables} {
		if err := (HostSpec{Backend: backend}).WithDefaults().Validate(); err != nil {
			t.Errorf("the defaults of %s: %v", backend, err)
		}
	}
}

func TestAHostSpecThatCannotBeUsedIsRefused(t *testing.T) {
	cases := []struct {
		name string
		spec HostSpec
		want string
	}{
		{"back end", HostSpec{Backend: "pf"}, "host back end"},
		{"block", HostSpec{Block: "tarpit"}, "block"},
		{"variant", HostSpec{Variant: "bpf"}, "variant"},
		{"long chain", HostSpec{Chain: strings.Repeat("a", 27)}, "1 to 26"},
		{"newline in chain", HostSpec{Chain: "a\n-F INPUT"}, "letters, digits"},
		{"option as chain", HostSpec{Chain: "-j"}, "begins with"},
		{"target as chain", HostSpec{Chain: "ACCEPT"}, "belongs to the system"},
		{"blank in hook", HostSpec{Hooks: []string{"IN PUT"}}, "letters, digits"},
		{"outbound hook", HostSpec{Hooks: []string{"OUTPUT"}}, "no inbound packet"},
		{"own hook", HostSpec{Chain: "x", Hooks: []string{"x"}}, "itself"},
		{"hook twice", HostSpec{Hooks: []string{"INPUT", "INPUT"}}, "named twice"},
		{"ports without protocol", HostSpec{Shape: Shape{Ports: Ports{From: 22, To: 22}}}, "need the protocol"},
		{"ports upside down", HostSpec{Shape: Shape{Protocol: ProtocolTCP, Ports: Ports{From: 9, To: 2}}}, "lower first"},
		{"protocol", HostSpec{Shape: Shape{Protocol: "1"}}, "protocol"},
		{"entries", HostSpec{MaxEntries: -1}, "most entries"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			err := c.spec.WithDefaults().Validate()
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("the error is %v, want it to say %q", err, c.want)
			}
		})
	}
}

func TestEveryNameFitsTheKernel(t *testing.T) {
	spec := HostSpec{Chain: strings.Repeat("c", 26)}.WithDefaults()
	if err := spec.Validate(); err != nil {
		t.Fatal(err)
	}
	for _, f := range Families {
		if name := spec.TemporarySetName(f); len(name) > 31 {
			t.Errorf("the set's name %s has %d characters; the kernel takes 31", name, len(name))
		}
	}
}

func TestProgramsFollowTheVariant(t *testing.T) {
	for want, got := range map[string]string{
		"iptables-save":            HostSpec{}.Program(IPv4, "save"),
		"ip6tables-nft-restore":    HostSpec{Variant: "nft"}.Program(IPv6, "restore"),
		"iptables-legacy-restore":  HostSpec{Variant: "legacy"}.Program(IPv4, "restore"),
		"ip6tables-legacy-restore": HostSpec{Variant: "legacy"}.Program(IPv6, "restore"),
	} {
		if got != want {
			t.Errorf("the program is %s, want %s", got, want)
		}
	}
}

func TestABanSurvivesBeingWrittenAsARule(t *testing.T) {
	for _, shape := range []Shape{allTraffic, ssh, dns, {Protocol: ProtocolTCP}, {Protocol: ProtocolUDP, Ports: Ports{From: 5, To: 9}}} {
		spec := HostSpec{Backend: BackendIPTables, Shape: shape}.WithDefaults()
		for _, e := range []HostEntry{entryAt("192.0.2.1/32", 0), entryAt("198.51.100.0/24", 90*time.Second), entryAt("2001:db8::/64", time.Hour)} {
			rule := Rule{Chain: spec.Chain, Spec: spec.EntryRules(e)[0]}
			got, ok := rule.Entry()
			if !ok || got.Prefix != e.Prefix || !got.Until.Equal(e.Until) {
				t.Errorf("the ban %v was written as %q and read as %v", e, rule.Spec, got)
			}
		}
	}
	late := entryAt("192.0.2.1/32", 1500*time.Millisecond)
	got, _ := Rule{Spec: (HostSpec{}).WithDefaults().EntryRules(late)[0]}.Entry()
	if got.Until.Before(late.Until) {
		t.Errorf("a ban until %s would be lifted early, at %s", late.Until, got.Until)
	}
}

// What is looked for is what is made before a boot restores it.
func TestTheSetsOfEveryFileOfSavedRulesAreMadeAtABoot(t *testing.T) {
	script, err := os.ReadFile("../../deploy/packaging/saved-sets.sh")
	if err != nil {
		t.Fatal(err)
	}
	_, list, _ := strings.Cut(string(script), "saved='")
	list, _, _ = strings.Cut(list, "'")
	var want []string
	for _, name := range savedRules {
		want = append(want, "/"+name)
	}
	if got := strings.Fields(list); !slices.Equal(got, want) {
		t.Errorf("the script reads %v, and the reader %v", got, want)
	}
}
