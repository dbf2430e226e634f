//go:build e2e

package bastion

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"reconciler/internal/ec2sim"
	"reconciler/internal/tool"
)

// edge is AWS as the bastion meets it: the EC2 endpoint, the metadata service,
// and the subnet's edge where the ACL's entries stop packets.
type edge struct {
	sim *ec2sim.Server
	acl string

	mu     sync.Mutex
	failed error // the first trouble with the packet rules
}

// quota is AWS's default, both default denies and both allows counted.
const quota = 20

// raiseEdge serves the endpoint and renders its entries from the first on. A
// colleague's entry is in the window: it must stay as it is.
func raiseEdge(t *testing.T) *edge {
	t.Helper()
	e := &edge{sim: ec2sim.New(ec2sim.Options{Quota: quota})}
	e.acl = e.sim.Bastion()
	if err := e.sim.PutEntry(e.acl, colleague); err != nil {
		t.Fatal(err)
	}
	e.render()
	e.sim.OnCall(func(c ec2sim.Call) {
		if c.Changed {
			e.render() // before the answer is sent: what is acknowledged is in force
		}
	})
	ctx, cancel := context.WithCancel(context.Background())
	var servers sync.WaitGroup
	for _, address := range []string{endpoint, metadata} {
		listener, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		servers.Go(func() {
			if err := e.sim.Serve(ctx, listener); err != nil {
				t.Errorf("serving the endpoint: %v", err)
			}
		})
	}
	t.Cleanup(func() { cancel(); servers.Wait() })
	return e
}

// colleague is somebody else's entry, of another shape, amid our window.
var colleague = ec2sim.Entry{
	Number: 45, Protocol: "6", Prefix: netip.MustParsePrefix("192.0.2.200/32"), Ports: ec2sim.PortRange{From: 23, To: 23},
}

// render makes the router's rules equal to the inbound entries, in their order.
// Counters have names, so they outlive it.
func (e *edge) render() {
	var text strings.Builder
	text.WriteString("add table inet edge\n" +
		"add chain inet edge inbound { type filter hook forward priority 0; policy accept; }\n" +
		"flush chain inet edge inbound\n" +
		"add rule inet edge inbound oifname != " + bridge + " accept\n")
	for _, entry := range e.sim.Entries(e.acl) {
		if !entry.Egress {
			text.WriteString(rule(entry))
		}
	}
	_, err := tool.Exec{}.Run(context.Background(), []byte(text.String()), "nft", "-f", "-")
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.failed == nil && err != nil {
		e.failed = fmt.Errorf("making the router's rules: %w", err)
	}
}

// rule gives an entry in nft's words.
func rule(e ec2sim.Entry) string {
	family, verdict, match := "ip", "drop", ""
	if e.Prefix.Addr().Is6() {
		family = "ip6"
	}
	if e.Allow {
		verdict = "accept"
	}
	switch e.Protocol {
	case "6":
		match = fmt.Sprintf("tcp dport %d-%d", e.Ports.From, e.Ports.To)
	case "17":
		match = fmt.Sprintf("udp dport %d-%d", e.Ports.From, e.Ports.To)
	}
	name := counter(e.Prefix)
	return fmt.Sprintf("add counter inet edge %s\nadd rule inet edge inbound %s saddr %s %s counter name %s %s comment \"rule %d\"\n",
		name, family, e.Prefix, match, name, verdict, e.Number)
}

// counter names a prefix's counter.
func counter(p netip.Prefix) string {
	return "c_" + strings.NewReplacer(".", "_", ":", "_", "/", "_").Replace(p.String())
}

// stopped gives how many packets of an address the router has met a rule with.
func (e *edge) stopped(t *testing.T) map[string]int {
	t.Helper()
	out, err := tool.Exec{}.Run(context.Background(), nil, "nft", "-j", "list", "counters", "table", "inet", "edge")
	if err != nil {
		t.Fatal(err)
	}
	var list struct {
		NFTables []struct {
			Counter struct {
				Name    string
				Packets int
			}
		}
	}
	if err := json.Unmarshal(out, &list); err != nil {
		t.Fatal(err)
	}
	packets := map[string]int{}
	for _, c := range list.NFTables {
		packets[c.Counter.Name] = c.Counter.Packets
	}
	return packets
}

// holds gives the addresses that the ACL denies by an entry of our shape.
func (e *edge) holds() map[netip.Addr]bool {
	out := map[netip.Addr]bool{}
	for _, entry := range e.sim.Entries(e.acl) {
		if !entry.Egress && !entry.Allow && !entry.Default() && entry.Protocol == "-1" && entry.Prefix.IsSingleIP() {
			out[entry.Prefix.Addr()] = true
		}
	}
	return out
}

// vanish makes the endpoint and the metadata silent: packets are lost, as they
// are when a network fails. The function returned brings them back.
func (e *edge) vanish(t *testing.T) (back func()) {
	t.Helper()
	nft := func(text string) {
		t.Helper()
		if _, err := (tool.Exec{}).Run(context.Background(), []byte(text), "nft", "-f", "-"); err != nil {
			t.Fatal(err)
		}
	}
	nft("add table inet outage\n" +
		"add chain inet outage input { type filter hook input priority 0; policy accept; }\n" +
		"add rule inet outage input tcp dport { 80, 4566 } drop\n")
	return func() { t.Helper(); nft("delete table inet outage\n") }
}

// trouble gives what went wrong with the router's rules.
func (e *edge) trouble() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.failed
}
