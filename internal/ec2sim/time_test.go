package ec2sim

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
)

func TestStaleReadsShowAnEarlierWorld(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	x := newSite(t, Options{Now: func() time.Time { return now }})
	x.create(t, 1, "203.0.113.1/32")
	now = now.Add(time.Minute)
	x.create(t, 2, "203.0.113.2/32")
	x.create(t, 2, "203.0.113.2/32") // no change, so it does not count
	if got := len(x.described(t)); got != 2 {
		t.Fatalf("a fresh read shows %d entries of 2", got)
	}
	for name, c := range map[string]struct {
		fault Fault
		want  int
	}{
		"one change ago":              {Fault{Writes: 1}, 1},
		"more changes than there are": {Fault{Writes: 99}, 0},
		"a second ago":                {Fault{Age: time.Second}, 1},
		"two minutes ago":             {Fault{Age: 2 * time.Minute}, 0},
		"no time ago":                 {Fault{}, 2},
	} {
		c.fault.Kind = Stale
		x.Inject(c.fault)
		if got := len(x.described(t)); got != c.want {
			t.Errorf("a read of %s shows %d entries, want %d", name, got, c.want)
		}
	}
	x.SetConsistencyLag(30 * time.Second)
	if got := len(x.described(t)); got != 1 {
		t.Errorf("with a lag a read shows %d entries, want 1", got)
	}
	now = now.Add(30 * time.Second)
	if got := len(x.described(t)); got != 2 {
		t.Errorf("after the lag a read shows %d entries, want 2", got)
	}
}

func TestWritesAreNotStale(t *testing.T) {
	x := newSite(t, Options{ConsistencyLag: time.Hour})
	x.create(t, 1, "203.0.113.1/32")
	_, err := x.ec2.CreateNetworkAclEntry(t.Context(), x.deny(1, "203.0.113.2/32"))
	wantCode(t, err, codeEntryExists, 400)
}

func TestThrottlingFollowsTheDocumentedRates(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	x := newSite(t, Options{Throttle: true, Now: func() time.Time { return now }})
	burst := func(call func() error) int {
		for n := 0; ; n++ {
			if err := call(); err != nil {
				wantCode(t, err, codeLimitExceeded, 503)
				return n
			}
		}
	}
	write := func() error {
		_, err := x.ec2.CreateNetworkAclEntry(t.Context(), x.deny(1, "203.0.113.1/32"))
		return err
	}
	read := func() error {
		_, err := x.ec2.DescribeNetworkAcls(t.Context(), &ec2.DescribeNetworkAclsInput{NetworkAclIds: []string{x.acl}})
		return err
	}
	all := func() error {
		_, err := x.ec2.DescribeNetworkAcls(t.Context(), &ec2.DescribeNetworkAclsInput{})
		return err
	}
	if w, r, a := burst(write), burst(read), burst(all); w != 50 || r != 100 || a != 50 {
		t.Errorf("bursts of %d writes, %d reads and %d unfiltered reads, want 50, 100 and 50", w, r, a)
	}
	now = now.Add(2 * time.Second)
	if w, r, a := burst(write), burst(read), burst(all); w != 10 || r != 40 || a != 20 {
		t.Errorf("two seconds later %d, %d and %d, want 10, 40 and 20", w, r, a)
	}
	now = now.Add(-time.Hour)
	if w := burst(write); w != 0 {
		t.Errorf("a clock that stepped back gave %d writes", w)
	}
	now = now.Add(time.Second)
	if w := burst(write); w != 5 {
		t.Errorf("a second after the step %d writes pass, want 5", w)
	}
	now = now.Add(time.Hour)
	if w := burst(write); w != 50 {
		t.Errorf("an hour of rest gave %d writes, want a full bucket of 50", w)
	}
	x.SetThrottle(false)
	wantOK(t, write())
}

func TestTheSDKsRetrierGetsThroughAThrottle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{})
		aclID := s.Bastion()
		s.Inject(Fault{Kind: Throttle, Count: 2})
		s.Inject(Fault{Kind: Slow, Delay: time.Minute})
		client := s.LocalClient(func(o *ec2.Options) { o.Retryer = retry.NewStandard() })
		start := time.Now()
		out, err := client.DescribeNetworkAcls(t.Context(), &ec2.DescribeNetworkAclsInput{NetworkAclIds: []string{aclID}})
		wantOK(t, err)
		if len(out.NetworkAcls) != 1 || s.Count("DescribeNetworkAcls") != 3 || time.Since(start) < time.Minute {
			t.Errorf("got %d ACLs after %d calls and %s", len(out.NetworkAcls), s.Count("DescribeNetworkAcls"), time.Since(start))
		}
	})
}
