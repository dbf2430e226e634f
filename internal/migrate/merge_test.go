package migrate

import (
	"net/netip"
	"testing"
	"time"

	"reconciler/internal/desired"
)

// history folds lines into a log. Times are in seconds before now.
func history(t *testing.T, records ...desired.Record) *desired.Fold {
	t.Helper()
	f := desired.NewFold()
	for _, r := range records {
		if err := f.Apply(r, now); err != nil {
			t.Fatal(err)
		}
	}
	f.Advance(now)
	return f
}

func ban(ip, jail string, ago, lasts int64) desired.Record {
	return desired.Record{
		Op: desired.OpBan, Prefix: netip.MustParsePrefix(ip + "/32"), Host: "bastion", Jail: jail,
		Time: now.Add(-time.Duration(ago) * time.Second), Bantime: lasts, Restored: true,
	}
}

// unban lifts, half a minute ago.
func unban(prefix, host, jail string) desired.Record {
	return desired.Record{
		Op: desired.OpUnban, Prefix: netip.MustParsePrefix(prefix), Host: host, Jail: jail,
		Time: now.Add(-30 * time.Second),
	}
}

func TestASecondImportAddsNothingAndWhatWasLiftedStaysLifted(t *testing.T) {
	// The removals are confirmed: nothing waits for one any more.
	forget := func(f *desired.Fold) *desired.Fold {
		for i := range 20 {
			f.Forget(f.Generation(), netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), 32))
		}
		return f
	}
	log := forget(history(t,
		ban("192.0.2.1", "sshd", 60, 3600),
		ban("192.0.2.3", "nginx", 60, 3600),
		ban("192.0.2.4", Jail, 60, 3600),
		ban("192.0.2.5", "sshd", 60, 3600), unban("192.0.2.5/32", "", ""),
		ban("192.0.2.6", "sshd", 60, 3600), unban("192.0.2.6/32", "bastion", "sshd"),
		ban("192.0.2.7", Jail, 60, 3600), unban("192.0.2.7/32", "", ""),
		ban("192.0.2.8", "recidive", 60, 864000), ban("192.0.2.8", "sshd", 60, 90),
		ban("192.0.2.9", "sshd", 90, 60),
	))
	other := history(t, unban("192.0.2.16/30", "", ""))
	for _, c := range []struct {
		name   string
		record desired.Record
		want   Fate
	}{
		{"the same end", ban("192.0.2.1", "sshd", 60, 3600), Known},
		{"an earlier end", ban("192.0.2.1", "sshd", 60, 100), Known},
		{"a later end", ban("192.0.2.1", "sshd", 60, 7200), Import},
		{"no end", ban("192.0.2.1", "sshd", 60, -1), Import},
		{"another jail", ban("192.0.2.3", "sshd", 60, 3600), Import},
		{"another jail's end is later", ban("192.0.2.8", "sshd", 60, 86400), Import},
		{"in force, and the database knows no end", ban("192.0.2.4", Jail, 0, 7200), Known},
		{"lifted by hand", ban("192.0.2.5", "sshd", 60, 3600), Lifted},
		{"lifted by its jail", ban("192.0.2.6", "sshd", 60, 3600), Lifted},
		{"banned anew after it was lifted", ban("192.0.2.5", "sshd", 10, 3600), Import},
		{"lifted, and the database knows no time", ban("192.0.2.7", Jail, 0, 3600), Lifted},
		{"lifted here before the script's was first imported", ban("192.0.2.5", Jail, 0, 3600), Lifted},
		{"ended here, and is to go on", ban("192.0.2.9", "sshd", 90, 3600), Import},
		{"lifted by another host, with all around it", ban("192.0.2.17", "sshd", 60, 3600), Lifted},
		{"never seen", ban("192.0.2.2", "sshd", 60, 3600), Import},
		{"over", ban("192.0.2.2", "sshd", 60, 10), Expired},
	} {
		if got := Decide([]desired.Record{c.record}, []*desired.Fold{log, other}, now)[0].Fate; got != c.want {
			t.Errorf("%s: %s of %s for %d s: %s, want %s", c.name, c.record.Prefix, c.record.Jail, c.record.Bantime, got, c.want)
		}
	}
}

// What Decide calls lifted is what the log would not take: nothing is appended in vain.
func TestWhatIsImportedHasAnEffect(t *testing.T) {
	for ago := int64(20); ago <= 40; ago++ {
		for _, lift := range []desired.Record{
			unban("192.0.2.1/32", "", ""), unban("192.0.2.0/24", "", ""), unban("192.0.2.1/32", "bastion", "sshd"),
			{Op: desired.OpFlush, Host: "bastion", Jail: "sshd", Time: now.Add(-30 * time.Second)},
			{Op: desired.OpFlush, Time: now.Add(-30 * time.Second)},
		} {
			log := history(t, lift)
			record := ban("192.0.2.1", "sshd", ago, 3600)
			fate := Decide([]desired.Record{record}, []*desired.Fold{log}, now)[0].Fate
			if err := log.Apply(record, now); err != nil {
				t.Fatal(err)
			}
			banned := len(desired.Union(now, log).Bans) == 1
			if banned != (fate == Import) {
				t.Errorf("after %s of 30 s ago, the ban of %d s ago is banned %t, and its fate is %s", lift.Op, ago, banned, fate)
			}
		}
	}
}
