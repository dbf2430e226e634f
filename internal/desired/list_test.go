package desired

import (
	"fmt"
	"strings"
	"testing"
)

func TestAListIsReadAsBlocklistsArePublished(t *testing.T) {
	const list = "# a list\r\n\r\n203.0.113.7\r\n 203.0.113.7 ; again\n198.51.100.77/24 # masked\n" +
		"192.0.2.1-192.0.2.4\n2001:db8::1 - 2001:db8::2\n::ffff:192.0.2.9\nnonsense\n192.0.2.9-192.0.2.1\n0.0.0.0/0\n192.0.2.200"
	got, err := ParseList("bad.txt", strings.NewReader(list))
	want := "[203.0.113.7/32 198.51.100.0/24 192.0.2.1/32 192.0.2.2/31 192.0.2.4/32 2001:db8::1/128 2001:db8::2/128 192.0.2.9/32 192.0.2.200/32]"
	if fmt.Sprint(got) != want {
		t.Errorf("the list gives\n%v, want\n%s", got, want)
	}
	for _, line := range []string{"bad.txt:9: \"nonsense\" is not", "bad.txt:10: \"192.0.2.9-192.0.2.1\" is no range", "bad.txt:11: \"0.0.0.0/0\" bans everyone"} {
		if err == nil || !strings.Contains(err.Error(), line) {
			t.Errorf("the error is %v, want %q in it", err, line)
		}
	}
}

func TestOfManyBadLinesTheFirstAreToldAndTheRestCounted(t *testing.T) {
	_, err := ParseList("x", strings.NewReader(strings.Repeat("bad\n", 1000)+strings.Repeat("y", 1<<17)))
	if lines := strings.Split(fmt.Sprint(err), "\n"); len(lines) != maxListErrors+2 || !strings.Contains(lines[maxListErrors], "980 more lines") ||
		!strings.Contains(lines[maxListErrors+1], "behind line 1000") {
		t.Errorf("the error has %d lines: %v", len(lines), err)
	}
}
