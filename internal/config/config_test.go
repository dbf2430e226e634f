package config

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/spf13/pflag"

	"reconciler/internal/observed"
)

// loadWith loads with these flags, variables and file text, on a machine that
// has no default file. An empty text means no file.
func loadWith(t *testing.T, args, environ []string, text string) (Config, error) {
	t.Helper()
	fs := pflag.NewFlagSet("test", pflag.ContinueOnError)
	Register(fs)
	if text != "" {
		args = append([]string{"--config", writeFile(t, text)}, args...)
	}
	if err := fs.Parse(args); err != nil {
		t.Fatalf("parsing flags %q: %v", args, err)
	}
	return load(fs, environ, filepath.Join(t.TempDir(), "none.yaml"))
}

func writeFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func mustLoad(t *testing.T, args, environ []string, text string) Config {
	t.Helper()
	c, err := loadWith(t, args, environ, text)
	if err != nil {
		t.Fatalf("loading flags %q, environment %q and file %q: %v", args, environ, text, err)
	}
	return c
}

func compare(t *testing.T, want, got Config) {
	t.Helper()
	opts := []cmp.Option{cmpopts.EquateComparable(netip.Prefix{}), cmpopts.IgnoreFields(Config{}, "File", "said")}
	if diff := cmp.Diff(want, got, opts...); diff != "" {
		t.Errorf("the configuration differs (-want +got):\n%s", diff)
	}
}

func TestTheDefaultsAreThoseOfTheDesign(t *testing.T) {
	name, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	want := Config{
		State: []string{"/var/lib/reconciler/bans.jsonl"}, NACL: []string{"auto"},
		Rules: observed.Window{First: 1, Last: 90}, Quota: 20,
		Shape: observed.Shape{Protocol: "-1"}, IPv6Prefix: 128,
		Host: "ipset", HostMode: "all", Chain: "f2b-reconciler", Hooks: []string{"INPUT"},
		Block: "reject", HookPin: true, HostRules: 500, Iptables: "auto",
		MinIPv4Prefix: 16, MinIPv6Prefix: 32,
		Resync: time.Minute, CompactAt: 1 << 20, HostID: cleanHostID(name),
		RunDir: "/run/reconciler", LogLevel: "info",
		Spool: "/var/lib/reconciler", CacheDir: "/var/lib/reconciler", Poll: 10 * time.Second,
		S3: S3{Timeout: 10 * time.Second, MaxSize: 64 << 20},
	}
	compare(t, want, mustLoad(t, nil, nil, ""))
}

func TestAFlagWinsOverTheEnvironmentWhichWinsOverTheFile(t *testing.T) {
	file := "quota: 21\nrules: 2-50\nignore: [192.0.2.1]\nhook-pin: false\nblock: drop\n"
	env := []string{"RECONCILER_QUOTA=22", "RECONCILER_RULES=3-50", "RECONCILER_IGNORE=192.0.2.2, 2001:db8::/33"}
	args := []string{"--quota", "23", "--ignore=192.0.2.3", "--ignore", "192.0.2.4,192.0.2.5"}
	got := mustLoad(t, args, env, file)

	want := mustLoad(t, nil, nil, "")
	want.Quota = 23
	want.Rules = observed.Window{First: 3, Last: 50}
	want.HookPin, want.Block = false, "drop"
	want.Ignore = prefixes("192.0.2.3/32", "192.0.2.4/32", "192.0.2.5/32")
	compare(t, want, got)
	if got.File == "" {
		t.Error("the configuration does not say which file it was read from")
	}
	noFlags := mustLoad(t, nil, env, file)
	if diff := cmp.Diff(prefixes("192.0.2.2/32", "2001:db8::/33"), noFlags.Ignore, cmpopts.EquateComparable(netip.Prefix{})); diff != "" {
		t.Errorf("a list of the environment does not replace that of the file (-want +got):\n%s", diff)
	}
}

func prefixes(texts ...string) []netip.Prefix {
	var list []netip.Prefix
	for _, text := range texts {
		list = append(list, netip.MustParsePrefix(text))
	}
	return list
}

func TestLoadingTwiceGivesTheSame(t *testing.T) {
	fs := pflag.NewFlagSet("test", pflag.ContinueOnError)
	Register(fs)
	if err := fs.Parse([]string{"--hook", "FORWARD", "--hook", "INPUT", "--dedicated"}); err != nil {
		t.Fatal(err)
	}
	none := filepath.Join(t.TempDir(), "none.yaml")
	first, err := load(fs, nil, none)
	if err != nil {
		t.Fatal(err)
	}
	second, err := load(fs, nil, none)
	if err != nil {
		t.Fatal(err)
	}
	compare(t, first, second)
	if !first.Dedicated || len(first.Hooks) != 2 {
		t.Errorf("flags were lost: dedicated %v, hooks %q", first.Dedicated, first.Hooks)
	}
}

func TestEveryProblemIsReportedWithItsPlace(t *testing.T) {
	_, err := loadWith(t, []string{"--quota", "41", "--hook", "OUTPUT,a b"},
		[]string{"RECONCILER_RESYNC=1s", "RECONCILER_QOUTA=3", "OTHER_QUOTA=x"}, "rules: 9\n\nhosst: ipset\nblock: [drop]\n")
	if err == nil {
		t.Fatal("a configuration with seven mistakes was taken")
	}
	for _, want := range []string{
		`flag --quota: "41" is not a whole number from 1 to 40 (AWS grants 40 rules at most)`,
		`flag --hook: "OUTPUT" never sees`, `"a b" is no name of a chain`,
		`environment variable RECONCILER_RESYNC: "1s" is no duration`,
		`environment variable "RECONCILER_QOUTA" sets nothing; did you mean RECONCILER_QUOTA?`,
		`config.yaml:1: rules: "9" is no range`,
		`config.yaml:3: unknown key "hosst"; did you mean "host"?`,
		`config.yaml:4: block: is a list; it takes one value`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q:\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), "OTHER_QUOTA") {
		t.Errorf("a variable of another program is reported:\n%v", err)
	}
}

func TestAnEmptyVariableIsNotSet(t *testing.T) {
	compare(t, mustLoad(t, nil, nil, ""), mustLoad(t, nil, []string{"RECONCILER_QUOTA=", "RECONCILER_CONFIG="}, ""))
}

func TestEverySettingHasAUsageOfOneLineAndAFlag(t *testing.T) {
	fs := pflag.NewFlagSet("test", pflag.ContinueOnError)
	Register(fs)
	for _, s := range settings {
		f := fs.Lookup(s.name)
		if f == nil {
			t.Errorf("--%s is no flag", s.name)
			continue
		}
		if f.Usage == "" || strings.ContainsAny(f.Usage, "\n`") || strings.HasSuffix(f.Usage, ".") || len(f.Usage) > 85 {
			t.Errorf("--%s: the usage %q is not one clear line", s.name, f.Usage)
		}
	}
}
