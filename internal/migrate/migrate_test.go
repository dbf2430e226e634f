package migrate

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"reconciler/internal/desired"
	"reconciler/internal/testenv"
	"reconciler/internal/tool"
)

var now = time.Unix(1_800_000_000, 0)

func reader() Reader {
	return Reader{Run: withClient{err: tool.ErrNotFound}, Host: "bastion", Bantime: 3600, Now: now}
}

// database makes a database out of SQL.
func database(t *testing.T, sql string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "-odd name?.sqlite3")
	testenv.NeedProgram(t, "sqlite3")
	if _, err := (tool.Exec{}).Run(t.Context(), []byte(sql), "sqlite3", "-batch", path); err != nil {
		t.Fatal(err)
	}
	return path
}

// bips is the table as fail2ban 1.0 makes it.
const bips = `CREATE TABLE bips(ip TEXT NOT NULL, jail TEXT NOT NULL, timeofban INTEGER NOT NULL, bantime INTEGER NOT NULL, bancount INTEGER NOT NULL default 1, data JSON, PRIMARY KEY(ip, jail));
CREATE TABLE bans(jail TEXT NOT NULL, ip TEXT, timeofban INTEGER NOT NULL, bantime INTEGER NOT NULL, bancount INTEGER NOT NULL default 1, data JSON);
`

// blocks is the table as the script made it.
const blocks = `CREATE TABLE blocks (id integer PRIMARY KEY AUTOINCREMENT, ip text NOT NULL, acl text NOT NULL, blocked boolean NOT NULL, host boolean NOT NULL);
`

func insert(ip, jail string, at, lasts int64) string {
	quote := func(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
	return fmt.Sprintf("INSERT INTO bips(ip, jail, timeofban, bantime) VALUES (%s, %s, %d, %d);\n", quote(ip), quote(jail), at, lasts)
}

func lines(records []desired.Record) string {
	var b strings.Builder
	for _, r := range records {
		b.Write(append(r.AppendJSON(nil), '\n'))
	}
	return b.String()
}

func TestFail2bansBansInForceAreRead(t *testing.T) {
	at := now.Unix() - 100
	path := database(t, bips+insert("203.0.113.7", "sshd", at, 3600)+insert("203.0.113.8", "sshd", at, 99)+
		insert("2001:db8::7", "recidive", at, -1)+insert("198.51.100.0/24", "sshd", at+1, 1000))
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	found, err := reader().Read(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"op":"ban","ip":"2001:db8::7","jail":"recidive","host":"bastion","time":1799999900,"bantime":-1,"restored":true}
{"op":"ban","ip":"203.0.113.7","jail":"sshd","host":"bastion","time":1799999900,"bantime":3600,"restored":true}
{"op":"ban","ip":"198.51.100.0/24","jail":"sshd","host":"bastion","time":1799999901,"bantime":1000,"restored":true}
`
	if got := lines(found.Records); got != want || found.Kind != Fail2ban || len(found.Bad) != 0 {
		t.Errorf("the %s database gives\n%s(bad: %v)\nwant\n%s", found.Kind, got, found.Bad, want)
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
		t.Errorf("reading has changed the database (%v)", err)
	}
}

func TestRowsThatAttackersShapedAreRefusedAndHarmNoOther(t *testing.T) {
	at := now.Unix()
	path := database(t, bips+insert("x;touch PWNED|\n203.0.113.9", "sshd", at, 3600)+
		insert("203.0.113.8", "sshd", at, 3600)+insert("fe80::1%eth0", "sshd", at, 3600))
	found, err := reader().Read(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if len(found.Records) != 1 || found.Records[0].Prefix != netip.MustParsePrefix("203.0.113.8/32") || len(found.Bad) != 2 {
		t.Errorf("of three rows, two of them bad, the good are\n%sand the bad %v", lines(found.Records), found.Bad)
	}
}

// The worst attackers have the longest bantimes, and a jail may have any name.
func TestRowsWithOddAttributesAreBansAllTheSame(t *testing.T) {
	at := now.Unix()
	path := database(t, bips+insert("203.0.113.6", "sshd", at, 1<<60)+insert("203.0.113.7", "a b\n|", at, 3600)+insert("203.0.113.8", "sshd", at, -7))
	found, err := reader().Read(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"op":"ban","ip":"203.0.113.6","jail":"sshd","host":"bastion","time":1800000000,"bantime":-1,"restored":true}
{"op":"ban","ip":"203.0.113.7","jail":"a b\u000a|","host":"bastion","time":1800000000,"bantime":3600,"restored":true}
{"op":"ban","ip":"203.0.113.8","jail":"sshd","host":"bastion","time":1800000000,"bantime":-1,"restored":true}
`
	if got := lines(found.Records); got != want || len(found.Bad) != 0 {
		t.Errorf("the rows give\n%s(bad: %v)\nwant\n%s", got, found.Bad, want)
	}
}

func TestTheScriptsBlocksAreReadOnceEach(t *testing.T) {
	path := database(t, blocks+`INSERT INTO blocks(ip, acl, blocked, host) VALUES
 ('203.0.113.7','acl-1',1,0), ('203.0.113.7','acl-1',1,0), ('203.0.113.8','acl-1',0,0), ('203.0.113.9','',1,1);`)
	found, err := reader().Read(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"op":"ban","ip":"203.0.113.7","jail":"imported","host":"bastion","time":1800000000,"bantime":3600,"restored":true}
{"op":"ban","ip":"203.0.113.9","jail":"imported","host":"bastion","time":1800000000,"bantime":3600,"restored":true}
`
	if got := lines(found.Records); got != want || found.Kind != Script {
		t.Errorf("the %s database gives\n%swant\n%s", found.Kind, got, want)
	}
}

func TestWhatIsNoDatabaseOfBansIsRefused(t *testing.T) {
	other := database(t, "CREATE TABLE t(x);")
	if _, err := reader().Read(t.Context(), other); !errors.Is(err, ErrNoBans) {
		t.Errorf("another database gives %v, want ErrNoBans", err)
	}
	missing := filepath.Join(t.TempDir(), "none")
	if _, err := reader().Read(t.Context(), missing); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing file gives %v, want ErrNotExist", err)
	}
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, []byte(strings.Repeat("no database\n", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := reader().Read(t.Context(), text); err == nil {
		t.Error("a text file is read as a database")
	}
}

func TestADatabaseWhoseLastWriteWasCutShortSaysWhatToDo(t *testing.T) {
	path := database(t, bips+insert("203.0.113.7", "sshd", now.Unix(), 3600))
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	// The head of a journal that is not empty: sqlite3 must roll it back first.
	head := append([]byte("\xd9\xd5\x05\xf9\x20\xa1\x63\xd7\xff\xff\xff\xff\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x02\x00\x00\x00\x10\x00"), make([]byte, 512)...)
	if err := os.WriteFile(path+"-journal", append(head, page...), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = reader().Read(t.Context(), path)
	if !errors.Is(err, tool.ErrReadOnlyDatabase) || !strings.Contains(fmt.Sprint(err), "sqlite3 COPY .tables") {
		t.Errorf("the error is %v, want the next step", err)
	}
}
