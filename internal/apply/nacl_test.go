package apply

import (
	"errors"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"reconciler/internal/ec2sim"
	"reconciler/internal/observed"
	"reconciler/internal/plan"
)

// denied puts our entry at number 1 and gives the back end and the change that
// takes it away.
func denied(t *testing.T, sim *ec2sim.Server, now func() time.Time) (NACL, plan.Change) {
	t.Helper()
	id := sim.Bastion()
	e := ec2sim.Entry{Number: 1, Protocol: "-1", Prefix: netip.MustParsePrefix("203.0.113.1/32")}
	if err := sim.PutEntry(id, e); err != nil {
		t.Fatal(err)
	}
	shape := observed.Shape{Protocol: observed.ProtocolAll}
	return NACL{API: sim.LocalClient(), ID: id, Now: now}, plan.Change{
		Target: id, Action: plan.Delete, Rule: 1, Old: e.Prefix, OldShape: shape, Shape: shape, Looked: now(),
	}
}

func TestNoReplaceOrDeleteRestsOnAnOldLook(t *testing.T) {
	for name, later := range map[string]func(time.Time) time.Time{
		"the process was stopped":      func(at time.Time) time.Time { return at.Add(16 * time.Second) },
		"the machine was asleep":       func(at time.Time) time.Time { return at.Round(0).Add(40 * time.Second) },
		"the clock was set back":       func(at time.Time) time.Time { return at.Round(0).Add(-time.Hour) },
		"the wall clock was stepped":   func(at time.Time) time.Time { return time.Unix(at.Unix()+3600, 0) },
		"nobody says when it was made": nil,
	} {
		t.Run(name, func(t *testing.T) {
			looked := time.Now()
			now := looked
			back, c := denied(t, ec2sim.New(ec2sim.Options{}), func() time.Time { return now })
			if later == nil {
				c.Looked = time.Time{}
			} else {
				now = later(looked)
			}
			replace := c
			replace.Action, replace.Prefix = plan.Replace, netip.MustParsePrefix("203.0.113.2/32")
			results, err := back.Apply(t.Context(), []plan.Change{replace, c})
			if err != nil || len(results) != 2 {
				t.Fatalf("got %v and %v, want two results", results, err)
			}
			for _, r := range results {
				if !errors.Is(r.Err, ErrTooOld) {
					t.Errorf("%s gives %v, want ErrTooOld", plan.Describe(r.Change), r.Err)
				}
			}
		})
	}
}

// The SDK sends a lost request again by itself: by then the look may be too old.
func TestATryOfTheSDKIsHeldToTheAgeOfTheLookToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := ec2sim.New(ec2sim.Options{})
		back, c := denied(t, sim, time.Now)
		asked := 0
		back.Now = func() time.Time { // the process is stopped after the first question
			if asked++; asked > 1 {
				return c.Looked.Add(40 * time.Second)
			}
			return c.Looked
		}
		results, _ := back.Apply(t.Context(), []plan.Change{c})
		if n := sim.Count("DeleteNetworkAclEntry"); n > 0 || !errors.Is(results[0].Err, ErrDoubtful) {
			t.Errorf("%d deletes were sent and the result is %v, want none and ErrDoubtful", n, results[0].Err)
		}
	})
}

func TestAfterAThrottleNothingMoreIsTried(t *testing.T) {
	sim := ec2sim.New(ec2sim.Options{})
	back, _ := denied(t, sim, time.Now)
	sim.Inject(ec2sim.Fault{Kind: ec2sim.Throttle})
	var batch []plan.Change
	for n := 2; n < 6; n++ {
		batch = append(batch, plan.Change{
			Target: back.ID, Action: plan.Create, Rule: n, Prefix: netip.PrefixFrom(netip.AddrFrom4([4]byte{203, 0, 113, byte(n)}), 32),
			Shape: observed.Shape{Protocol: observed.ProtocolAll},
		})
	}
	results, err := back.Apply(t.Context(), batch)
	if !errors.Is(err, ErrThrottled) || len(sim.Writes()) != 1 {
		t.Errorf("got %v after %d calls, want a throttle after one", err, len(sim.Writes()))
	}
	for _, r := range results[1:] {
		if !errors.Is(r.Err, ErrNotTried) {
			t.Errorf("%s gives %v, want ErrNotTried", plan.Describe(r.Change), r.Err)
		}
	}
}
