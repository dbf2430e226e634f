//go:build e2e

package packaging

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"reconciler/internal/testenv"
)

// link is a reference from one page to another, without what is on the web.
var link = regexp.MustCompile(`\]\(([^):#]+)(?:#[^)]*)?\)`)

func TestTheLinksOfThePackagedPagesLeadSomewhere(t *testing.T) {
	testenv.NeedProgram(t, "dpkg-deb")
	deb, _ := built(t)
	dir := t.TempDir()
	run(t, "dpkg-deb", "-x", deb, dir)
	pages, links := 0, 0
	err := filepath.WalkDir(dir+"/usr/share/doc/reconciler", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".md") {
			return err
		}
		pages++
		for _, to := range link.FindAllStringSubmatch(string(read(t, path)), -1) {
			links++
			if _, err := os.Stat(filepath.Join(filepath.Dir(path), to[1])); err != nil {
				t.Errorf("%s of the package names %s, which is not there", filepath.Base(path), to[1])
			}
		}
		return nil
	})
	if err != nil || pages < 8 || links < 10 {
		t.Errorf("the package has %d pages with %d links (%v)", pages, links, err)
	}
}
