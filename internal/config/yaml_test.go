package config

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

func TestAFileIsReadStrictly(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"an unknown key", "quota: 20\nqouta: 30\n", `:2: unknown key "qouta"; did you mean "quota"?`},
		{"a key in another case", "Quota: 20\n", `:1: unknown key "Quota"; did you mean "quota"?`},
		{"the key config", "config: /x\n", `:1: unknown key "config"`},
		{"a key twice", "quota: 20\nblock: drop\nquota: 30\n", ":3: "},
		{"a quoted key twice", "quota: 20\n\"quota\": 30\n", ":2: "},
		{"a list for one value", "block:\n- drop\n", ":1: block: is a list"},
		{"a mapping", "rules:\n  first: 1\n", ":1: rules: is a mapping"},
		{"a nested list", "ignore: [[192.0.2.1]]\n", ":1: ignore: is a sequence"},
		{"a key without a value", "quota:\n", ":1: quota: has no value"},
		{"null", "\nquota: null\n", ":2: quota: has no value"},
		{"a word for a number", "quota: many\n", `:1: quota: "many" is not a whole number`},
		{"a float for a number", "quota: 20.0\n", `:1: quota: "20.0" is not a whole number`},
		{"a number for a switch", "dedicated: 7\n", `:1: dedicated: "7" is neither true nor false`},
		{"a switch for a word", "host: true\n", `:1: host: "true" is none of`},
		{"a list at the top", "- quota\n", ":1: not a mapping"},
		{"a word at the top", "quota\n", ":1: not a mapping"},
		{"a second document", "quota: 20\n---\nblock: drop\n", ":3: a second document"},
		{"an anchor", "quota: &q 20\n", ":1: quota: is a"},
		{"a merge", "<<: {quota: 20}\n", ":1: "},
		{"broken YAML", "quota: [1\n", ":1: "},
		{"a tab", "quota:\n\t- 1\n", "config.yaml:"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := loadWith(t, nil, nil, tt.text)
			if err == nil {
				t.Fatalf("%s was taken: %q", tt.name, tt.text)
			}
			if !strings.Contains(err.Error(), "config.yaml"+tt.want) && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("the error of %s does not say %q: %v", tt.name, tt.want, err)
			}
		})
	}
}

func TestAFileMayBeEmptyAndAListMayBeOneValue(t *testing.T) {
	want := mustLoad(t, nil, nil, "")
	for _, text := range []string{"\n", "# only a comment\n", "---\n", "{}\n", "quota: 20", "quota: 20\r\nblock: reject\r\n"} {
		got, err := loadWith(t, nil, nil, text)
		if err != nil {
			t.Errorf("file %q: %v", text, err)
			continue
		}
		compare(t, want, got)
	}
	for _, text := range []string{
		"ignore: 2001:db8::1\n", "ignore: [2001:db8::1]\n", "ignore:\n- 2001:db8::1\n", "ignore:\n  - \"2001:db8::1\" # mine\n",
	} {
		got := mustLoad(t, nil, nil, text)
		if len(got.Ignore) != 1 || got.Ignore[0] != netip.MustParsePrefix("2001:db8::1/128") {
			t.Errorf("file %q gave %v", text, got.Ignore)
		}
	}
}

// Property: what an operator writes in one place means the same in the others.
func TestAValueMeansTheSameInEveryPlace(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		first := rapid.IntRange(1, 32766).Draw(rt, "first")
		last := rapid.IntRange(first, 32766).Draw(rt, "last")
		var ignore []string
		for _, b := range rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 16, 16), 1, 4).Draw(rt, "ignore") {
			addr := netip.AddrFrom16([16]byte(b)).Unmap()
			ignore = append(ignore, fmt.Sprintf("%s/%d", addr, rapid.IntRange(1, addr.BitLen()).Draw(rt, "bits")))
		}
		texts := map[string]string{
			"rules":     fmt.Sprintf("%d-%d", first, last),
			"quota":     fmt.Sprint(rapid.IntRange(1, 40).Draw(rt, "quota")),
			"dedicated": fmt.Sprint(rapid.Bool().Draw(rt, "dedicated")),
			"resync":    fmt.Sprintf("%ds", rapid.IntRange(5, 9999).Draw(rt, "resync")),
			"ignore":    strings.Join(ignore, ","),
		}
		var args, environ []string
		var file strings.Builder
		for name, text := range texts {
			s, _ := find(name)
			args = append(args, "--"+name+"="+text)
			environ = append(environ, s.variable()+"="+text)
			if s.list {
				text = "[" + strings.ReplaceAll(text, ",", ", ") + "]"
			}
			fmt.Fprintf(&file, "%s: %s\n", name, text)
		}
		byFlag, byVariable, byFile := mustLoad(t, args, nil, ""), mustLoad(t, nil, environ, ""), mustLoad(t, nil, nil, file.String())
		opts := []cmp.Option{cmpopts.EquateComparable(netip.Prefix{}), cmpopts.IgnoreFields(Config{}, "File", "said")}
		if diff := cmp.Diff(byFlag, byVariable, opts...); diff != "" {
			rt.Fatalf("flags and environment disagree about %v:\n%s", texts, diff)
		}
		if diff := cmp.Diff(byFlag, byFile, opts...); diff != "" {
			rt.Fatalf("flags and file disagree about %v:\n%s", texts, diff)
		}
	})
}

// Any text gives either settings that are all known or an error of readable
// characters that names the file.
func FuzzParseYAML(f *testing.F) {
	for _, seed := range []string{
		"", string(Sample()), "quota: 20\nignore: [192.0.2.1, \"2001:db8::/32\"]\n", "a: &x [*x]\n", "? [quota]\n: 1\n", "quota: !!int 20\n", "quota: |\n  20\n", "{quota: 1, quota: 2}",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := parseYAML("config.yaml", data)
		if err != nil {
			if !strings.Contains(err.Error(), "config.yaml:") {
				t.Fatalf("the error does not name the file: %v", err)
			}
			return
		}
		for name, g := range l {
			if _, ok := find(name); !ok {
				t.Fatalf("the unknown key %q was taken from %q", name, data)
			}
			if !strings.HasPrefix(g.origin, "config.yaml:") {
				t.Fatalf("the value of %q does not name its place but %q", name, g.origin)
			}
		}
		if c, err := resolve(defaults(), l); err == nil && (c.Quota < 1 || c.Quota > maxQuota || c.Rules.First < 1 || c.Resync < minResync) {
			t.Fatalf("a value out of its range was taken from %q: %+v", data, c)
		}
	})
}
