package plan

import (
	"strings"
	"testing"

	"reconciler/internal/desired"
	"reconciler/internal/observed"
)

func TestTheSettingIsAskedAboutWhereTheLogsNameLittleOfWhatIsEnforced(t *testing.T) {
	for _, c := range []struct {
		name    string
		named   []string // by a ban
		lifted  []string
		strange []string // on the host, and in no record
		unknown bool     // not all is known of a source
		want    bool
	}{
		{"none is named", nil, nil, []string{"203.0.113.1/32", "203.0.113.2/32"}, false, true},
		{"a new ban is named", []string{"203.0.113.9/32"}, nil, []string{"203.0.113.1/32", "203.0.113.2/32"}, false, true},
		{"half is named", []string{"203.0.113.9/32"}, nil, []string{"203.0.113.1/32"}, false, false},
		{"what was lifted is named", nil, []string{"203.0.113.9/32"}, []string{"203.0.113.1/32"}, false, false},
		{"a source is away", nil, nil, []string{"203.0.113.1/32", "203.0.113.2/32"}, true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			var bans []desired.Ban
			host := observed.Host{Present: true}
			for _, p := range append(append(append([]string{}, c.strange...), c.named...), c.lifted...) {
				host.Entries = append(host.Entries, observed.HostEntry{Prefix: pfx(p)})
			}
			for _, p := range c.named {
				bans = append(bans, ban(p, 0))
			}
			set := lifted(setOf(bans...), desired.Unbanned, c.lifted...)
			if c.unknown {
				set.Unknown = []string{"a log"}
			}
			_, withheld := ForHost(Prepare(set, standard()), host, nil, standard(), start)
			if len(withheld) != len(c.strange) {
				t.Fatalf("withheld are %v", withheld)
			}
			if got := Unnamed(withheld); got != c.want {
				t.Errorf("the setting is asked about: %v, want %v", got, c.want)
			}
			asks := strings.Contains(Advice(withheld), "is the setting `state` right?")
			if asks != c.want || !asks && !strings.Contains(Advice(withheld), "`reconciler confirm` makes the running daemon let them through") {
				t.Errorf("the advice is: %s", Advice(withheld))
			}
		})
	}
	if Advice(nil) != "" {
		t.Errorf("with nothing withheld the advice is: %s", Advice(nil))
	}
}
