package apply_test

import (
	"errors"
	"syscall"
	"testing"
	"time"

	"reconciler/internal/observed"
	"reconciler/internal/testenv"
)

// A ban of a port means the port that a client asks for, which a DNAT has
// rewritten by the time that a forwarded packet meets our rule.
func TestABanOfAPortFollowsTheClientsPortThroughADNAT(t *testing.T) {
	for _, variant := range []string{"nft", "legacy"} {
		for _, backend := range []string{observed.BackendIPSet, observed.BackendIPTables} {
			for _, hooks := range [][]string{{"FORWARD"}, {"INPUT", "DOCKER-USER"}} {
				t.Run(variant+"/"+backend+"/"+hooks[0], func(t *testing.T) {
					m := kernelMachine(t, variant)
					road := testenv.NewCrossing(t)
					client, server := road.Client, road.Server
					road.Serve("10.98.2.2:8443")
					road.Serve("10.98.2.2:443")
					nat := "*nat\n-A PREROUTING -d 10.98.1.1/32 -p tcp --dport 443 -j DNAT --to-destination " + server.String() + ":8443\n" +
						"-A PREROUTING -d 10.98.1.1/32 -p tcp --dport 9443 -j DNAT --to-destination " + server.String() + ":443\nCOMMIT\n"
					m.somebody(nat, "iptables-"+variant+"-restore", "--noflush", "-w", "5")
					t.Cleanup(func() { testenv.Run(t, "", "iptables-"+variant, "-t", "nat", "-F") })
					m.tables(":DOCKER-USER - [0:0]", "-A FORWARD -j DOCKER-USER")
					if err := road.Knock("10.98.1.1:443", patience); err != nil {
						t.Fatalf("before any ban the client cannot connect: %v", err)
					}
					s := observed.HostSpec{Backend: backend, Hooks: hooks, Shape: observed.Shape{Protocol: observed.ProtocolTCP, Ports: observed.Ports{From: 443, To: 443}}}
					do(t, m.host(s), repair, add(client.String()+"/32", time.Time{}))
					wantSound(t, m, s)
					wantEntries(t, m, s, client.String()+"/32")
					for to, blocked := range map[string]bool{"10.98.1.1:443": true, "10.98.2.2:443": true, "10.98.1.1:9443": false, "10.98.2.2:8443": false} {
						if err := road.Knock(to, patience); errors.Is(err, syscall.ECONNREFUSED) != blocked || err != nil && !blocked {
							t.Errorf("port 443 is banned, and %s met the client with %v", to, err)
						}
					}
				})
			}
		}
	}
}
