package ec2sim

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
)

const createAction = "CreateNetworkAclEntry"

// bothWays runs a test over a socket and over the local transport.
func bothWays(t *testing.T, f func(t *testing.T, x *site)) {
	t.Helper()
	t.Run("over TCP", func(t *testing.T) { f(t, newSite(t, Options{})) })
	t.Run("without a network", func(t *testing.T) {
		x := newSite(t, Options{})
		x.ec2 = x.LocalClient()
		f(t, x)
	})
}

func TestAFaultBeforeTheEffectHasNone(t *testing.T) {
	cases := []struct {
		fault  Fault
		code   string
		status int
	}{
		{Fault{Kind: Throttle}, codeLimitExceeded, 503},
		{Fault{Kind: FailBefore}, codeInternal, 500},
		{Fault{Kind: FailBefore, Code: "Unavailable", Status: 503}, "Unavailable", 503},
		{Fault{Kind: FailBefore, Code: codeUnauthorized}, codeUnauthorized, 403},
	}
	for _, c := range cases {
		bothWays(t, func(t *testing.T, x *site) {
			c.fault.Action = createAction
			inj := x.Inject(c.fault)
			_, err := x.ec2.CreateNetworkAclEntry(t.Context(), x.deny(1, "203.0.113.7/32"))
			wantCode(t, err, c.code, c.status)
			if _, found := x.at(1); found || inj.Hits() != 1 {
				t.Errorf("%s: the entry is there: %v; hits: %d", c.fault.Kind, found, inj.Hits())
			}
			x.create(t, 1, "203.0.113.7/32") // the fault is spent
		})
	}
}

func TestAFaultAfterTheEffectLeavesIt(t *testing.T) {
	for _, kind := range []FaultKind{FailAfter, ResetAfter} {
		bothWays(t, func(t *testing.T, x *site) {
			x.Inject(Fault{Kind: kind, Action: createAction})
			_, err := x.ec2.CreateNetworkAclEntry(t.Context(), x.deny(1, "203.0.113.7/32"))
			if err == nil {
				t.Fatalf("%s: the call reports success", kind)
			}
			if _, found := x.at(1); !found {
				t.Errorf("%s: the entry is not there", kind)
			}
			last := x.Calls()[len(x.Calls())-1]
			if !last.Changed || last.Fault != kind || (kind == ResetAfter) != (last.Status == 0) {
				t.Errorf("%s: recorded as %+v", kind, last)
			}
		})
	}
}

func TestAResetBeforeTheEffectHasNone(t *testing.T) {
	bothWays(t, func(t *testing.T, x *site) {
		x.Inject(Fault{Kind: ResetBefore, Action: createAction})
		_, err := x.ec2.CreateNetworkAclEntry(t.Context(), x.deny(1, "203.0.113.7/32"))
		if _, found := x.at(1); err == nil || found {
			t.Errorf("error %v, entry there %v; want an error and no entry", err, found)
		}
	})
}

func TestABrokenAnswerIsAnErrorToAReader(t *testing.T) {
	for _, kind := range []FaultKind{Truncate, Garbage} {
		bothWays(t, func(t *testing.T, x *site) {
			x.Inject(Fault{Kind: kind, Action: "DescribeNetworkAcls"})
			if out, err := x.ec2.DescribeNetworkAcls(t.Context(), &ec2.DescribeNetworkAclsInput{}); err == nil {
				t.Errorf("%s: the reader took %+v for an answer", kind, out)
			}
			if len(x.list(t)) != 1 {
				t.Errorf("%s: the next answer is broken too", kind)
			}
		})
	}
}

func TestAHangEndsWithTheCallerOrARelease(t *testing.T) {
	for _, kind := range []FaultKind{HangBefore, HangAfter} {
		bothWays(t, func(t *testing.T, x *site) {
			inj := x.Inject(Fault{Kind: kind, Action: createAction, Count: Always})
			ctx, cancel := context.WithCancel(t.Context())
			go func() { <-inj.Hit(); cancel() }()
			_, err := x.ec2.CreateNetworkAclEntry(ctx, x.deny(1, "203.0.113.7/32"))
			if !errors.Is(err, context.Canceled) {
				t.Fatalf("%s: a caller that left got %v", kind, err)
			}
			if kind == HangBefore {
				if _, found := x.at(1); found {
					t.Errorf("a call that its caller left before the effect has one")
				}
			}
			done := make(chan error, 1)
			go func() {
				_, err := x.ec2.CreateNetworkAclEntry(t.Context(), x.deny(2, "203.0.113.8/32"))
				done <- err
			}()
			for inj.Hits() < 2 {
				time.Sleep(time.Millisecond)
			}
			inj.Release()
			wantOK(t, <-done)
			if _, found := x.at(2); !found {
				t.Errorf("%s: a released call had no effect", kind)
			}
		})
	}
}

func TestALateEffectLandsAtRelease(t *testing.T) {
	x := newSite(t, Options{})
	inj := x.Inject(Fault{Kind: LateEffect, Action: createAction, Count: 2, When: func(c Call) bool {
		return c.Params.Get("RuleNumber") == "7"
	}})
	for n := range int32(2) {
		_, err := x.ec2.CreateNetworkAclEntry(t.Context(), x.deny(7, "203.0.113.7/32"))
		wantCode(t, err, codeInternal, 500)
		x.create(t, 1+n, "198.51.100.1/32")
	}
	if _, found := x.at(7); found {
		t.Fatalf("the effect is there before the release")
	}
	inj.Release()
	if e, _ := x.at(7); e != inboundDeny(7, "203.0.113.7/32") {
		t.Errorf("rule 7 is %+v after the release", e)
	}
	calls := x.Calls()
	if last := calls[len(calls)-2]; !last.Late || !last.Changed {
		t.Errorf("the first late effect is recorded as %+v", last)
	}
	if x.Count(createAction) != 4 {
		t.Errorf("late effects count as calls: %d", x.Count(createAction))
	}
}

func TestALateEffectIsHeldToTheRulesOfItsTime(t *testing.T) {
	x := newSite(t, Options{})
	inj := x.Inject(Fault{Kind: LateEffect, Action: createAction})
	_, err := x.ec2.CreateNetworkAclEntry(t.Context(), x.deny(7, "203.0.113.7/32"))
	wantCode(t, err, codeInternal, 500)
	wantOK(t, x.PutEntry(x.acl, inboundDeny(7, "192.0.2.1/32")))
	inj.Release()
	calls := x.Calls()
	if last := calls[len(calls)-1]; last.Code != codeEntryExists || last.Changed {
		t.Errorf("the late effect is recorded as %+v, want a refusal", last)
	}
}

func TestFaultsPickTheirCalls(t *testing.T) {
	x := newSite(t, Options{})
	x.Inject(Fault{Kind: Throttle, Action: createAction, Skip: 1, Count: 2, When: func(c Call) bool {
		return c.Params.Get("RuleNumber") == "3"
	}})
	var failed []int
	for i := range 5 {
		for _, n := range []int32{3, 4} {
			if _, err := x.ec2.CreateNetworkAclEntry(t.Context(), x.deny(n, "203.0.113.7/32")); err != nil {
				failed = append(failed, i*10+int(n))
			}
		}
	}
	if !slices.Equal(failed, []int{13, 23}) {
		t.Errorf("calls %v failed, want the second and third create of rule 3 alone", failed)
	}
}

func TestHooksSeeEveryCallBeforeItsAnswer(t *testing.T) {
	x := newSite(t, Options{})
	var seen []int
	x.OnCall(func(c Call) {
		seen = append(seen, len(x.Entries(x.acl)))
		if c.Action != createAction {
			t.Errorf("the hook saw %+v", c)
		}
	})
	x.create(t, 1, "203.0.113.1/32")
	x.create(t, 2, "203.0.113.2/32")
	if !slices.Equal(seen, []int{9, 10}) {
		t.Errorf("the hook saw %v entries, want 9 and then 10", seen)
	}
	x.ResetCalls()
	if len(x.Calls()) != 0 {
		t.Errorf("calls are left after a reset")
	}
}

// TestConcurrentCallersNeverBreakTheQuota lets many callers fight for the
// numbers while faults come and go.
func TestConcurrentCallersNeverBreakTheQuota(t *testing.T) {
	x := newSite(t, Options{})
	x.OnCall(func(Call) {
		n := 0
		for _, e := range x.Entries(x.acl) {
			if !e.Egress && e.Prefix.Addr().Is4() {
				n++
			}
		}
		if n > DefaultQuota {
			t.Errorf("%d inbound IPv4 entries", n)
		}
	})
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			for i := range 40 {
				x.Inject(Fault{Kind: []FaultKind{Throttle, FailAfter, ResetAfter, Stale, LateEffect}[i%5], Writes: 1})
				n := int32((worker*7+i)%40 + 1)
				// Any of them may fail; the hook judges what is left behind.
				_, _ = x.ec2.CreateNetworkAclEntry(t.Context(), x.deny(n, "203.0.113.7/32"))
				_, _ = x.ec2.ReplaceNetworkAclEntry(t.Context(), replaceOf(x.deny(n, "203.0.113.8/32")))
				_, _ = x.ec2.DescribeNetworkAcls(t.Context(), &ec2.DescribeNetworkAclsInput{})
				if i%3 == 0 {
					_, _ = x.ec2.DeleteNetworkAclEntry(t.Context(), &ec2.DeleteNetworkAclEntryInput{
						NetworkAclId: aws.String(x.acl), RuleNumber: aws.Int32(n), Egress: aws.Bool(false),
					})
					x.ReleaseAll()
				}
			}
		})
	}
	wg.Wait()
	if len(x.Calls()) < 8*40*3 {
		t.Errorf("only %d calls are recorded", len(x.Calls()))
	}
}
