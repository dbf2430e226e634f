package observed

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// ErrNotShown is a filter table that iptables cannot show: somebody put rules
// there with nft that it has no words for, and it then shows nothing at all.
var ErrNotShown = errors.New("the filter table holds rules of nft that iptables cannot show")

// shown reports whether iptables-save has shown the table.
func shown(out []byte, f Family) error {
	if !strings.Contains(string(out), "*filter") && strings.Contains(string(out), "is incompatible, use 'nft' tool") {
		return fmt.Errorf("%w, so nothing in it is changed; `nft list table %s filter` shows them: move them to a table of their own", ErrNotShown, nftFamily(f))
	}
	return nil
}

func nftFamily(f Family) string {
	if f == IPv6 {
		return "ip6"
	}
	return "ip"
}

// native asks nft for what iptables-save leaves out: of a rule that somebody
// made with nft it drops the conditions that it has no words for, and shows
// `ip saddr @office accept` as `-j ACCEPT`. Without nft there is nobody to ask.
func (r HostReader) native(ctx context.Context, f Family, t Table) {
	if !t.nft || !t.foreign(r.Spec.Chain) {
		return
	}
	out, err := r.Run.Run(ctx, nil, "nft", "-j", "list", "table", nftFamily(f), "filter")
	if err != nil {
		return
	}
	t.complete(out, f)
}

// foreign reports whether somebody else's rule is in the table.
func (t Table) foreign(own string) bool {
	for name, c := range t.chains {
		for _, r := range c.rules {
			if name != own && !r.isJump(own) {
				return true
			}
		}
	}
	return false
}

type nftItem struct {
	Set *struct {
		Name string            `json:"name"`
		Type any               `json:"type"`
		Elem []json.RawMessage `json:"elem"`
	} `json:"set"`
	Rule *struct {
		Chain string                       `json:"chain"`
		Expr  []map[string]json.RawMessage `json:"expr"`
	} `json:"rule"`
}

// complete adds to each rule the conditions that nft tells of it beyond what
// iptables-save did. Both list the rules of a chain in the same order.
func (t Table) complete(out []byte, f Family) {
	var listing struct {
		Items []nftItem `json:"nftables"`
	}
	if json.Unmarshal(out, &listing) != nil {
		return
	}
	sets := map[string]condition{}
	for _, item := range listing.Items {
		if s := item.Set; s != nil && s.Type == map[Family]string{IPv4: "ipv4_addr", IPv6: "ipv6_addr"}[f] {
			sets["@"+s.Name] = elements(s.Elem, f)
		}
	}
	next := map[string]int{}
	for _, item := range listing.Items {
		if item.Rule == nil {
			continue
		}
		name := item.Rule.Chain
		if rules := t.Rules(name); next[name] < len(rules) {
			rules[next[name]].learn(item.Rule.Expr, sets, f)
		}
		next[name]++
	}
}

// learn takes in what nft says of the rule.
func (r *Rule) learn(exprs []map[string]json.RawMessage, sets map[string]condition, f Family) {
	for _, expr := range exprs {
		if _, mapped := expr["vmap"]; mapped {
			r.mapped = true
		}
		var m struct {
			Op   string          `json:"op"`
			Left json.RawMessage `json:"left"`
			compared
		}
		if raw, is := expr["match"]; !is || json.Unmarshal(raw, &m) != nil || !m.lost(r.Spec, string(m.Left)) {
			continue
		}
		c := condition{kind: unknown}
		if from := (payload{}); json.Unmarshal(m.Left, &from) == nil && from.Payload.Field == "saddr" && from.Payload.Protocol == nftFamily(f) {
			c = m.sources(sets, f)
		}
		if c.kind == only && m.Op == "!=" {
			c.sources = c.sources.minusAll(f)
		}
		r.native = append(r.native, c)
	}
}

type payload struct {
	Payload struct {
		Protocol string `json:"protocol"`
		Field    string `json:"field"`
	} `json:"payload"`
}

// compared is the right side of a match of nft.
type compared struct {
	Value json.RawMessage `json:"right"`
}

// lost reports whether iptables has no words for the match: one by a set of
// nft, or by a range of addresses.
func (m compared) lost(spec, left string) bool {
	value := strings.TrimSpace(string(m.Value))
	switch {
	case strings.HasPrefix(value, `"@`):
		return true
	case strings.HasPrefix(value, `{"set"`):
		return !strings.Contains(spec, "ports ") || !strings.Contains(left, "port")
	case strings.HasPrefix(value, `{"range"`):
		return strings.Contains(left, "addr")
	}
	return false
}

// sources reads the addresses to which a source is compared.
func (m compared) sources(sets map[string]condition, f Family) condition {
	var name string
	if json.Unmarshal(m.Value, &name) == nil {
		if c, known := sets[name]; known {
			return c
		}
		return condition{kind: unknown}
	}
	var anonymous struct {
		Set []json.RawMessage `json:"set"`
	}
	if json.Unmarshal(m.Value, &anonymous) == nil && anonymous.Set != nil {
		return elements(anonymous.Set, f)
	}
	return elements([]json.RawMessage{m.Value}, f)
}

// elements reads the members of a set; one that is not understood leaves the
// whole unknown.
func elements(members []json.RawMessage, f Family) condition {
	ranges := make([]addrRange, 0, len(members))
	for _, member := range members {
		r, ok := element(member)
		if !ok || FamilyOf(netip.PrefixFrom(r.from, 0)) != f {
			return condition{kind: unknown}
		}
		ranges = append(ranges, r)
	}
	return condition{kind: only, sources: newSources(ranges)}
}

func element(raw json.RawMessage) (addrRange, bool) {
	var e struct {
		Prefix *struct {
			Addr netip.Addr `json:"addr"`
			Len  int        `json:"len"`
		} `json:"prefix"`
		Range []netip.Addr `json:"range"`
		Elem  *struct {
			Val json.RawMessage `json:"val"`
		} `json:"elem"`
	}
	var single netip.Addr
	switch {
	case json.Unmarshal(raw, &single) == nil:
		return addrRange{single, single}, single.IsValid()
	case json.Unmarshal(raw, &e) != nil:
	case e.Prefix != nil:
		p := netip.PrefixFrom(e.Prefix.Addr, e.Prefix.Len).Masked()
		return addrRange{p.Addr(), lastOf(p)}, p.IsValid()
	case len(e.Range) == 2:
		return addrRange{e.Range[0], e.Range[1]}, !e.Range[1].Less(e.Range[0])
	case e.Elem != nil:
		return element(e.Elem.Val)
	}
	return addrRange{}, false
}
