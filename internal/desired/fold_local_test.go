package desired

import (
	"bytes"
	"testing"
)

// localScripts are logs on one machine, which is one host whatever it is called.
var localScripts = map[string]script{
	"a host that was renamed lifts what it banned under its old name": {
		`{"op":"ban","ip":"192.0.2.1","jail":"sshd","host":"ip-10-0-0-10","time":2,"bantime":604800}`,
		`{"op":"start","jail":"sshd","host":"bastion","time":8}`,
		`{"op":"ban","ip":"192.0.2.1","jail":"sshd","host":"bastion","time":2,"bantime":604800,"restored":true}`,
		`{"op":"unban","ip":"192.0.2.1","jail":"sshd","host":"bastion","time":11}`, "at 12:",
	},
	"an unban of a jail lifts what a line without a host has banned": {
		`{"op":"ban","ip":"192.0.2.1","jail":"sshd","time":2}`, `{"op":"unban","ip":"192.0.2.1","jail":"sshd","host":"h","time":3}`, "at 4:",
	},
	"a line without a host lifts what the jail has banned": {
		`{"op":"ban","ip":"192.0.2.1","jail":"sshd","host":"h","time":2}`, `{"op":"unban","ip":"192.0.2.1","jail":"sshd","time":3}`, "at 4:",
	},
	"a flush under the new name lifts what was banned under the old one": {
		`{"op":"ban","ip":"192.0.2.1","jail":"sshd","host":"g","time":2}`, `{"op":"flush","jail":"sshd","host":"h","time":3}`, "at 4:",
	},
	"a stop under the new name calls off the flush under the old one": {
		`{"op":"ban","ip":"192.0.2.1","jail":"sshd","host":"g","time":2}`, `{"op":"flush","jail":"sshd","host":"g","time":3,"defer":30}`,
		`{"op":"stop","jail":"sshd","host":"h","time":4}`, "at 40: 192.0.2.1",
	},
	"a flush of all and an unban of all still do their work": {
		`{"op":"ban","ip":"192.0.2.1","jail":"sshd","host":"g","time":2}`, `{"op":"flush","time":3}`, "at 4:",
		`{"op":"ban","ip":"192.0.2.1","jail":"sshd","time":5}`, `{"op":"unban","ip":"192.0.2.0/24","time":6}`, "at 7:",
	},
}

func reloadLocal(t *testing.T, f *Fold) *Fold {
	t.Helper()
	var out bytes.Buffer
	if err := (&snapshot{fold: f}).write(&out); err != nil {
		t.Fatal(err)
	}
	snap, err := readSnapshotInto(&out, NewLocalFold())
	if err != nil {
		t.Fatal(err)
	}
	return snap.fold
}

func TestALogOnThisMachineHasOneHost(t *testing.T) {
	for name, steps := range localScripts {
		t.Run(name, func(t *testing.T) { steps.run(t, NewLocalFold(), func(f *Fold) *Fold { return f }) })
		t.Run(name+", with restarts", func(t *testing.T) {
			steps.run(t, NewLocalFold(), func(f *Fold) *Fold { return reloadLocal(t, f) })
		})
	}
}

// A snapshot of an earlier release tells hosts apart. Nothing is lifted when they
// become one, and everything that is said from then on reaches all.
func TestASnapshotOfSeveralNamesBecomesThatOfOneHost(t *testing.T) {
	old := foldOf(t,
		`{"op":"ban","ip":"192.0.2.1","jail":"j","host":"g","time":0,"bantime":1000}`,
		`{"op":"ban","ip":"192.0.2.1","jail":"j","host":"h","time":1,"bantime":500}`,
		`{"op":"ban","ip":"192.0.2.2","jail":"j","time":1,"bantime":1000}`,
		`{"op":"unban","ip":"192.0.2.3","jail":"j","host":"g","time":2}`,
		`{"op":"ban","ip":"192.0.2.3","jail":"j","host":"h","time":1,"bantime":1000}`,
		`{"op":"unban","ip":"192.0.2.4","jail":"j","time":2}`,
		`{"op":"ban","ip":"192.0.2.4","jail":"j","host":"h","time":1,"bantime":1000}`,
		`{"op":"flush","jail":"k","time":2}`,
		`{"op":"flush","host":"x","time":5}`,
		`{"op":"unban","ip":"198.51.100.0/24","time":0}`,
		`{"op":"ban","ip":"192.0.2.1","jail":"j","host":"g","time":0,"bantime":1000}`,
		`{"op":"ban","ip":"192.0.2.2","jail":"j","time":1,"bantime":1000}`,
	)
	before := Union(at(10), old)
	f := reloadLocal(t, old)
	after := Union(at(10), f)
	if len(before.Bans) != 4 || len(after.Bans) != 4 || !after.Bans[0].Until.Equal(at(1000)) {
		t.Fatalf("banned were %+v and are %+v", before.Bans, after.Bans)
	}
	script{`{"op":"flush","jail":"j","host":"new","time":20}`, "at 21:"}.run(t, f, func(f *Fold) *Fold { return reloadLocal(t, f) })
}

// LastLift and the claims speak of this host without a name.
func TestAnImportFindsTheClaimsOfThisHostUnderAnyName(t *testing.T) {
	f := NewLocalFold()
	mustApply(t, f.Apply, banP)
	for c := range f.Claims(at(1)) {
		if c.Host != "" {
			t.Errorf("the claim is shown as that of %q", c.Host)
		}
	}
	mustApply(t, f.Apply, `{"op":"unban","ip":"192.0.2.1","jail":"j","host":"other","time":5}`)
	if got := f.LastLift("third", "j", mustPrefix("192.0.2.1/32")); !got.Equal(at(5)) {
		t.Errorf("the last lift is at %v", got)
	}
}
