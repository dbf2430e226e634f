package controller

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"
)

var silent = hclog.NewNullLogger()

// asked is more than any kernel keeps waiting at one socket (net.core.somaxconn).
const asked = 5000

func TestTheHolderOfAChainIsFoundHoweverOftenItWasAskedFor(t *testing.T) {
	chain := fmt.Sprintf("lock-test-%d", os.Getpid())
	if who := Holder(chain); who != "" {
		t.Fatalf("nobody has taken the chain, and %s holds it", who)
	}
	release, err := Lock(chain, silent)
	if err != nil {
		t.Fatal(err)
	}
	for i := range asked {
		if who := Holder(chain); !strings.HasPrefix(who, fmt.Sprintf("process %d ", os.Getpid())) {
			t.Fatalf("the holder was found %d times, and then it is %q", i, who)
		}
	}
	if _, err := Lock(chain, silent); err == nil {
		t.Error("a second one takes the chain too")
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
	if who := Holder(chain); who != "" {
		t.Errorf("the chain was given back, and %s holds it", who)
	}
}
