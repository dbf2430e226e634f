package desired

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// foldOf folds lines into a log of its own.
func foldOf(t *testing.T, lines ...string) *Fold {
	t.Helper()
	f := NewFold()
	for _, line := range lines {
		mustApply(t, f.Apply, line)
	}
	return f
}

func TestALiftForAllReachesTheOtherLogs(t *testing.T) {
	const wide = `{"op":"ban","ip":"192.0.2.0/28","jail":"k","host":"h","time":0,"bantime":1000}`
	for name, tt := range map[string]struct {
		lift string
		left int // of two bans made at time 0, and one made at time 50
	}{
		"an unban of the address":                  {`{"op":"unban","ip":"192.0.2.1","time":10}`, 2},
		"an unban of a prefix around all":          {`{"op":"unban","ip":"192.0.2.0/24","time":10}`, 1},
		"an unban with a jail means its prefix":    {`{"op":"unban","ip":"192.0.2.0/24","jail":"j","time":10}`, 3},
		"an unban of another jail":                 {`{"op":"unban","ip":"192.0.2.1","jail":"x","time":10}`, 3},
		"an unban that names host and jail":        {`{"op":"unban","ip":"192.0.2.1","jail":"j","host":"h","time":10}`, 3},
		"an unban from before the ban":             {`{"op":"unban","ip":"192.0.2.1","time":0}`, 3},
		"an unban that names a jail alone":         {`{"op":"unban","ip":"192.0.2.1","jail":"j","time":10}`, 3},
		"an unban that names a host alone":         {`{"op":"unban","ip":"192.0.2.1","host":"h","time":10}`, 3},
		"a flush of all":                           {`{"op":"flush","time":10}`, 3},
		"a flush of all that is ahead":             {`{"op":"flush","time":160}`, 3},
		"a flush of a jail":                        {`{"op":"flush","jail":"k","time":10}`, 3},
		"a flush that a stop may take back":        {`{"op":"flush","time":10,"defer":30}`, 3},
		"an unban whose clock is an hour ahead":    {`{"op":"unban","ip":"192.0.2.1","time":3700}`, 3},
		"an unban whose clock is a second ahead":   {`{"op":"unban","ip":"192.0.2.1","time":101}`, 3},
		"an unban of this second":                  {`{"op":"unban","ip":"192.0.2.1","time":100}`, 2},
		"a ban, which lifts nothing in other logs": {banP, 3},
	} {
		t.Run(name, func(t *testing.T) {
			bans := foldOf(t, banP, wide, `{"op":"ban","ip":"192.0.2.3","jail":"j","host":"h","time":50,"bantime":1000}`)
			lifts := foldOf(t, tt.lift)
			now := at(100)
			for range 2 {
				Settle(now, bans, lifts)
			}
			if got := len(Union(now, bans).Bans); got != tt.left {
				t.Errorf("%d bans are left, want %d: %v", got, tt.left, Union(now, bans).Bans)
			}
			if got := len(Union(now, bans).Lifted); got != 3-tt.left {
				t.Errorf("%d prefixes are lifted with a reason, want %d", got, 3-tt.left)
			}
		})
	}
}

func TestARestoredBanThatAnotherLogLiftedStaysLifted(t *testing.T) {
	bans, lifts := foldOf(t, banP), foldOf(t, `{"op":"unban","ip":"192.0.2.1","time":10}`)
	Settle(at(20), bans, lifts)
	bans = reload(t, bans)
	mustApply(t, bans.Apply, `{"op":"ban","ip":"192.0.2.1"`+hostPart+`,"time":0,"restored":true}`)
	Settle(at(20), bans, lifts)
	if got := Union(at(20), bans).Bans; len(got) != 0 {
		t.Errorf("a replay revives %v", got)
	}
}

func TestHostsAgreeWhicheverLogTheyReadFirst(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var logs [3][]Record
		for i := range logs {
			logs[i] = rapid.SliceOfN(genRecord, 0, 8).Draw(t, fmt.Sprintf("log %d", i))
			for k := range logs[i] {
				logs[i][k].ID = ""
				if logs[i][k].Time.After(at(60)) {
					logs[i][k].Time = at(60)
				}
			}
		}
		now := at(100)
		// One host reads all and then looks, the other looks after each record.
		once, often := [3]*Fold{NewFold(), NewFold(), NewFold()}, [3]*Fold{NewFold(), NewFold(), NewFold()}
		for i, recs := range logs {
			for _, rec := range recs {
				if err := once[i].Apply(rec, now); err != nil {
					t.Fatal(err)
				}
			}
		}
		next := [3]int{}
		for next != [3]int{len(logs[0]), len(logs[1]), len(logs[2])} {
			i := rapid.IntRange(0, 2).Draw(t, "whose turn")
			if next[i] == len(logs[i]) {
				continue
			}
			if err := often[i].Apply(logs[i][next[i]], now); err != nil {
				t.Fatal(err)
			}
			next[i]++
			Settle(now, often[:]...)
		}
		Settle(now, once[:]...)
		Settle(now, often[:]...)
		if diff := cmp.Diff(fmt.Sprint(Union(now, once[:]...).Bans), fmt.Sprint(Union(now, often[:]...).Bans)); diff != "" {
			t.Fatalf("the order in which logs are read makes a difference (-once +often):\n%s\n%s---\n%s---\n%s", diff, text(logs[0]), text(logs[1]), text(logs[2]))
		}
	})
}

func TestSettlingIsQuick(t *testing.T) {
	f, lifts := NewFold(), NewFold()
	for i := range 20000 {
		rec := Record{Op: OpBan, Prefix: mustPrefix(fmt.Sprintf("10.%d.%d.%d/32", i>>16, i>>8&255, i&255)), Host: "h", Jail: "j", Time: at(50), Bantime: -1}
		if err := f.Apply(rec, at(0)); err != nil {
			t.Fatal(err)
		}
	}
	mustApply(t, lifts.Apply, `{"op":"unban","ip":"10.0.0.1","time":10}`)
	if n := testing.AllocsPerRun(3, func() { Settle(at(60), f, lifts) }); n > 100 {
		t.Errorf("a look at 20,000 claims allocates %.0f times", n)
	}
}

func TestSettlingManyLogsLooksAtEachOnce(t *testing.T) {
	folds := make([]*Fold, 200)
	for i := range folds {
		folds[i] = foldOf(t, banP, `{"op":"unban","ip":"192.0.2.7","time":10}`)
	}
	if n := testing.AllocsPerRun(3, func() { Settle(at(60), folds...) }); n > 200 {
		t.Errorf("a look at %d logs allocates %.0f times", len(folds), n)
	}
}
