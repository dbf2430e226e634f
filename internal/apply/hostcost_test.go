package apply_test

import (
	"fmt"
	"testing"
	"time"

	"reconciler/internal/observed"
	"reconciler/internal/plan"
)

func TestABatchCostsFewRuns(t *testing.T) {
	m := fakeMachine()
	do(t, m.host(ipset), repair)
	m.fake.ForgetCalls()
	batch := append(adds("192.0.2.1/32", "192.0.2.2/32", "2001:db8::1/128"), remove("192.0.2.9/32"))
	do(t, m.host(ipset), batch...)
	if calls := m.fake.Calls(); len(calls) != 1 {
		t.Errorf("four changes of entries took %v", calls)
	}
	m = fakeMachine()
	do(t, m.host(iptables), repair)
	m.fake.ForgetCalls()
	do(t, m.host(iptables), batch...)
	if writes := m.fake.Writes(); len(writes) != 2 {
		t.Errorf("four changes of rules took the writes %v", writes)
	}
}

func TestACauseThatManyLinesShareCostsFewRuns(t *testing.T) {
	var batch []plan.Change
	for i := range 200 {
		batch = append(batch, add(fmt.Sprintf("192.0.2.%d/32", i), time.Time{}))
	}
	for name, s := range map[string]observed.HostSpec{"full": {MaxEntries: 100}, "missing": {}} {
		m := fakeMachine()
		if name == "full" {
			do(t, m.host(s), repair)
		}
		m.fake.ForgetCalls()
		if _, err := m.host(s).Apply(t.Context(), batch); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if calls := m.fake.Calls(); len(calls) > 2 {
			t.Errorf("%s: a set that refuses all that follow was asked %d times", name, len(calls))
		}
	}
}

func TestTimeoutsAreRoundedUpAndClamped(t *testing.T) {
	cases := []struct {
		rest time.Duration
		want string
	}{
		{time.Nanosecond, "timeout 1"},
		{time.Second, "timeout 1"},
		{1001 * time.Millisecond, "timeout 2"},
		{observed.MaxTimeout, "timeout 2147483"},
		{100 * 365 * 24 * time.Hour, "timeout 2147483"},
		{observed.MaxTimeout + time.Millisecond, "timeout 2147483"},
	}
	for _, c := range cases {
		m := fakeMachine()
		h := m.host(ipset)
		do(t, h, repair)
		do(t, h, add("192.0.2.1/32", noon.Add(c.rest)))
		calls := m.fake.Writes()
		if got := calls[len(calls)-1].Stdin; got != "add f2b-reconciler-v4 192.0.2.1 "+c.want+"\n" {
			t.Errorf("with %s left ipset was told %q, want %q", c.rest, got, c.want)
		}
	}
}
