package fail2ban

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// expect waits for the next entries of jail door and compares them, written
// as "op address". Entries of one step may come in any order when sorted.
func (s *server) expect(seen *int, step string, want ...string) []entry {
	s.t.Helper()
	var got []entry
	s.wait(step+" is recorded", func() bool {
		got = s.entries("door")[*seen:]
		return len(got) >= len(want)
	})
	*seen += len(want)
	for i, w := range want {
		if text := strings.TrimSpace(got[i].Op + " " + got[i].IP); text != w {
			s.t.Fatalf("%s: entry %d is %q, not %q; all: %+v\n%s", step, i+1, text, w, got, tail(s.log()))
		}
	}
	return got[:len(want)]
}

// quiet says that a step recorded nothing more.
func (s *server) quiet(seen int, step string) {
	s.t.Helper()
	if more := s.entries("door")[seen:]; len(more) > 0 {
		s.t.Errorf("%s recorded more than it should: %+v", step, more)
	}
}

func TestTheActionRecordsWhatFail2banDecides(t *testing.T) {
	for _, prog := range programs(t) {
		t.Run(prog.name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, prog)
			s.start()
			seen := 0
			s.expect(&seen, "the start of the jail, before any ban", "start")

			bans := s.bansOfEveryKind(&seen)
			s.noInjection(&seen)
			s.unbanAndReload(&seen)
			s.restart(&seen, bans)
			s.unbanAllTwice(&seen)
		})
	}
}

// bansOfEveryKind gives the bans that stay.
func (s *server) bansOfEveryKind(seen *int) []entry {
	s.t.Helper()
	s.knock("door", "192.0.2.10")
	ban := s.expect(seen, "a ban by a log line", "ban 192.0.2.10")[0]
	if ban.Bantime != bantime || ban.restored() {
		s.t.Errorf("the ban by a log line is recorded as %+v, not with the bantime %d and new", ban, bantime)
	}
	if age := float64(time.Now().Unix()) - ban.Time; age < -1 || age > patience.Seconds() {
		s.t.Errorf("the time of the ban is %v s ago, so it is not that of the failure", age)
	}
	s.do("set", "door", "banip", "198.51.100.77/24")
	bans := s.expect(seen, "a ban of a network", "ban 198.51.100.0/24")
	s.do("set", "door", "banip", "2001:db8::1")
	return append(bans, s.expect(seen, "a ban of an IPv6 address", "ban 2001:db8::1")...)
}

// hostile is what no action may run, or take for a flag.
var hostile = []string{
	"$(touch PWNED)", "`touch PWNED`", "x;touch PWNED", "x|touch PWNED #",
	`x" ; touch PWNED; "`, "x' ; touch PWNED; '", "--help",
	"192.0.2.77 192.0.2.78", // one word for fail2ban, so never two bans
}

// noInjection bans what is no address. fail2ban accepts it; nothing may come
// of it but an error in its log.
func (s *server) noInjection(seen *int) {
	s.t.Helper()
	for _, text := range hostile {
		s.do("set", "door", "banip", text)
	}
	const failed = "Failed to execute ban jail 'door' action 'reconciler'"
	s.wait("every ban of what is no address has failed", func() bool { return strings.Count(s.log(), failed) >= len(hostile) })
	if regexp.MustCompile(`stderr: .*f2bV_`).MatchString(s.log()) {
		s.t.Errorf("the action passes the name of fail2ban's variable in place of the address:\n%s", tail(s.log()))
	}
	for _, text := range hostile {
		s.do("set", "door", "unbanip", text)
	}
	s.quiet(*seen, "banning and unbanning what is no address")
	for _, dir := range []string{s.dir, "/", "."} {
		if _, err := os.Lstat(filepath.Join(dir, "PWNED")); err == nil {
			s.t.Errorf("text that was banned ran as a command in %s", dir)
		}
	}
}

func (s *server) unbanAndReload(seen *int) {
	s.t.Helper()
	s.do("set", "door", "unbanip", "192.0.2.10")
	s.expect(seen, "an unban", "unban 192.0.2.10")
	s.do("reload")
	s.quiet(*seen, "a reload")
	s.do("set", "door", "banip", "192.0.2.11")
	s.expect(seen, "a ban after a reload", "ban 192.0.2.11")
	s.do("set", "door", "unbanip", "192.0.2.11")
	s.expect(seen, "its unban", "unban 192.0.2.11")
}

// restart stops and starts the server, then the jail. Each time a flush comes
// before the stop, and the bans come back with their old time.
func (s *server) restart(seen *int, bans []entry) {
	s.t.Helper()
	s.stop()
	flush := s.expect(seen, "the stop of the server", "flush", "flush", "stop")[0]
	if flush.Defer != 30 {
		s.t.Errorf("the flush at a stop waits %v s, not 30", flush.Defer)
	}
	s.start()
	s.sameBans(bans, s.expectRestored(seen, "the start of the server", "start"))
	s.bothFamilies(seen)
	s.do("set", "door", "unbanip", "192.0.2.20", "2001:db8::20")
	s.expect(seen, "unbans", "unban 192.0.2.20", "unban 2001:db8::20")
	s.do("reload", "--restart", "door")
	s.sameBans(bans, s.expectRestored(seen, "the restart of the jail", "flush", "flush", "stop", "start"))
	s.quiet(*seen, "the restart of the jail")
}

// bothFamilies bans by command, which returns when the action has: from then
// on a flush is due for both families. A restored ban gives no such sign.
func (s *server) bothFamilies(seen *int) {
	s.t.Helper()
	s.do("set", "door", "banip", "192.0.2.20", "2001:db8::20")
	s.expect(seen, "bans by command", "ban 192.0.2.20", "ban 2001:db8::20")
}

func (s *server) expectRestored(seen *int, step string, before ...string) []entry {
	s.t.Helper()
	s.expect(seen, step, before...)
	var got []entry
	s.wait("bans are restored after "+step, func() bool {
		got = s.entries("door")[*seen:]
		return len(got) >= 2
	})
	*seen += 2
	got = slices.Clone(got[:2])
	slices.SortFunc(got, func(a, b entry) int { return strings.Compare(a.IP, b.IP) })
	return got
}

func (s *server) sameBans(want, got []entry) {
	s.t.Helper()
	for i, g := range got {
		w := want[i]
		if g.Op != "ban" || g.IP != w.IP || !g.restored() || g.Bantime != w.Bantime {
			s.t.Errorf("%+v was restored as %+v", w, g)
		}
		// The database rounds to whole seconds.
		if drift := w.Time - g.Time; drift <= -1 || drift >= 1 {
			s.t.Errorf("the restored ban of %s moved by %v s, so it would end at another time", g.IP, drift)
		}
	}
}

// unbanAllTwice finds out whether fail2ban takes the second flush for done.
func (s *server) unbanAllTwice(seen *int) {
	s.t.Helper()
	for range 2 {
		s.bothFamilies(seen)
		s.do("unban", "--all")
		flushes := s.expect(seen, "unban --all", "flush", "flush")
		if flushes[0].Defer != 30 {
			s.t.Errorf("the flush of unban --all waits %v s, not 30", flushes[0].Defer)
		}
		s.quiet(*seen, "unban --all")
	}
}

func TestALongerBanOfAReturningAddressIsRecorded(t *testing.T) {
	for _, prog := range programs(t) {
		t.Run(prog.name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, prog)
			s.start()
			s.knock("repeat", "192.0.2.99")
			s.wait("the first ban has ended", func() bool { return len(s.repeated("unban")) == 1 })
			if n := len(s.repeated("ban")); n != 1 {
				t.Fatalf("the first ban is recorded %d times, not once", n)
			}
			s.knock("repeat", "192.0.2.99")
			s.wait("the second ban is prolonged", func() bool { return len(s.repeated("ban")) == 3 })
			plain, longer := s.repeated("ban")[1], s.repeated("ban")[2]
			// The first of the two has the plain bantime, unless fail2ban's
			// observer, which works beside, was quicker than the action.
			if longer.IP != plain.IP || longer.Time != plain.Time || plain.Bantime < 3 || longer.Bantime <= 3 {
				t.Errorf("a second ban of 3 s was prolonged from %+v to %+v", plain, longer)
			}
		})
	}
}

// repeated gives the records of one kind of jail repeat.
func (s *server) repeated(op string) []entry {
	s.t.Helper()
	return slices.DeleteFunc(s.entries("repeat"), func(e entry) bool { return e.Op != op })
}
