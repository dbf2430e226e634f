//go:build e2e

package packaging

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"reconciler/internal/testenv"
)

// conffile builds the packages as an earlier release made them: with the settings
// as a file of the package, in another form than today's.
func conffile(t *testing.T) (deb, rpm string) {
	t.Helper()
	built(t) // makes the copy of the repository
	old := filepath.Join(t.TempDir(), "old")
	run(t, "sh", "-c", `mkdir -p "$2" && cp -R "$1/." "$2/"`, "sh", tree, old)
	manifest := filepath.Join(old, "deploy", "packaging", "nfpm.yaml")
	text := string(read(t, manifest))
	const ghost = "{dst: /etc/reconciler/config.yaml, type: ghost, packager: rpm,"
	if !strings.Contains(text, ghost) {
		t.Fatalf("the manifest has no %q any more", ghost)
	}
	text = strings.Replace(text, ghost, "{src: deploy/config.yaml, dst: /etc/reconciler/config.yaml, type: config|noreplace,", 1)
	for path, text := range map[string]string{manifest: text, filepath.Join(old, "deploy", "config.yaml"): "#quota: 20\n"} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return build(t, old, "0.9.0")
}

// The settings were a conffile once. An upgrade over an edited one neither asks
// (there is nobody to answer) nor loses the edit.
func TestAnUpgradeKeepsTheEditOfAConffileAndAsksNothing(t *testing.T) {
	testenv.NeedProgram(t, "rpm")
	oldDeb, oldRpm := conffile(t)
	newDeb, newRpm := built(t)
	const edit = "ignore: [192.0.2.1]"
	for name, way := range map[string]struct{ old, new, install, upgrade, remove, kept string }{
		"deb": {
			oldDeb, newDeb, "dpkg -i --force-depends /mnt/old", "dpkg -i --force-depends /mnt/new </dev/null",
			"dpkg -r reconciler", "/etc/reconciler/config.yaml",
		},
		"rpm": {
			oldRpm, newRpm, "rpm -i --nodeps --nosignature --force-debian /mnt/old", "rpm -U --nodeps --nosignature --force-debian /mnt/new </dev/null",
			"rpm -e --force-debian reconciler", "/etc/reconciler/config.yaml.rpmsave",
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGuest(t)
			g.add("old", way.old)
			g.add("new", way.new)
			out := g.must(way.install + `
cat /etc/reconciler/config.yaml
echo '` + edit + `' >/etc/reconciler/config.yaml
` + way.upgrade + `
reconciler version
reconciler check
ls /etc/reconciler
echo IN FORCE; cat /etc/reconciler/config.yaml
` + way.remove + `
echo KEPT; cat ` + way.kept)
			for _, want := range []string{
				"#quota: 20\n", "reconciler 1.0.0\n", "The configuration is good (/etc/reconciler/config.yaml).\nconfig.yaml\nIN FORCE\n" + edit + "\n",
				"KEPT\n" + edit + "\n",
			} {
				if !strings.Contains(out, want) {
					t.Errorf("after the upgrade %q is not so:\n%s", want, out)
				}
			}
		})
	}
}
