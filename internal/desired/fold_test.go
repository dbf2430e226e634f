package desired

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

// script is a story told in lines: records of the log, and between them what
// must hold.
//
//	{"op":…}              fold the record in
//	~{"op":…}             fold it in as recovered
//	at 40: P Q            these prefixes are banned at second 40, no others
//	lifted 40: P=expired  these are lifted at second 40, no others
//	warned 40: TEXT       a warning at second 40 holds TEXT; "warned 40:" is none
type script []string

const (
	hostPart = `,"host":"h","jail":"j"`
	banP     = `{"op":"ban","ip":"192.0.2.1"` + hostPart + `,"time":0,"bantime":1000}`
	banQ     = `{"op":"ban","ip":"192.0.2.2"` + hostPart + `,"time":0,"bantime":1000}`
	flushD   = `{"op":"flush"` + hostPart + `,"time":100,"defer":30}`
)

func stopAt(t int) string  { return fmt.Sprintf(`{"op":"stop"%s,"time":%d}`, hostPart, t) }
func startAt(t int) string { return fmt.Sprintf(`{"op":"start"%s,"time":%d}`, hostPart, t) }
func restored(t int) string {
	return fmt.Sprintf(`{"op":"ban","ip":"192.0.2.1"%s,"time":%d,"bantime":1000,"restored":1}`, hostPart, t)
}

var foldScripts = map[string]script{
	"a ban lasts until its time plus its bantime": {
		banP, "at 999: 192.0.2.1", "at 1000:", "lifted 1000: 192.0.2.1=expired",
	},
	"a permanent ban does not end": {
		`{"op":"ban","ip":"192.0.2.1","time":0,"bantime":-1}`, "at 9999999999: 192.0.2.1",
	},
	"the last ban of a key wins, also when it is shorter": {
		banP, `{"op":"ban","ip":"192.0.2.1"` + hostPart + `,"time":0,"bantime":10}`, "at 9: 192.0.2.1", "at 10:",
	},
	"a prefix is banned while any claim wants it": {
		banP, `{"op":"ban","ip":"192.0.2.1","host":"h","jail":"k","time":0,"bantime":10}`, "at 20: 192.0.2.1", "lifted 20:",
		`{"op":"unban","ip":"192.0.2.1","host":"h","jail":"j","time":21}`, "at 21:", "lifted 21: 192.0.2.1=unbanned",
	},
	"an unban of another jail lifts nothing": {
		banP, `{"op":"unban","ip":"192.0.2.1","host":"h","jail":"k","time":1}`, "at 1: 192.0.2.1",
	},
	"an unban of another host lifts nothing": {
		banP, `{"op":"unban","ip":"192.0.2.1","host":"g","jail":"j","time":1}`, "at 1: 192.0.2.1",
	},
	"an unban that names a jail and no host lifts in all hosts": {
		banP, `{"op":"unban","ip":"192.0.2.1","jail":"j","time":1}`, "at 1:",
	},
	"an unban that names a jail lifts exactly its prefix": {
		banP, `{"op":"unban","ip":"192.0.2.0/24","host":"h","jail":"j","time":1}`, "at 1: 192.0.2.1",
	},
	"an unban that names no jail lifts all inside its prefix": {
		banP, banQ, `{"op":"ban","ip":"192.0.3.1","time":0}`, `{"op":"ban","ip":"192.0.2.0/25","time":0}`,
		`{"op":"unban","ip":"192.0.2.0/24","time":1}`, "at 1: 192.0.3.1", "warned 1:",
		"lifted 1: 192.0.2.0/25=unbanned 192.0.2.1/32=unbanned 192.0.2.2/32=unbanned",
	},
	"an unban that names only a host lifts there": {
		banP, `{"op":"ban","ip":"192.0.2.1","host":"g","jail":"j","time":0}`, `{"op":"unban","ip":"192.0.2.1","host":"h","time":1}`, "at 1: 192.0.2.1",
		`{"op":"unban","ip":"192.0.2.1","host":"g","time":1}`, "at 1:",
	},
	"an unban under a wider ban warns as long as that ban goes on": {
		banP, `{"op":"ban","ip":"192.0.2.0/24","time":0,"bantime":50}`, `{"op":"unban","ip":"192.0.2.1","time":10}`,
		"at 10: 192.0.2.0/24", "warned 10: 192.0.2.1 was unbanned, but the ban of 192.0.2.0/24", "warned 10: reconciler unban -- 192.0.2.0/24", "warned 50:",
	},
	"a wider ban that came after the unban is no warning": {
		banP, `{"op":"unban","ip":"192.0.2.1","time":10}`, `{"op":"ban","ip":"192.0.2.0/24","time":11}`, "warned 12:",
	},
	"a restored ban older than the unban of its key does not revive it": {
		banP, `{"op":"unban","ip":"192.0.2.1"` + hostPart + `,"time":10}`, restored(10), "at 11:", restored(11), "at 11: 192.0.2.1",
	},
	"a ban that is not restored lifts the tombstone": {
		banP, `{"op":"unban","ip":"192.0.2.1"` + hostPart + `,"time":10}`,
		`{"op":"ban","ip":"192.0.2.1"` + hostPart + `,"time":9,"bantime":1000}`, "at 11: 192.0.2.1", restored(9), "at 11: 192.0.2.1",
	},
	"a restored ban inside a prefix that was unbanned everywhere stays lifted": {
		`{"op":"unban","ip":"192.0.2.0/24","time":10}`, restored(9), "at 11:",
	},
	"an unban of nothing known is remembered for a day": {
		`{"op":"unban","ip":"192.0.2.1"` + hostPart + `,"time":10}`, `{"op":"confirm","time":86409}`, restored(9), "at 100:",
		`{"op":"confirm","time":86410}`, restored(9), "at 100: 192.0.2.1",
	},
	"an unban is remembered until the end of the claim it lifted": {
		banP, `{"op":"unban","ip":"192.0.2.1"` + hostPart + `,"time":10}`, `{"op":"confirm","time":999}`, restored(9), "at 1001:",
		`{"op":"confirm","time":1000}`, restored(9), "at 1001: 192.0.2.1",
	},
	"a flush without delay is final": {
		banP, banQ, `{"op":"flush"` + hostPart + `,"time":100}`, "at 0:", "lifted 0: 192.0.2.1=flushed 192.0.2.2=flushed",
		stopAt(101), "at 101:", restored(100), "at 101:", restored(101), "at 101: 192.0.2.1",
	},
	"a flush of one jail leaves the others": {
		banP, `{"op":"flush","host":"h","jail":"k","time":100}`, "at 100: 192.0.2.1",
	},
	"a flush that names nothing clears all": {
		banP, `{"op":"ban","ip":"192.0.2.9","time":0}`, `{"op":"flush","time":100}`, "at 100:", restored(100), "at 100:",
	},
	"a deferred flush takes effect at its deadline": {
		banP, flushD, "at 129: 192.0.2.1", "at 130:", "lifted 130: 192.0.2.1=flushed",
	},
	"a stop in time cancels a deferred flush":  {banP, flushD, stopAt(130), "at 999: 192.0.2.1"},
	"a start in time cancels a deferred flush": {banP, flushD, startAt(130), "at 249: 192.0.2.1"},
	"a stop of another jail cancels nothing": {
		banP, flushD, `{"op":"stop","host":"h","jail":"k","time":101}`, "at 131:",
	},
	"a late stop revives what no ban came after": {
		banP, flushD, "at 200:", stopAt(200), "at 200: 192.0.2.1", "lifted 200:", "lifted 1000: 192.0.2.1=expired",
	},
	"a late start revives nothing": {banP, flushD, startAt(131), "at 200:"},
	"a late stop after a ban is no revival": {
		banP, flushD, `{"op":"ban","ip":"192.0.2.2"` + hostPart + `,"time":110}`, stopAt(140), "at 200: 192.0.2.2",
	},
	"a ban of the same key lifts its mark": {
		banP, banQ, flushD, `{"op":"ban","ip":"192.0.2.1"` + hostPart + `,"time":110}`, "at 200: 192.0.2.1",
	},
	"a newer flush makes the effective one final": {
		banP, flushD, `{"op":"flush"` + hostPart + `,"time":140,"defer":30}`, stopAt(141), "at 150:", "lifted 150: 192.0.2.1=flushed",
	},
	"a newer flush moves the deadline of one that is not effective": {
		banP, flushD, `{"op":"flush"` + hostPart + `,"time":120,"defer":30}`, "at 149: 192.0.2.1", "at 150:", stopAt(150), "at 160: 192.0.2.1",
	},
	"a marked claim still ends at its own time": {
		`{"op":"ban","ip":"192.0.2.1"` + hostPart + `,"time":0,"bantime":110}`, flushD, "at 115:", "lifted 140: 192.0.2.1=expired", stopAt(140), "at 140:",
	},
	"a ban after an effective flush makes it final": {
		banP, flushD, `{"op":"ban","ip":"192.0.2.2"` + hostPart + `,"time":131}`, `{"op":"flush"` + hostPart + `,"time":140,"defer":30}`, stopAt(141), "at 150: 192.0.2.2",
	},
	"a restored ban does not outlive a pending flush": {
		banP, flushD, restored(100), "at 129: 192.0.2.1", "at 131:",
	},
	"a restart of fail2ban keeps its bans": {
		banP, banQ, flushD, stopAt(100), startAt(102), restored(0),
		`{"op":"ban","ip":"192.0.2.2"` + hostPart + `,"time":0,"bantime":1000,"restored":1}`, "at 500: 192.0.2.1 192.0.2.2",
	},
	"what fail2ban does not announce again after a restart is lifted, once it has had the time": {
		banP, banQ, flushD, stopAt(100), startAt(102), restored(0), "at 221: 192.0.2.1 192.0.2.2",
		"at 223: 192.0.2.1", "lifted 223: 192.0.2.2=flushed", startAt(300), stopAt(310), "at 320: 192.0.2.1",
	},
	"a stop without a start lifts nothing": {banP, flushD, stopAt(100), "at 999: 192.0.2.1"},
	"the time of fail2ban begins with its start, however late": {
		banP, flushD, stopAt(100), startAt(700), "at 819: 192.0.2.1", "at 821:",
	},
	"a start without a flush puts nothing on trial": {banP, startAt(100), "at 999: 192.0.2.1"},
	"a second restart while bans are announced begins anew": {
		banP, flushD, stopAt(100), startAt(102), `{"op":"flush"` + hostPart + `,"time":210,"defer":30}`, stopAt(230), "at 600: 192.0.2.1",
		startAt(601), "at 720: 192.0.2.1", "at 722:",
	},
	"a fail2ban that is killed and started again has its time anew": {
		banP, flushD, stopAt(100), startAt(102), startAt(200), "at 319: 192.0.2.1", "at 321:",
	},
	"the start of another jail gives time, as fail2ban does one thing after the other": {
		banP, flushD, stopAt(100), startAt(102), `{"op":"start","host":"h","jail":"k","time":200}`, "at 319: 192.0.2.1", "at 321:",
	},
	"the start of a jail on another host gives no time": {
		banP, flushD, stopAt(100), startAt(102), `{"op":"start","host":"g","jail":"j","time":200}`, "at 223:",
	},
	"each ban that is announced gives time, whenever it was made": {
		banP, banQ, flushD, stopAt(100), startAt(102),
		`{"op":"ban","ip":"192.0.2.9","host":"h","jail":"k","time":0,"bantime":1000,"restored":true,"written":200}`,
		"at 319: 192.0.2.1 192.0.2.2 192.0.2.9", "at 321: 192.0.2.9",
	},
	"a ban that is announced late is in force again": {
		banP, flushD, stopAt(100), startAt(102), "at 300:", restored(0), "at 300: 192.0.2.1",
	},
	"a ban that is announced late is in force again, and what was lifted stays lifted": {
		banP, banQ, flushD, stopAt(100), startAt(102), "at 300:",
		`{"op":"ban","ip":"192.0.2.1"` + hostPart + `,"time":0,"bantime":1000,"restored":true,"written":301}`, "at 302: 192.0.2.1",
	},
	"a ban older than a flush of before is announced too": {
		`{"op":"flush"` + hostPart + `,"time":50}`, `{"op":"ban","ip":"192.0.2.1"` + hostPart + `,"time":49,"bantime":1000}`,
		flushD, stopAt(100), startAt(102), restored(49), "at 500: 192.0.2.1",
	},
	"a ban that fail2ban makes anew is no longer on trial": {
		banP, flushD, stopAt(100), startAt(102), `{"op":"ban","ip":"192.0.2.1"` + hostPart + `,"time":110,"bantime":1000}`, "at 500: 192.0.2.1",
	},
	"an unban --all before a restart lifts also bans without an end": {
		startAt(0), `{"op":"ban","ip":"192.0.2.1"` + hostPart + `,"time":2,"bantime":-1}`,
		`{"op":"flush"` + hostPart + `,"time":6,"defer":30}`, stopAt(8), startAt(9), "at 128: 192.0.2.1", "at 130:",
		"lifted 130: 192.0.2.1=flushed", "at 99999999:",
	},
	"a restart of all jails at once is a restart of each": {
		banP, banQ, `{"op":"flush","host":"h","time":100,"defer":30}`, `{"op":"stop","host":"h","time":101}`, `{"op":"start","host":"h","time":102}`,
		restored(0), "at 221: 192.0.2.1 192.0.2.2", "at 223: 192.0.2.1",
	},
	"an older copy of the log revives nothing that a trial has lifted": {
		startAt(0), `{"op":"ban","ip":"192.0.2.1"` + hostPart + `,"time":2,"bantime":-1}`,
		`{"op":"flush"` + hostPart + `,"time":6,"defer":30}`, stopAt(8), startAt(9), "at 130:", startAt(300), "at 300:",
		`~{"op":"ban","ip":"192.0.2.1"` + hostPart + `,"time":2,"bantime":-1}`, "at 301:",
	},
	"a ban that a later line has shortened is not prolonged by a copy of its own line": {
		`{"op":"ban","ip":"192.0.2.1"` + hostPart + `,"time":11,"bantime":-1}`, `{"op":"ban","ip":"192.0.2.1"` + hostPart + `,"time":7,"bantime":1}`, "at 12:",
		`~{"op":"ban","ip":"192.0.2.1"` + hostPart + `,"time":11,"bantime":-1}`, "at 13:",
	},
	"an older copy of the log announces nothing": {
		banP, flushD, stopAt(110), startAt(111), "~" + restored(0), "at 240:",
	},
	"a fresh log announces what was written after the start": {
		banP, flushD, stopAt(110), startAt(111),
		`~{"op":"ban","ip":"192.0.2.1"` + hostPart + `,"time":0,"bantime":1000,"restored":true,"written":112}`, "at 400: 192.0.2.1",
	},
	"a jail that is gone from a running fail2ban is told of, with what lifts its bans": {
		banP, `{"op":"start","host":"h","jail":"k","time":1}`, flushD, stopAt(101), "warned 220:",
		"warned 221: fail2ban's jail j on h has stopped at 1970-01-01T00:01:41Z", "warned 221: reconciler flush --jail j",
		startAt(222), "warned 222:",
	},
	"a fail2ban that is down is told of after an hour, if bans are left": {
		banP, `{"op":"ban","ip":"192.0.2.2"` + hostPart + `,"time":0,"bantime":-1}`, stopAt(100), "warned 3699:", "warned 3700: still in force: 1",
	},
	"a record far ahead counts as read now": {
		`{"op":"unban","ip":"192.0.2.1"` + hostPart + `,"time":253402300000}`, restored(1), "at 2:", restored(11), "at 12: 192.0.2.1",
	},
	"a deferred flush of all jails is cancelled for the jail that stops": {
		banP, `{"op":"ban","ip":"192.0.2.9","host":"h","jail":"k","time":0}`, `{"op":"flush","host":"h","time":100,"defer":30}`, stopAt(110), "at 131: 192.0.2.1",
	},
	"a jail that is first heard of after a flush of all is under it": {
		`{"op":"flush","time":100,"defer":30}`, restored(99), "at 101:", stopAt(110), restored(99), "at 101: 192.0.2.1",
	},
	"a stop that names nothing cancels all": {
		banP, flushD, `{"op":"stop","time":110}`, "at 131: 192.0.2.1",
	},
	"a record from the future drops no claim that a stop can still revive": {
		`{"op":"confirm","time":5000}`, banP, flushD, "at 130:", stopAt(130), "at 131: 192.0.2.1",
	},
	"a ban that is over when it is read is lifted": {
		banP, "lifted 5000: 192.0.2.1=expired",
	},
	"a ban and its unban between two looks is lifted": {
		banP, `{"op":"unban","ip":"192.0.2.1","time":1}`, "lifted 1: 192.0.2.1=unbanned",
	},
	"a ban that names no jail is manual": {
		`{"op":"ban","ip":"192.0.2.1","time":0}`, `{"op":"unban","ip":"192.0.2.1","jail":"manual","time":1}`, "at 1:",
	},
	"a record that is delivered twice counts once": {
		`{"op":"ban","ip":"192.0.2.1","time":0,"id":"a"}`, `{"op":"unban","ip":"192.0.2.1","time":1,"id":"b"}`, "at 1:",
		`{"op":"ban","ip":"192.0.2.1","time":0,"id":"a"}`, "at 1:",
	},
	"an id in another line is another record": {
		`{"op":"ban","ip":"192.0.2.1","time":0,"id":"w-2"}`, `{"op":"unban","ip":"192.0.2.1","time":1,"id":"w-2"}`, "at 1:",
		`{"op":"ban","ip":"192.0.2.1","time":1,"id":"w-2"}`, `{"op":"ban","ip":"192.0.2.2","time":1,"id":"w-1"}`, "at 1: 192.0.2.1 192.0.2.2",
	},
	"a record with an id that comes long after its time goes by its time": {
		`{"op":"ban","ip":"192.0.2.1","time":0,"id":"a"}`, `{"op":"unban","ip":"192.0.2.1","time":1,"id":"b"}`,
		`{"op":"ban","ip":"192.0.2.2","time":200,"id":"c"}`, `{"op":"ban","ip":"192.0.2.1","time":0,"id":"a"}`, "at 200: 192.0.2.2",
		`{"op":"ban","ip":"192.0.2.3","time":0,"id":"d"}`, "at 200: 192.0.2.2 192.0.2.3",
	},
	"a record with an id that comes a little after its time goes by its place": {
		`{"op":"ban","ip":"192.0.2.2","time":100,"id":"c"}`, `{"op":"unban","ip":"192.0.2.1","time":100,"id":"b"}`,
		`{"op":"ban","ip":"192.0.2.1","time":0,"id":"a"}`, "at 100: 192.0.2.1 192.0.2.2",
	},
	"a clock that steps back makes a ban active again": {
		banP, "at 1000:", "lifted 1000: 192.0.2.1=expired", "at 500: 192.0.2.1", "lifted 500:", "lifted 1000: 192.0.2.1=expired",
	},
	"a prefix that is wanted again is not lifted": {
		banP, `{"op":"unban","ip":"192.0.2.1","time":1}`, "lifted 1: 192.0.2.1=unbanned", banP, "lifted 1:", "lifted 1000: 192.0.2.1=expired",
	},

	"an older copy of the log lifts no ban": {
		banP, `{"op":"unban","ip":"192.0.2.1"` + hostPart + `,"time":10}`, `{"op":"ban","ip":"192.0.2.1"` + hostPart + `,"time":20,"bantime":1000}`,
		"~" + banP, `~{"op":"unban","ip":"192.0.2.1"` + hostPart + `,"time":10}`, `~{"op":"unban","ip":"192.0.2.1","time":10}`, "at 30: 192.0.2.1",
	},
	"an older copy of the log lifts no ban whose failure came before the last unban": {
		banP, `{"op":"unban","ip":"192.0.2.1","time":10}`, `{"op":"ban","ip":"192.0.2.1"` + hostPart + `,"time":8,"bantime":1000}`,
		`~{"op":"unban","ip":"192.0.2.1","time":10}`, "at 30: 192.0.2.1",
	},
	"an older copy of the log revives no unbanned address": {
		banP, `{"op":"unban","ip":"192.0.2.1"` + hostPart + `,"time":10}`, "~" + banP, "at 30:",
	},
	"an older copy of the log that is cut before a stop flushes nothing": {
		banP, flushD, stopAt(110), "~" + flushD, "at 500: 192.0.2.1",
	},
	"an older copy of the log resumes nothing": {
		`{"op":"pause","time":5}`, `{"op":"resume","time":10}`, `~{"op":"pause","time":5}`, "paused no",
	},
	"an older ban does not shorten a newer one": {
		`{"op":"ban","ip":"192.0.2.1"` + hostPart + `,"time":10,"bantime":1000}`, `~{"op":"ban","ip":"192.0.2.1"` + hostPart + `,"time":9,"bantime":1}`,
		`~{"op":"ban","ip":"192.0.2.1"` + hostPart + `,"time":10,"bantime":1}`, "at 500: 192.0.2.1",
	},
	"a ban as old as the known one may prolong it": {
		banP, `~{"op":"ban","ip":"192.0.2.1"` + hostPart + `,"time":0,"bantime":2000}`, "at 1500: 192.0.2.1",
	},
	"a fresh log after a rotation is taken whole": {
		banP, banQ, `~{"op":"ban","ip":"192.0.2.3","time":20}`, `~{"op":"unban","ip":"192.0.2.1"` + hostPart + `,"time":21}`,
		`~{"op":"pause","time":22}`, "at 30: 192.0.2.2 192.0.2.3", "paused yes",
	},
	"a fresh log with a flush and its stop keeps the bans": {
		banP, "~" + flushD, "~" + stopAt(100), "at 500: 192.0.2.1",
	},
	"a fresh log with a flush, a later ban and a late stop revives nothing": {
		banP, `~{"op":"ban","ip":"192.0.2.2"` + hostPart + `,"time":120}`, "~" + flushD, "~" + stopAt(140), "at 150: 192.0.2.2",
	},
	"a fresh log with a flush alone clears the jail": {banP, "~" + flushD, "at 500:"},
	"a fresh log with a flush and a ban before it in time keeps that ban": {
		`~{"op":"ban","ip":"192.0.2.1"` + hostPart + `,"time":200}`, "~" + flushD, "at 500: 192.0.2.1",
	},
}

func TestFold(t *testing.T) {
	for name, steps := range foldScripts {
		t.Run(name, func(t *testing.T) { steps.run(t, NewFold(), func(f *Fold) *Fold { return f }) })
	}
}

func TestFoldWithARestartBetweenAnyTwoLines(t *testing.T) {
	for name, steps := range foldScripts {
		t.Run(name, func(t *testing.T) { steps.run(t, NewFold(), func(f *Fold) *Fold { return reload(t, f) }) })
	}
}

func (s script) run(t *testing.T, f *Fold, between func(*Fold) *Fold) {
	for i, step := range s {
		f = between(f)
		if line, ok := strings.CutPrefix(step, "~"); ok {
			mustApply(t, f.ApplyRecovered, line)
			continue
		}
		if strings.HasPrefix(step, "{") {
			mustApply(t, f.Apply, step)
			continue
		}
		if step == "paused yes" || step == "paused no" {
			if got := Union(at(0), f).Paused; got != (step == "paused yes") {
				t.Errorf("step %d: paused is %v", i+1, got)
			}
			continue
		}
		check(t, f, i+1, step)
	}
}

func mustApply(t *testing.T, apply func(Record, time.Time) error, line string) {
	t.Helper()
	rec, err := ParseRecord([]byte(line))
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	readAt := rec.Time
	if readAt.IsZero() || readAt.After(at(100_000_000_000)) {
		readAt = at(10) // no clock is that far ahead
	}
	if err := apply(rec, readAt); err != nil {
		t.Fatalf("%s: %v", line, err)
	}
}

func check(t *testing.T, f *Fold, number int, step string) {
	t.Helper()
	head, rest, _ := strings.Cut(step, ":")
	verb, second, _ := strings.Cut(head, " ")
	var seconds int64
	if _, err := fmt.Sscan(second, &seconds); err != nil {
		t.Fatalf("step %d %q: %v", number, step, err)
	}
	set := Union(at(seconds), f)
	var got []string
	switch verb {
	case "at":
		for _, b := range set.Bans {
			got = append(got, strings.TrimSuffix(b.Prefix.String(), "/32"))
		}
	case "lifted":
		for _, p := range slices.SortedFunc(maps.Keys(set.Lifted), netip.Prefix.Compare) {
			got = append(got, fmt.Sprintf("%s=%s", strings.TrimSuffix(p.String(), "/32"), set.Lifted[p]))
		}
		rest = strings.ReplaceAll(rest, "/32=", "=")
	case "warned":
		rest = strings.TrimSpace(rest)
		if text := strings.Join(set.Warnings, "\n"); !strings.Contains(text, rest) || rest == "" && text != "" {
			t.Errorf("step %d %q: the warnings are %q", number, step, text)
		}
		return
	default:
		t.Fatalf("step %d %q is not understood", number, step)
	}
	if want := strings.Fields(rest); !slices.Equal(got, want) {
		t.Errorf("step %d %q: got %v", number, step, got)
	}
}
