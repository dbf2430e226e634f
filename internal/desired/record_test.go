package desired

import (
	"encoding/json"
	"net/netip"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var comparePrefix = cmpopts.EquateComparable(netip.Prefix{}, netip.Addr{})

func at(seconds int64) time.Time { return time.Unix(seconds, 0).UTC() }

func TestRecordsAreRead(t *testing.T) {
	ip := netip.MustParsePrefix
	for _, tc := range []struct {
		name, line string
		want       Record
	}{
		{
			"a ban in full", `{"op":"ban","ip":"203.0.113.7","jail":"sshd","host":"i-0abc","time":1795331997,"bantime":600,"reason":"5 failures","bancount":3,"restored":1,"id":"i-0abc-17"}`,
			Record{Op: OpBan, Prefix: ip("203.0.113.7/32"), Jail: "sshd", Host: "i-0abc", Time: at(1795331997), Bantime: 600, Reason: "5 failures", BanCount: 3, Restored: true, ID: "i-0abc-17"},
		},
		{"a ban that names only its address", `{"op":"ban","ip":"203.0.113.7"}`, Record{Op: OpBan, Prefix: ip("203.0.113.7/32"), Bantime: 3600}},
		{"unknown fields", `{"op":"ban","ip":"203.0.113.7","colour":{"a":[1,{"op":2}]},"colour":2}`, Record{Op: OpBan, Prefix: ip("203.0.113.7/32"), Bantime: 3600}},
		{"a prefix that is not masked", `{"op":"ban","ip":"198.51.100.77/24"}`, Record{Op: OpBan, Prefix: ip("198.51.100.0/24"), Bantime: 3600}},
		{"an IPv6 prefix", `{"op":"unban","ip":"2001:DB8::1/64"}`, Record{Op: OpUnban, Prefix: ip("2001:db8::/64")}},
		{"a mapped address", `{"op":"unban","ip":"::ffff:192.0.2.9"}`, Record{Op: OpUnban, Prefix: ip("192.0.2.9/32")}},
		{"a mapped prefix", `{"op":"unban","ip":"::ffff:192.0.2.9/120"}`, Record{Op: OpUnban, Prefix: ip("192.0.2.0/24")}},
		{"a time with a fraction", `{"op":"pause","time":1795331997.25}`, Record{Op: OpPause, Time: time.Unix(1795331997, 250_000_000).UTC()}},
		{"a time with more digits than a nanosecond has", `{"op":"pause","time":1.1234567899}`, Record{Op: OpPause, Time: time.Unix(1, 123_456_789).UTC()}},
		{"a time with an exponent", `{"op":"pause","time":1.5e3}`, Record{Op: OpPause, Time: at(1500)}},
		{"a time in RFC 3339", `{"op":"resume","time":"2026-11-22T10:00:00+02:00"}`, Record{Op: OpResume, Time: time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)}},
		{"the first second there is", `{"op":"resume","time":0}`, Record{Op: OpResume, Time: at(0)}},
		{"a permanent ban", `{"op":"ban","ip":"203.0.113.7","bantime":-1}`, Record{Op: OpBan, Prefix: ip("203.0.113.7/32"), Bantime: Permanent}},
		{"a bantime with a fraction is rounded up", `{"op":"ban","ip":"203.0.113.7","bantime":10.2}`, Record{Op: OpBan, Prefix: ip("203.0.113.7/32"), Bantime: 11}},
		{"restored as a boolean", `{"op":"ban","ip":"203.0.113.7","restored":true,"bantime":0}`, Record{Op: OpBan, Prefix: ip("203.0.113.7/32"), Restored: true}},
		{"not restored", `{"op":"ban","ip":"203.0.113.7","restored":0}`, Record{Op: OpBan, Prefix: ip("203.0.113.7/32"), Bantime: 3600}},
		{"a reason of null is none", `{"op":"ban","ip":"203.0.113.7","reason":null}`, Record{Op: OpBan, Prefix: ip("203.0.113.7/32"), Bantime: 3600}},
		{"a flush with a delay", `{"op":"flush","jail":"sshd","host":"i-0abc","time":1,"defer":30}`, Record{Op: OpFlush, Jail: "sshd", Host: "i-0abc", Time: at(1), Defer: 30 * time.Second}},
		{"start, stop and confirm", `{"op":"confirm"}`, Record{Op: OpConfirm}},
		{"spaces", " { \"op\" : \"stop\" , \"jail\":\"a.b_c-D\" }\t", Record{Op: OpStop, Jail: "a.b_c-D"}},
		{"an id of any text", `{"op":"start","id":"a \u001b/☂"}`, Record{Op: OpStart, ID: "a \x1b/☂"}},
		{"an id that is a number", `{"op":"start","id":17}`, Record{Op: OpStart, ID: "17"}},
		{"an id of null is none", `{"op":"start","id":null}`, Record{Op: OpStart}},
		{
			"a long reason is cut between characters", `{"op":"ban","ip":"203.0.113.7","reason":"` + strings.Repeat("x", 255) + `é"}`,
			Record{Op: OpBan, Prefix: ip("203.0.113.7/32"), Bantime: 3600, Reason: strings.Repeat("x", 255)},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := ParseRecord([]byte(tc.line))
			if err != nil {
				t.Fatalf("the line is refused: %v", err)
			}
			if diff := cmp.Diff(tc.want, got, comparePrefix); diff != "" {
				t.Errorf("the record is not what the line says (-want +got):\n%s", diff)
			}
			again, err := ParseRecord(got.AppendJSON(nil))
			if err != nil || again != got {
				t.Errorf("%s does not give the record back: %+v, %v", got.AppendJSON(nil), again, err)
			}
		})
	}
}

func TestLinesThatAreNoRecordsAreRefusedInOneClearLine(t *testing.T) {
	for _, tc := range []struct{ name, line, says string }{
		{"empty", ``, "not JSON"},
		{"torn", `{"op":"ban","ip":"203.`, "not JSON"},
		{"two records", `{"op":"pause"}{"op":"pause"}`, "not JSON"},
		{"no object", `[1]`, "want an object"},
		{"invalid UTF-8", "{\"op\":\"ban\",\"ip\":\"203.0.113.7\",\"reason\":\"\xff\"}", "UTF-8"},
		{"no op", `{"ip":"203.0.113.7"}`, `"op" is missing`},
		{"unknown op", `{"op":"b\u001b[2Jan"}`, `op "b\x1b[2Jan" is not known`},
		{"op of another type", `{"op":1}`, "want a text"},
		{"ban without ip", `{"op":"ban"}`, `needs the field "ip"`},
		{"unban without ip", `{"op":"unban","jail":"sshd"}`, `needs the field "ip"`},
		{"flush with ip", `{"op":"flush","ip":"203.0.113.7"}`, "use unban"},
		{"shell code for an address", `{"op":"ban","ip":"$(id)"}`, `"$(id)" is not an IP address`},
		{"control bytes for an address", `{"op":"ban","ip":"\u001b]0;x\u0007"}`, `"\x1b]0;x\a" is not`},
		{"zone", `{"op":"ban","ip":"fe80::1%eth0"}`, "has a zone"},
		{"everyone", `{"op":"ban","ip":"0.0.0.0/0"}`, "bans everyone"},
		{"everyone in IPv6", `{"op":"ban","ip":"::/0"}`, "bans everyone"},
		{"everyone, mapped", `{"op":"ban","ip":"::ffff:1.2.3.4/96"}`, "bans everyone"},
		{"wider than mapped", `{"op":"ban","ip":"::ffff:1.2.3.4/64"}`, "beyond the IPv4-mapped"},
		{"same field twice", `{"op":"ban","ip":"203.0.113.7","ip":"203.0.113.8"}`, `"ip" comes twice`},
		{"empty jail", `{"op":"unban","ip":"203.0.113.7","jail":""}`, "jail"},
		{"jail of null", `{"op":"unban","ip":"203.0.113.7","jail":null}`, "want a text"},
		{"host with a slash", `{"op":"stop","host":"../x"}`, "host"},
		{"host as long as a jail may not be", `{"op":"stop","host":"` + strings.Repeat("h", 256) + `"}`, "host"},
		{"defer of another type", `{"op":"flush","defer":"30"}`, "defer"},
		{"defer below 0", `{"op":"flush","defer":-1}`, "defer"},
		{"seen without an id", `{"op":"seen"}`, `needs the field "id"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := ParseRecord([]byte(tc.line))
			if err == nil {
				t.Fatalf("the line is taken as %+v", got)
			}
			if !strings.Contains(err.Error(), tc.says) {
				t.Errorf("the error %q does not say %q", err, tc.says)
			}
			if strings.ContainsFunc(err.Error(), unicode.IsControl) {
				t.Errorf("the error %q holds a control byte of the line", err)
			}
		})
	}
}

// A ban is worth more than its attributes, and no other record reaches further
// than it was meant to.
func TestAttributesOutOfRangeAreTakenOnTheSafeSideAndSaid(t *testing.T) {
	ip := netip.MustParsePrefix("203.0.113.7/32")
	ban := Record{Op: OpBan, Prefix: ip, Bantime: 3600}
	with := func(change func(*Record)) Record {
		r := ban
		change(&r)
		return r
	}
	permanent := with(func(r *Record) { r.Bantime = Permanent })
	for _, tc := range []struct {
		name, attributes, says string
		want                   Record
	}{
		{"fail2ban's growing bantime", `"bantime":140737488355327`, "permanent", permanent},
		{"a bantime that overflows", `"bantime":9223372036854775807`, "permanent", permanent},
		{"a bantime beyond all floats", `"bantime":1e999`, "permanent", permanent},
		{"a bantime below -1", `"bantime":-2`, "permanent", permanent},
		{"a bantime between -1 and 0", `"bantime":-0.5`, "permanent", permanent},
		{"a bantime in fail2ban's units", `"bantime":"1d12h"`, "", with(func(r *Record) { r.Bantime = 129600 })},
		{"a bantime in words", `"bantime":"long"`, "3600", ban},
		{"a bantime of null", `"bantime":null`, "3600", ban},
		{"an end past the year 9999", `"time":253402300799,"bantime":1`, "", with(func(r *Record) { r.Time, r.Bantime = at(253402300799), 1 })},
		{"a negative time", `"time":-1`, "time of reading", ban},
		{"a time in milliseconds", `"time":1795331997000`, "time of reading", ban},
		{"an infinite time", `"time":1e999`, "time of reading", ban},
		{"NaN for a time", `"time":nan`, "time of reading", ban},
		{"a time with two points", `"time":1.2.3`, "time of reading", ban},
		{"a time in words", `"time":"yesterday"`, "time of reading", ban},
		{"a time before 1970", `"time":"1969-12-31T23:59:59Z"`, "time of reading", ban},
		{"a time of another type", `"time":true`, "time of reading", ban},
		{"a bancount below 0", `"bancount":-1`, "taken as 0", ban},
		{"a bancount of a trillion", `"bancount":1e12`, "taken as 2147483647", with(func(r *Record) { r.BanCount = 1<<31 - 1 })},
		{"restored 2", `"restored":2`, "taken as 0", ban},
		{"a reason of another type", `"reason":[]`, "left out", ban},
		{"a jail of another type", `"jail":7`, "taken as missing", ban},
		{"a host with a slash", `"host":"../x"`, "taken as missing", ban},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var p Parser
			got, err := p.Parse([]byte(`{"op":"ban","ip":"203.0.113.7",` + tc.attributes + `}`))
			if err != nil || got != tc.want {
				t.Fatalf("the ban is read as %+v, %v; want %+v", got, err, tc.want)
			}
			if said := p.Remarks(); !strings.Contains(said, tc.says) || (said != "") != (tc.says != "") || strings.ContainsFunc(said, unicode.IsControl) {
				t.Errorf("what is said of it is %q, want %q in it", said, tc.says)
			}
			if _, err := p.Parse([]byte(`{"op":"pause"}`)); err != nil || p.Remarks() != "" {
				t.Errorf("of the next line, which is good, %q is said (%v)", p.Remarks(), err)
			}
		})
	}
	long, err := ParseRecord([]byte(`{"op":"flush","defer":86401}`))
	if err != nil || long.Defer != maxDefer {
		t.Errorf("a flush in more than a day is read as %+v, %v; want a day", long, err)
	}
}

func TestAnyNameThatFail2banTakesIsAJail(t *testing.T) {
	for _, name := range []string{"web@example.org", "nginx:auth", "my jail", "-x", "søk", strings.Repeat("j", 75), "a\"b\\c", "x\x1b[2J"} {
		r := Record{Op: OpBan, Prefix: netip.MustParsePrefix("203.0.113.7/32"), Jail: name, Bantime: 60}
		if got, err := ParseRecord(r.AppendJSON(nil)); err != nil || got.Jail != name {
			t.Errorf("jail %q is read as %q, %v", name, got.Jail, err)
		}
	}
	a, errA := JailName(strings.Repeat("j", 300) + "a")
	b, errB := JailName(strings.Repeat("j", 300) + "b")
	if again, err := JailName(a); errA != nil || errB != nil || err != nil || len(a) > maxJail || a == b || again != a {
		t.Errorf("two long names become %q and %q, want two short ones that stay", a, b)
	}
}

func TestWrittenRecordsLookLikeTheContract(t *testing.T) {
	ip := netip.MustParsePrefix("203.0.113.7/32")
	for _, tc := range []struct {
		rec  Record
		want string
	}{
		{Record{Op: OpBan, Prefix: ip, Jail: "sshd", Host: "i-0abc", Time: at(1795331997), Bantime: 3600}, `{"op":"ban","ip":"203.0.113.7","jail":"sshd","host":"i-0abc","time":1795331997,"bantime":3600}`},
		{Record{Op: OpUnban, Prefix: ip, Jail: "sshd", Host: "i-0abc", Time: at(1795332000)}, `{"op":"unban","ip":"203.0.113.7","jail":"sshd","host":"i-0abc","time":1795332000}`},
		{Record{Op: OpFlush, Jail: "sshd", Host: "i-0abc", Time: at(1795332100), Defer: 30 * time.Second}, `{"op":"flush","jail":"sshd","host":"i-0abc","time":1795332100,"defer":30}`},
		{
			Record{Op: OpBan, Prefix: netip.MustParsePrefix("2001:db8::/32"), Time: time.Unix(1, 50_000_000), Bantime: -1, Reason: "a\"\\\x1b\x7f\u202e\U000e0001é\xff", BanCount: 2, Restored: true, ID: "w-0"},
			`{"op":"ban","ip":"2001:db8::/32","time":1.05,"bantime":-1,"reason":"a\"\\\u001b\u007f\u202e\udb40\udc01é�","bancount":2,"restored":true,"id":"w-0"}`,
		},
	} {
		if got := string(tc.rec.AppendJSON(nil)); got != tc.want {
			t.Errorf("written:\n%s\nwant:\n%s", got, tc.want)
		}
	}
}

func TestBantimesAreReadAsFail2banReadsThem(t *testing.T) {
	for text, want := range map[string]int64{
		"3600": 3600, "-1": -1, "0": 0, "1h": 3600, "90s": 90, "1h30m": 5400, "7d": 7 * 86400, "2w": 14 * 86400, "1.2s": 2,
		"7243.53": 7244, "7243.0": 7243, "0.001": 1, "1mo": 2629800, "1y": 31557600, "1d12h": 129600, "10days": 864000, "0.5d": 43200,
		"1 week": 604800, "2ww": 1209600, "1mon": 2629800, "3hou": 10800, "5sec": 5, "1d1": 86401, "1h 30": 3630, "1.5mo": 3944700, "1D": 86400, "1e3": 1000,
	} {
		if got, remark, err := ParseBantime(text); err != nil || got != want || remark != "" {
			t.Errorf("%s is read as %d, %q, %v; want %d", text, got, remark, err, want)
		}
	}
	for _, text := range []string{"-2", "999999999999999", "4000000000w", "-0.5", "999999999999999.5", "1e400", "9999y", strings.Repeat("9", 400) + "d"} {
		if got, remark, err := ParseBantime(text); err != nil || got != Permanent || !strings.Contains(remark, "permanent") {
			t.Errorf("%q is read as %d, %q, %v; want a permanent ban, and that it is said", text, got, remark, err)
		}
	}
	for _, text := range []string{"", " ", "-1h", "h", "d", "-1d", "1\x1b", ".", "1.2.3", "0x1.8p1", "1 parsec", "inf", "nan", "1d-2h"} {
		if got, _, err := ParseBantime(text); err == nil || !strings.Contains(err.Error(), "write seconds") || strings.Contains(err.Error(), "\x1b") {
			t.Errorf("%q is read as %d, %v; want an error with the next step", text, got, err)
		}
	}
}

func FuzzParseRecord(f *testing.F) {
	for _, line := range []string{
		`{"op":"ban","ip":"203.0.113.7","jail":"sshd","host":"i-0abc","time":1795331997.5,"bantime":3600,"reason":"\u001b\ud800x","bancount":1,"restored":true,"id":"a-1"}`,
		`{"op":"flush","defer":30,"time":"2026-01-01T00:00:00Z"}`, `{"op":"unban","ip":"::ffff:1.2.3.0/120"}`, `{"op":"ban","ip":"1.2.3.4","time":1e9,"bantime":1.5}`,
	} {
		f.Add([]byte(line))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		rec, err := ParseRecord(line)
		if err != nil {
			if strings.ContainsFunc(err.Error(), unicode.IsControl) {
				t.Fatalf("the error %q holds a control byte", err)
			}
			return
		}
		out := rec.AppendJSON(nil)
		if !json.Valid(out) || strings.ContainsFunc(string(out), unicode.IsControl) {
			t.Fatalf("%q was written as %q, which is not one safe line of JSON", line, out)
		}
		again, err := ParseRecord(out)
		if err != nil || again != rec {
			t.Fatalf("%q was read as %+v, written as %s and read again as %+v, %v", line, rec, out, again, err)
		}
		if rec.Prefix.IsValid() && (rec.Prefix != rec.Prefix.Masked() || rec.Prefix.Addr().Is4In6() || rec.Prefix.Addr().Zone() != "" || rec.Prefix.Bits() == 0) {
			t.Fatalf("%q gives the prefix %s, which is not canonical", line, rec.Prefix)
		}
	})
}
