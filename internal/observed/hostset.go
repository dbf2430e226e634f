package observed

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// asker gives a lookup of the sets that rules of others match sources by. Each
// is read once.
func (r HostReader) asker(ctx context.Context, now time.Time) asker {
	type answer struct {
		from         Sources
		exact, known bool
	}
	answers := map[string]answer{}
	return func(name string) (Sources, bool, bool) {
		a, asked := answers[name]
		if !asked {
			a.from, a.exact, a.known = r.members(ctx, name, now)
			answers[name] = a
		}
		return a.from, a.exact, a.known
	}
}

// members gives the sources of a set whose members are addresses or prefixes.
// With exceptions (nomatch) it holds some of them only.
func (r HostReader) members(ctx context.Context, name string, now time.Time) (from Sources, exact, known bool) {
	set, err := r.Set(ctx, name, now)
	if err != nil || !set.Exists || set.Other > 0 || set.Type != "hash:net" && set.Type != "hash:ip" {
		return nil, false, false
	}
	ranges := make([]addrRange, 0, len(set.Entries))
	for _, e := range set.Entries {
		ranges = append(ranges, addrRange{e.Prefix.Addr(), lastOf(e.Prefix)})
	}
	return newSources(ranges), len(set.Exempt) == 0, true
}

// dockerHook is the chain that Docker makes for the rules of others.
const dockerHook = "DOCKER-USER"

// otherDocker tells when Docker has made its chains with the other variant of
// iptables than the one that ours are made with: its hook is not there for us.
func (r HostReader) otherDocker(ctx context.Context, table Table) []Opening {
	theirs := table.OtherVariant()
	ours := map[string]string{"nft": "legacy", "legacy": "nft"}[theirs]
	// Without a table's name nothing is loaded into the kernel by looking.
	out, err := r.Run.Run(ctx, nil, HostSpec{Variant: theirs}.Program(IPv4, "save"))
	if err != nil || !strings.Contains(string(out), "\n:DOCKER") {
		return nil
	}
	return []Opening{{Fixed: true, Why: fmt.Sprintf("Docker keeps its chains with iptables-%s, and ours are made with iptables-%s: the hook %s "+
		"is not there for us; set iptables: %s, so that ours are made where Docker's are", theirs, ours, dockerHook, theirs)}}
}
