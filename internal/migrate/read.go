// Package migrate reads the bans that other programs have kept: fail2ban's
// database, and that of the Network ACL script of 2018. It opens them read-only,
// with the sqlite3 program: a driver in this one would cost every ban.
package migrate

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"reconciler/internal/desired"
	"reconciler/internal/tool"
)

// ErrNoBans is a database without a table of bans that is known.
var ErrNoBans = errors.New("neither fail2ban's database (0.11 or later, table bips) nor the script's (table blocks)")

// Kind says who made a database.
type Kind string

// The kinds.
const (
	Fail2ban Kind = "fail2ban"
	Script   Kind = "the script of 2018"
)

// Jail is the jail of bans whose database names none.
const Jail = "imported"

// Found is what a database holds.
type Found struct {
	Kind    Kind
	Records []desired.Record // bans in force, in the database's order
	Bad     []error          // rows that are no ban
	Doubt   string           // what may be wrong with the names of their jails; empty: nothing
}

// Reader reads databases.
type Reader struct {
	Run     tool.Runner
	Host    string // the name of this host in records
	Bantime int64  // seconds, of bans whose database knows no end; -1 for ever
	Now     time.Time
}

// The queries. Text comes back as hexadecimal digits, so that nothing an
// attacker has put there can look like another column or row.
const (
	tablesQuery = `SELECT name FROM sqlite_master WHERE type = 'table' AND name IN ('bips', 'blocks')`
	// fail2ban keeps one row per address and jail: when, and for how many
	// seconds; -1 is for ever.
	fail2banQuery = `SELECT hex(ip), hex(jail), CAST(timeofban AS INTEGER), CAST(bantime AS INTEGER) FROM bips WHERE bantime <= -1 OR timeofban + bantime > %d ORDER BY timeofban, ip, jail`
	// The script keeps a row per block, and neither jail nor time.
	scriptQuery = `SELECT DISTINCT hex(ip) FROM blocks WHERE blocked = 1 ORDER BY ip`
)

// Read gives the bans of one database that are in force.
func (r Reader) Read(ctx context.Context, path string) (Found, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return Found{}, fmt.Errorf("reading %q: %w", path, err)
	}
	if _, err := os.Stat(path); err != nil { // sqlite3 would make an empty one
		return Found{}, err
	}
	tables, err := r.query(ctx, path, tablesQuery)
	if err != nil {
		return Found{}, err
	}
	for _, row := range tables {
		switch row[0] {
		case "bips":
			return r.fail2ban(ctx, path)
		case "blocks":
			return r.script(ctx, path)
		}
	}
	return Found{}, fmt.Errorf("%s is %w", path, ErrNoBans)
}

func (r Reader) fail2ban(ctx context.Context, path string) (Found, error) {
	rows, err := r.query(ctx, path, fmt.Sprintf(fail2banQuery, r.Now.Unix()))
	if err != nil {
		return Found{}, err
	}
	found := Found{Kind: Fail2ban}
	for i, row := range rows {
		found.take(i, path, func() (desired.Record, error) { return r.banOf(row) })
	}
	found.rename(ctx, r.Run)
	return found, nil
}

// banOf makes the record that fail2ban itself would make when it restores the
// ban: an unban that came later stays in force.
func (r Reader) banOf(row []string) (desired.Record, error) {
	if len(row) != 4 {
		return desired.Record{}, fmt.Errorf("%d columns, want 4", len(row))
	}
	record, err := r.record(row[0])
	jail, jailErr := text(row[1])
	at, timeErr := strconv.ParseInt(row[2], 10, 64)
	lasts, lastsErr := strconv.ParseInt(row[3], 10, 64)
	if err := errors.Join(err, jailErr, timeErr, lastsErr); err != nil {
		return desired.Record{}, err
	}
	if jail, jailErr = desired.JailName(jail); jailErr != nil {
		return desired.Record{}, jailErr
	}
	record.Jail, record.Time, record.Bantime = jail, time.Unix(at, 0), lasts
	return asRead(record)
}

func (r Reader) script(ctx context.Context, path string) (Found, error) {
	rows, err := r.query(ctx, path, scriptQuery)
	if err != nil {
		return Found{}, err
	}
	found := Found{Kind: Script}
	for i, row := range rows {
		found.take(i, path, func() (desired.Record, error) {
			record, err := r.record(row[0])
			record.Jail, record.Time, record.Bantime = Jail, r.Now, r.Bantime
			return record, err
		})
	}
	return found, nil
}

func (f *Found) take(i int, path string, parse func() (desired.Record, error)) {
	record, err := parse()
	if err != nil {
		f.Bad = append(f.Bad, fmt.Errorf("%s: ban %d: %w", path, i+1, err))
		return
	}
	f.Records = append(f.Records, record)
}

// record begins a record with the prefix that stands in hexadecimal digits.
func (r Reader) record(digits string) (desired.Record, error) {
	ip, err := text(digits)
	if err != nil {
		return desired.Record{}, err
	}
	prefix, err := desired.ParsePrefix(ip)
	return desired.Record{Op: desired.OpBan, Prefix: prefix, Host: r.Host, Restored: true}, err
}

func text(digits string) (string, error) {
	raw, err := hex.DecodeString(digits)
	return string(raw), err
}

// asRead returns a record as the log will read it.
func asRead(r desired.Record) (desired.Record, error) {
	return desired.ParseRecord(r.AppendJSON(nil))
}

// busy is how long sqlite3 waits, in milliseconds, for a program that writes.
const busy = "10000"

// query runs one query and gives its rows. The database is opened read-only and
// no start file is read.
func (r Reader) query(ctx context.Context, path, query string) ([][]string, error) {
	out, err := r.Run.Run(ctx, nil, "sqlite3", "-readonly", "-batch", "-init", os.DevNull, "-cmd", ".timeout "+busy, "-noheader", "-separator", "|", path, query)
	if errors.Is(err, tool.ErrNotFound) {
		return nil, fmt.Errorf("%w; install it (apt-get install sqlite3, dnf install sqlite)", err)
	}
	if errors.Is(err, tool.ErrReadOnlyDatabase) { // sqlite3 would have to finish what was cut short, and is opened not to write
		return nil, fmt.Errorf("reading %s: a write to it was cut short (%w); start the program that it belongs to once, "+
			"or copy it together with its -journal, run sqlite3 COPY .tables, and import the copy", path, err)
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	var rows [][]string
	for line := range bytes.Lines(out) {
		if line := strings.TrimSpace(string(line)); line != "" {
			rows = append(rows, strings.Split(line, "|"))
		}
	}
	return rows, nil
}
