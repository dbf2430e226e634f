package apply_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"reconciler/internal/hostfake"
	"reconciler/internal/observed"
	"reconciler/internal/testenv"
	"reconciler/internal/tool"
)

// drawSetLine gives a line of `ipset restore`, good or bad. The names are few,
// so that lines meet.
func drawSetLine(t *rapid.T) string {
	set := rapid.SampledFrom([]string{"a4", "a4", "b4", "c6", "none"}).Draw(t, "set")
	addr := rapid.SampledFrom([]string{
		"192.0.2.1", "192.0.2.1/32", "192.0.2.0/24", "192.0.2.77/24", "2001:db8::1", "2001:db8::/32", "0.0.0.0/0", "192.0.2.1/33",
	}).Draw(t, "address")
	switch rapid.SampledFrom([]string{"add", "add", "add", "del", "create", "swap", "destroy", "flush"}).Draw(t, "verb") {
	case "add":
		return "add " + set + " " + addr + rapid.SampledFrom([]string{"", " timeout 0", " timeout 5000", " timeout 2147484", " nomatch"}).Draw(t, "rest")
	case "del":
		return "del " + set + " " + addr
	case "create":
		return rapid.SampledFrom([]string{
			"create b4 hash:net family inet maxelem 9 timeout 0", "create b4 hash:net family inet maxelem 9",
			"create c6 hash:net family inet6 maxelem 9 timeout 0",
		}).Draw(t, "create")
	case "swap":
		return "swap " + set + " " + rapid.SampledFrom([]string{"a4", "b4", "c6"}).Draw(t, "other")
	case "destroy":
		return "destroy " + set
	default:
		return "flush " + set
	}
}

// Also what ipset does with bad input must be the same, line by line: how the
// back end goes on after a refusal rests on it.
func TestTheFakeAndTheKernelAgreeOnIPSetLines(t *testing.T) {
	testenv.Need(t, "ipset", "nft")
	t.Cleanup(func() { testenv.CleanFirewall(t) })
	testenv.Checks(t, "150")
	rapid.Check(t, func(rt *rapid.T) {
		testenv.Run(t, "", "ipset", "destroy")
		fake := hostfake.New()
		for range rapid.IntRange(1, 4).Draw(rt, "runs") {
			lines := createdOnce(rapid.SliceOfN(rapid.Custom(drawSetLine), 1, 8).Draw(rt, "lines"))
			text := "create a4 hash:net family inet maxelem 2 timeout 0\n" + strings.Join(lines, "\n") + "\n"
			want, got := setOutcome(t, tool.Exec{}, text), setOutcome(t, fake, text)
			if diff := cmp.Diff(want, got); diff != "" {
				rt.Fatalf("after the lines\n%sthe kernel and the fake differ (-kernel +fake):\n%s", text, diff)
			}
		}
	})
}

// createdOnce drops the second creation of a name: ipset remembers the types of
// the sets of a run in a list of its own, which is wrong after that, and only
// tells so by other line numbers.
func createdOnce(lines []string) []string {
	seen := map[string]bool{}
	return slices.DeleteFunc(lines, func(line string) bool {
		words := strings.Fields(line)
		again := words[0] == "create" && seen[words[1]]
		seen[words[1]] = seen[words[1]] || words[0] == "create"
		return again
	})
}

// setOutcome is the number of the refused line, and all sets after it.
func setOutcome(t *testing.T, run tool.Runner, text string) (outcome []string) {
	t.Helper()
	_, err := run.Run(t.Context(), []byte(text), "ipset", "-exist", "restore")
	var failed *tool.Error
	if errors.As(err, &failed) {
		line, _ := failed.Line()
		outcome = append(outcome, fmt.Sprintf("line %d refused", line))
	} else if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a4", "b4", "c6"} {
		set, err := observed.HostReader{Run: run}.Set(t.Context(), name, noon)
		if err != nil {
			t.Fatal(err)
		}
		outcome = append(outcome, fmt.Sprintf("%s %t %s %s %t %d", name, set.Exists, set.Type, set.Family, set.Timeout, set.MaxElem))
		for _, e := range set.Entries {
			outcome = append(outcome, fmt.Sprintf("%s %s, timed %t", name, e.Prefix, !e.Until.IsZero()))
		}
		for _, p := range set.Exempt {
			outcome = append(outcome, fmt.Sprintf("%s lets %s through", name, p))
		}
	}
	return outcome
}

func TestTheFakeTellsWhatIsBlocked(t *testing.T) {
	m := fakeMachine()
	s := observed.HostSpec{Shape: ssh}
	do(t, m.host(s), repair, add("203.0.113.0/24", noon.Add(time.Hour)))
	if !m.fake.Blocked(banned, 22) || m.fake.Blocked(banned, 80) || m.fake.Blocked(innocent, 22) || m.fake.BlockedAt("FORWARD", banned, 22) {
		t.Error("not exactly port 22 of the banned addresses is blocked")
	}
	m.sets("add f2b-reconciler-v4 203.0.113.7 nomatch")
	if m.fake.Blocked(banned, 22) {
		t.Error("an address that the set exempts is blocked")
	}
	m.fake.Now = func() time.Time { return noon.Add(time.Hour) }
	m.sets("del f2b-reconciler-v4 203.0.113.7")
	if m.fake.Blocked(banned, 22) {
		t.Error("a ban is in force after its end")
	}
	m.fake.Reset()
	if len(m.fake.Calls()) == 0 || strings.Contains(m.fake.Dump(), ours) {
		t.Error("after a restart of the machine the firewall is not empty, or the log is")
	}
}

func TestTheFakeRefusesWhatItDoesNotKnow(t *testing.T) {
	if _, err := hostfake.New().Run(t.Context(), nil, "iptables", "-F"); err == nil {
		t.Error("a command that the fake does not interpret passed")
	}
	if !slices.ContainsFunc([]hostfake.Call{{Program: "ipset", Args: []string{"-exist", "restore"}}}, hostfake.Call.Writes) {
		t.Error("a restore does not count as a write")
	}
}
