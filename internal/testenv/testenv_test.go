package testenv

import (
	"net"
	"os"
	"strings"
	"testing"
)

func TestMain(m *testing.M) { Main(m) }

func TestTheNamespaceIsNotTheMachines(t *testing.T) {
	Need(t)
	here, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	if outer := os.Getenv(marker); outer == here || !strings.HasPrefix(outer, "net:[") {
		t.Fatalf("the test runs in %s, which is the machine's own (%s)", here, outer)
	}
	interfaces, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range interfaces {
		if i.Name == "lo" && i.Flags&net.FlagUp == 0 {
			t.Error("the loopback is down")
		}
		if i.Name != "lo" && i.Flags&net.FlagUp != 0 {
			t.Errorf("the namespace has the interface %s", i.Name)
		}
	}
}

func TestAMarkerFromElsewhereIsNotBelieved(t *testing.T) {
	Need(t)
	here, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	for _, fake := range []string{"", "1", here} {
		t.Setenv(marker, fake)
		if inside() {
			t.Errorf("the marker %q passes for a namespace of our own", fake)
		}
	}
}

func TestCleanFirewallLeavesNothing(t *testing.T) {
	Need(t, "ipset", "nft", "iptables-nft-restore", "iptables-legacy-restore")
	Run(t, "create leftover hash:net\nadd leftover 192.0.2.1\n", "ipset", "restore")
	for _, variant := range []string{"nft", "legacy"} {
		Run(t, "*filter\n:left - [0:0]\n-A left -m set --match-set leftover src -j DROP\n-A INPUT -j left\nCOMMIT\n",
			"iptables-"+variant+"-restore", "--noflush", "-w", "5")
	}
	CleanFirewall(t)
	left := Run(t, "", "ipset", "save") + Run(t, "", "iptables-nft-save", "-t", "filter") + Run(t, "", "iptables-legacy-save", "-t", "filter")
	if strings.Contains(left, "left") {
		t.Errorf("the firewall still holds:\n%s", left)
	}
}
