package controller

import (
	"testing"
	"time"

	"reconciler/internal/config"
	"reconciler/internal/ec2sim"
)

// unmarked starts a daemon at a boot: nothing marks the machine as an instance,
// and the network is not there.
func (w *world) unmarked(nacl string) {
	w.sim.SetMetadata(ec2sim.MetadataOff)
	w.config.NACL = []string{nacl}
	l := w.loop(true)
	l.Cloud.OnEC2 = false
	w.startLoop(l)
	w.ban(time.Hour, "203.0.113.7")
}

// A machine that did not look like an instance at first gets its ACL within a
// resync after the metadata answers.
func TestMetadataThatAnswersLaterIsUsed(t *testing.T) {
	for _, after := range []time.Duration{5 * time.Second, 8 * time.Minute} {
		t.Run(after.String(), func(t *testing.T) {
			inWorld(t, func(_ *testing.T, w *world) {
				w.unmarked(config.NACLAuto)
				w.pass(after)
				w.wantHost(true, "203.0.113.7")
				w.wantEdge(w.acl)
				w.sim.SetMetadata(ec2sim.MetadataOn)
				w.pass(min(2*after, w.config.Resync) + 5*time.Second)
				w.wantEdge(w.acl, "203.0.113.7/32")
			})
		})
	}
}

// Then a silence is a failure, and no reason to leave the ACL.
func TestAMetadataServiceThatFallsSilentAgainTakesNoACLAway(t *testing.T) {
	inWorld(t, func(_ *testing.T, w *world) {
		w.unmarked(config.NACLAuto)
		w.pass(5 * time.Second)
		w.sim.SetMetadata(ec2sim.MetadataOn)
		w.pass(time.Minute)
		w.sim.SetMetadata(ec2sim.MetadataOff)
		w.ban(time.Hour, "203.0.113.8")
		w.pass(40 * time.Minute)
		w.wantEdge(w.acl, "203.0.113.7/32", "203.0.113.8/32")
	})
}

func TestTheRangesOfTheVPCAreProtectedWhenTheMetadataAnswersLater(t *testing.T) {
	for _, nacl := range []string{config.NACLNone, "named"} {
		t.Run(nacl, func(t *testing.T) {
			inWorld(t, func(_ *testing.T, w *world) {
				if nacl == "named" {
					nacl = w.acl
				}
				w.unmarked(nacl)
				w.pass(5 * time.Second)
				w.sim.SetMetadata(ec2sim.MetadataOn)
				w.pass(time.Minute)
				w.ban(time.Hour, "10.0.0.77")
				w.pass(5 * time.Second)
				w.wantHost(false, "10.0.0.77")
			})
		})
	}
}

// Off EC2 nobody ever answers, and that is asked seldom.
func TestAMachineThatIsOnNoEC2IsNotAskedHotly(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.unmarked(config.NACLAuto)
		w.pass(24 * time.Hour)
		if n := len(w.sim.MetadataCalls()); n > 900 {
			t.Errorf("%d requests to the metadata service in a day", n)
		}
		w.wantHost(false, "203.0.113.7")
	})
}
