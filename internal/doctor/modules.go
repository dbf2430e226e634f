package doctor

import (
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// loading gives the command that loads those of the modules that the running
// kernel has, or installs its modules where it has none of them: distributions
// keep some in a package of their own.
func (e *examination) loading(modules ...string) string {
	have := slices.DeleteFunc(modules, func(m string) bool { return !slices.Contains(e.loadable(), m) })
	if len(have) == 0 {
		return "(apt-get install -y linux-modules-extra-$(uname -r) || dnf install -y kernel-modules-extra-$(uname -r))"
	}
	return "modprobe -a " + strings.Join(have, " ")
}

// loadable gives the modules of the running kernel, without those built in.
func (e *examination) loadable() (names []string) {
	var kernel unix.Utsname
	if err := unix.Uname(&kernel); err != nil {
		return nil
	}
	list, err := os.ReadFile(filepath.Join(e.Root, "lib", "modules", unix.ByteSliceToString(kernel.Release[:]), "modules.dep"))
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(list)) {
		file, _, _ := strings.Cut(line, ":")
		name, _, _ := strings.Cut(path.Base(file), ".ko") // .ko.xz, .ko.zst
		names = append(names, strings.ReplaceAll(name, "-", "_"))
	}
	return names
}
