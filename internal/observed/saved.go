package observed

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// savedRules are the files from which a boot restores the filter table:
// netfilter-persistent, iptables-services, and the ways of older guides.
var savedRules = []string{
	"etc/iptables/rules.v4", "etc/iptables/rules.v6", "etc/sysconfig/iptables", "etc/sysconfig/ip6tables",
	"etc/iptables.rules", "etc/ip6tables.rules", "etc/iptables.up.rules", "etc/iptables/iptables.rules", "etc/iptables/ip6tables.rules",
}

// saved gives the files of saved rules that ask a set of ours.
func (r HostReader) saved() []string {
	if r.Spec.Backend != BackendIPSet {
		return nil // rules alone can be restored
	}
	var files []string
	for _, name := range savedRules {
		path := filepath.Clean("/" + r.Root + "/" + name)
		text, err := os.ReadFile(path)
		if err == nil && r.Spec.asksOurs(string(text)) {
			files = append(files, path)
		}
	}
	return files
}

func (s HostSpec) asksOurs(text string) bool {
	for line := range strings.SplitSeq(text, "\n") {
		if strings.HasPrefix(strings.TrimSpace(line), "#") {
			continue
		}
		for _, f := range Families {
			if strings.Contains(line, "--match-set "+s.SetName(f)+" ") || strings.Contains(line, "--match-set "+s.TemporarySetName(f)+" ") {
				return true
			}
		}
	}
	return false
}

// Unsave is the command that takes ours out of a file of saved rules: what makes
// the chain, leads to it or stands in it, and nothing of a chain whose name ours
// begins.
func Unsave(path, chain string) string { return "sed -Ei '/" + lineOfOurs(chain) + "/d' " + path }

func lineOfOurs(chain string) string { return "[ :]" + strings.ReplaceAll(chain, ".", `\.`) + "( |$)" }

// SaveWithout is the command that saves the rules of the file's family without
// ours.
func SaveWithout(path, chain string) string {
	program := "iptables-save"
	if base := filepath.Base(path); strings.HasPrefix(base, "ip6") || strings.HasSuffix(base, ".v6") {
		program = "ip6tables-save"
	}
	return fmt.Sprintf("%s | grep -Ev '%s' > %s", program, lineOfOurs(chain), path)
}

// SavedWords says what is wrong with a file of saved rules that holds ours.
func SavedWords(path, chain string) string {
	return fmt.Sprintf("%s holds our chain %s: its set does not exist when a boot restores the file, so that all of it fails and the firewall stays open", path, chain)
}

// Notes are the warnings with those of saved rules.
func (h Host) Notes() []string {
	notes := h.Warnings[:len(h.Warnings):len(h.Warnings)]
	for _, s := range h.Saved {
		notes = append(notes, SavedWords(s.Path, s.Chain)+"; take ours out with: "+Unsave(s.Path, s.Chain)+"; and save without it: "+SaveWithout(s.Path, s.Chain))
	}
	return notes
}

// Saved is a file of saved rules that asks a set of ours.
type Saved struct{ Path, Chain string }
