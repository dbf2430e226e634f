package apply_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"reconciler/internal/observed"
	"reconciler/internal/testenv"
)

// Rules that were saved with ours among them are refused as a whole by the next
// boot, unless the sets that they ask are made first.
func TestSavedRulesWithOursCanBeRestoredAtABoot(t *testing.T) {
	for variant, name := range map[string]string{"nft": "etc/iptables/rules.v4", "legacy": "etc/sysconfig/iptables"} {
		t.Run(variant, func(t *testing.T) {
			m := kernelMachine(t, variant)
			m.tables(":"+ours+"-of-another - [0:0]", "-A INPUT -p tcp -m tcp --dport 23 -j DROP", "-A INPUT -j "+ours+"-of-another")
			do(t, m.host(ipset), repair, add("203.0.113.7/32", time.Time{}))
			root := t.TempDir()
			file := filepath.Join(root, name)
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				t.Fatal(err)
			}
			saved := testenv.Run(t, "", "iptables-"+variant+"-save", "-t", "filter")
			if err := os.WriteFile(file, []byte(saved), 0o600); err != nil {
				t.Fatal(err)
			}
			read := func() observed.Host {
				host, err := observed.HostReader{Run: m.run, Spec: m.spec(ipset), Root: root}.Read(t.Context(), m.now())
				if err != nil {
					t.Fatal(err)
				}
				return host
			}
			host := read()
			if len(host.Saved) != 1 || len(host.Notes()) != 1 || !strings.Contains(host.Notes()[0], observed.Unsave(file, ours)) || !strings.Contains(host.Notes()[0], observed.SaveWithout(file, ours)) {
				t.Fatalf("of the saved rules it is said %q", host.Notes())
			}
			testenv.CleanFirewall(t) // the boot
			testenv.Run(t, "", "sh", "-c", "RECONCILER_SAVED_RULES="+file+" sh "+plugin(t)+" start")
			testenv.Run(t, saved, "iptables-"+variant+"-restore")
			if dump := m.dump(t); !strings.Contains(dump, "--dport 23 -j DROP") {
				t.Fatalf("the site's own rules are not back:\n%s", dump)
			}
			do(t, m.host(ipset), repair, add("203.0.113.7/32", time.Time{}))
			wantSound(t, m, ipset)

			testenv.Run(t, "", "sh", "-c", observed.Unsave(file, ours))
			if host := read(); len(host.Saved) != 0 {
				t.Fatalf("ours was taken out, and it is still said %q", host.Notes())
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			testenv.CleanFirewall(t)
			testenv.Run(t, string(text), "iptables-"+variant+"-restore")
			if dump := m.dump(t); !strings.Contains(dump, "-A INPUT -j "+ours+"-of-another") {
				t.Errorf("what is not ours went as well:\n%s", dump)
			}

			do(t, m.host(ipset), repair, add("203.0.113.7/32", time.Time{}))
			testenv.Run(t, "", "sh", "-c", strings.Replace(observed.SaveWithout(file, ours), "iptables-save", "iptables-"+variant+"-save", 1))
			if host := read(); len(host.Saved) != 0 {
				t.Errorf("it was saved without ours, and it is said %q", host.Notes())
			}
			testenv.CleanFirewall(t)
			testenv.Run(t, "", "sh", "-c", "iptables-"+variant+"-restore <"+file)
		})
	}
}

// plugin is the path of the packaged plugin of netfilter-persistent.
func plugin(t *testing.T) string {
	t.Helper()
	path, err := filepath.Abs("../../deploy/packaging/saved-sets.sh")
	if err != nil {
		t.Fatal(err)
	}
	return path
}
