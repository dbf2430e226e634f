//go:build e2e

package demo

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// process is a running process as /proc shows it.
type process struct {
	id, group int
	command   string
}

// processes gives those that match. One that ends meanwhile is passed over.
func processes(match func(process) bool) []process {
	dirs, _ := filepath.Glob("/proc/[0-9]*") // the pattern is a valid one
	var out []process
	for _, dir := range dirs {
		command, err := os.ReadFile(filepath.Join(dir, "cmdline"))
		if err != nil {
			continue
		}
		stat, err := os.ReadFile(filepath.Join(dir, "stat"))
		if err != nil {
			continue
		}
		// proc(5): after the name in brackets come the state, the parent and the group.
		fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
		id, idErr := strconv.Atoi(filepath.Base(dir))
		if idErr != nil || len(fields) < 3 {
			continue
		}
		group, err := strconv.Atoi(fields[2])
		if err != nil {
			continue
		}
		p := process{id: id, group: group, command: string(bytes.ReplaceAll(command, []byte{0}, []byte{' '}))}
		if match(p) {
			out = append(out, p)
		}
	}
	return out
}
