package observed

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func entryAt(prefix string, rest time.Duration) HostEntry {
	e := HostEntry{Prefix: netip.MustParsePrefix(prefix)}
	if rest > 0 {
		e.Until = noon.Add(rest)
	}
	return e
}

var comparePrefixes = cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })

func TestParseIPSetReadsWhatTheKernelPrints(t *testing.T) {
	text := `create f2b-v4 hash:net family inet hashsize 1024 maxelem 2097152 timeout 0 bucketsize 12 initval 0xbe13a47d
add f2b-v4 203.0.113.7 timeout 3599
add f2b-v4 198.51.100.0/24 timeout 0
add f2b-v4 192.0.2.1 timeout 5 packets 0 bytes 0 comment "timeout 9 nomatch"
add f2b-v4 198.51.100.9 timeout 7 nomatch
add other 1.2.3.4 timeout 1
add f2b-v4 10.0.0.1,eth0
gibberish
`
	got := ParseIPSet([]byte(text), "f2b-v4", noon)
	want := IPSet{
		Name: "f2b-v4", Exists: true, Type: "hash:net", Family: "inet", Timeout: true, MaxElem: 2097152,
		Entries: []HostEntry{
			entryAt("192.0.2.1/32", 5*time.Second),
			entryAt("198.51.100.0/24", 0),
			entryAt("203.0.113.7/32", 3599*time.Second),
		},
		Exempt: []netip.Prefix{netip.MustParsePrefix("198.51.100.9/32")},
		Other:  1,
	}
	if diff := cmp.Diff(want, got, comparePrefixes); diff != "" {
		t.Errorf("the set differs from what was printed (-want +got):\n%s", diff)
	}
}

func TestParseIPSetReadsIPv6(t *testing.T) {
	text := "create s hash:net family inet6 hashsize 1024 maxelem 8 timeout 0\nadd s 2001:db8::1 timeout 4\nadd s 2001:db8:1::/48 timeout 0\nadd s 192.0.2.1\n"
	got := ParseIPSet([]byte(text), "s", noon)
	want := []HostEntry{entryAt("2001:db8::1/128", 4*time.Second), entryAt("2001:db8:1::/48", 0)}
	if diff := cmp.Diff(want, got.Entries, comparePrefixes); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
	if got.Other != 1 {
		t.Errorf("an IPv4 address in an IPv6 set counted as %d other entries, not 1", got.Other)
	}
}

func TestSetDefectsNameWhatKeepsTheSetFromWorking(t *testing.T) {
	spec := HostSpec{}.WithDefaults()
	cases := []struct{ name, text, want string }{
		{"right", "create f2b-reconciler-v4 hash:net family inet maxelem 2097152 timeout 0\n", ""},
		{"larger than needed", "create f2b-reconciler-v4 hash:net family inet maxelem 4000000 timeout 600\n", ""},
		{"missing", "", "is missing"},
		{"type", "create f2b-reconciler-v4 hash:ip family inet maxelem 2097152 timeout 0\n", "is of type hash:ip"},
		{"family", "create f2b-reconciler-v4 hash:net family inet6 maxelem 2097152 timeout 0\n", "not hash:net for inet"},
		{"no timeout", "create f2b-reconciler-v4 hash:net family inet maxelem 2097152\n", "without timeouts"},
		{"small", "create f2b-reconciler-v4 hash:net family inet maxelem 65536 timeout 0\n", "holds only 65536 entries"},
		{"exempt", "create f2b-reconciler-v4 hash:net family inet maxelem 2097152 timeout 0\nadd f2b-reconciler-v4 192.0.2.1 timeout 0 nomatch\n", "lets 192.0.2.1/32 through"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := strings.Join(ParseIPSet([]byte(c.text), spec.SetName(IPv4), noon).Defects(IPv4, spec), "; ")
			if (c.want == "") != (got == "") || !strings.Contains(got, c.want) {
				t.Errorf("the defects are %q, want them to say %q", got, c.want)
			}
		})
	}
}

func TestParsedEntriesAreSortedAndCompleteForAnySet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rests := rapid.MapOf(rapid.Map(rapid.Uint32(), func(n uint32) netip.Prefix {
			addr := netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
			return netip.PrefixFrom(addr, 1+int(n%32)).Masked()
		}), rapid.IntRange(0, 2147483)).Draw(t, "entries")
		text := "create s hash:net family inet maxelem 9 timeout 0\n"
		for p, rest := range rests {
			text += fmt.Sprintf("add s %s timeout %d\n", strings.TrimSuffix(p.String(), "/32"), rest)
		}
		got := ParseIPSet([]byte(text), "s", noon).Entries
		if len(got) != len(rests) {
			t.Fatalf("%d entries were printed and %d were read", len(rests), len(got))
		}
		if !slices.IsSortedFunc(got, func(a, b HostEntry) int { return a.Prefix.Compare(b.Prefix) }) {
			t.Fatalf("the entries are not sorted by prefix: %v", got)
		}
		for _, e := range got {
			rest := rests[e.Prefix]
			if want := entryAt(e.Prefix.String(), time.Duration(rest)*time.Second); !want.Until.Equal(e.Until) {
				t.Fatalf("%s was printed with %d s left and read as ending at %s", e.Prefix, rest, e.Until)
			}
		}
	})
}

func FuzzParseIPSet(f *testing.F) {
	f.Add([]byte("create s hash:net family inet maxelem 8 timeout 0\nadd s 192.0.2.1 timeout 5\nadd s 192.0.2.0/24 nomatch\n"))
	f.Add([]byte("create s hash:net family inet6\nadd s 2001:db8::/32 timeout 9 comment \"x\"\nadd s ::1%lo\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		set := ParseIPSet(text, "s", noon)
		for i, e := range set.Entries {
			if !e.Prefix.IsValid() || e.Prefix.Masked() != e.Prefix {
				t.Fatalf("an entry that is not canonical was read: %v", e.Prefix)
			}
			if i > 0 && set.Entries[i-1].Prefix.Compare(e.Prefix) >= 0 {
				t.Fatalf("entries %v and %v are not in order", set.Entries[i-1].Prefix, e.Prefix)
			}
			if !e.Until.IsZero() && (e.Until.Before(noon.Add(time.Second)) || e.Until.Sub(noon) > 1<<31*time.Second) {
				t.Fatalf("%v ends at %v, which no timeout can say", e.Prefix, e.Until)
			}
		}
		if len(set.Entries)+len(set.Exempt)+set.Other > bytes.Count(text, []byte("\n"))+1 {
			t.Fatal("more entries were read than there are lines")
		}
	})
}

func BenchmarkParseIPSet100000(b *testing.B) {
	var text bytes.Buffer
	text.WriteString("create s hash:net family inet hashsize 1024 maxelem 2097152 timeout 0\n")
	for i := range 100000 {
		fmt.Fprintf(&text, "add s 10.%d.%d.%d timeout %d\n", i>>16, i>>8&255, i*7919&255, i)
	}
	for b.Loop() {
		ParseIPSet(text.Bytes(), "s", noon)
	}
}
