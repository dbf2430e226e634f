package migrate

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"reconciler/internal/tool"
)

// withClient answers for fail2ban-client; other programs run.
type withClient struct {
	dump string
	err  error
}

func (c withClient) Run(ctx context.Context, stdin []byte, program string, args ...string) ([]byte, error) {
	if program != "fail2ban-client" {
		return tool.Exec{}.Run(ctx, stdin, program, args...)
	}
	if len(args) != 1 || args[0] != "-d" {
		return nil, fmt.Errorf("fail2ban-client %q is not known", args)
	}
	return []byte(c.dump), c.err
}

func dumpOf(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("testdata/fail2ban-dump.txt")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestBansAreNamedAsTheActionWillNameThem(t *testing.T) {
	odd := `['multi-set', "o'neill's", 'action', 'reconciler', [['actionban', '"/usr/bin/reconciler" ban --state "/b" --jail "o\'neill\'s \xe9\u2028" -- "<ip>"']]]` + "\n"
	for name, c := range map[string]struct {
		jail  string
		dump  string
		err   error
		want  []string
		doubt string
	}{
		"the jail's name":                                 {"sshd", dumpOf(t), nil, []string{"sshd"}, ""},
		"a stock jail that has the action twice":          {"asterisk", dumpOf(t), nil, []string{"asterisk-tcp", "asterisk-udp"}, ""},
		"a name of its own beside an action with another": {"dropbear", dumpOf(t), nil, []string{"SSH"}, ""},
		"a name that Python escapes":                      {"o'neill's", odd, nil, []string{"o'neill's \u00e9\u2028"}, ""},
		"a jail without our action":                       {"postfix", dumpOf(t), nil, []string{"postfix"}, "no action of reconciler for postfix"},
		"a configuration that cannot be read":             {"sshd", "", errors.New("no log file"), []string{"sshd"}, "no log file"},
		"no fail2ban here":                                {"sshd", "", tool.ErrNotFound, []string{"sshd"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := reader()
			r.Run = withClient{c.dump, c.err}
			found, err := r.Read(t.Context(), database(t, bips+insert("203.0.113.7", c.jail, now.Unix(), 3600)))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, rec := range found.Records {
				got = append(got, rec.Jail)
			}
			if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", c.want) {
				t.Errorf("the bans are of %q, want %q", got, c.want)
			}
			if c.doubt == "" && found.Doubt != "" || !strings.Contains(found.Doubt, c.doubt) {
				t.Errorf("told is %q, want %q in it", found.Doubt, c.doubt)
			}
		})
	}
}
