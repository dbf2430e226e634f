package desired

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/valyala/fastjson"
)

const (
	// maxPooledLine bounds what a parser keeps in memory for the next line: its
	// cache grows with the number of JSON values in the longest line it has met.
	maxPooledLine = 8 << 10
	maxInterned   = 4096 // names of jails and hosts
)

// Parser reads records. It is quick because it reuses its memory, and it may
// serve one goroutine only. The zero value is ready.
type Parser struct {
	json     fastjson.Parser
	fields   fields
	number   []byte
	interned map[string]string
	remarks  []string
}

// fields are the values of one line, by name; nil is missing.
type fields struct {
	op, ip, jail, host, time, bantime, allowed, deferred, reason, bancount, restored, written, id *fastjson.Value
}

// errUnknownOp is about a record that a later release may have written.
var errUnknownOp = errors.New("is not known")

var parsers = sync.Pool{New: func() any { return new(Parser) }}

// ParseRecord reads one line of the log. The error is one line of text in which
// foreign bytes are escaped.
func ParseRecord(line []byte) (Record, error) {
	p := parsers.Get().(*Parser)
	defer parsers.Put(p)
	return p.Parse(line)
}

// Remarks says what was wrong with attributes of the last line that was read, and
// how they were taken instead: a ban is worth more than its attributes.
func (p *Parser) Remarks() string { return strings.Join(p.remarks, "; ") }

func (p *Parser) remark(format string, args ...any) {
	p.remarks = append(p.remarks, fmt.Sprintf(format, args...))
}

// Parse reads one line of the log; see ParseRecord.
func (p *Parser) Parse(line []byte) (Record, error) {
	p.remarks = p.remarks[:0]
	if !utf8.Valid(line) {
		return Record{}, errors.New("the line is not valid UTF-8")
	}
	reader := &p.json
	if len(line) > maxPooledLine {
		reader = new(fastjson.Parser)
	}
	v, err := reader.ParseBytes(line)
	if err != nil {
		return Record{}, fmt.Errorf("the line is not JSON: %s", clip(err.Error(), 200))
	}
	object, err := v.Object()
	if err != nil {
		return Record{}, fmt.Errorf("the line is a JSON %s, want an object", v.Type())
	}
	if err := p.collect(object); err != nil {
		return Record{}, err
	}
	return p.record()
}

// collect finds the fields. A field that comes twice is an error: two readers
// could disagree about what such a line means.
func (p *Parser) collect(object *fastjson.Object) error {
	p.fields = fields{}
	twice := ""
	object.Visit(func(key []byte, v *fastjson.Value) {
		slot := p.fields.slot(string(key))
		if slot == nil || v.Type() == fastjson.TypeNull && string(key) == "reason" {
			return
		}
		if *slot != nil {
			twice = string(key)
		}
		*slot = v
	})
	if twice != "" {
		return fmt.Errorf("the field %q comes twice", twice)
	}
	return nil
}

func (f *fields) slot(name string) **fastjson.Value {
	switch name {
	case "op":
		return &f.op
	case "ip":
		return &f.ip
	case "jail":
		return &f.jail
	case "host":
		return &f.host
	case "time":
		return &f.time
	case "bantime":
		return &f.bantime
	case "for":
		return &f.allowed
	case "defer":
		return &f.deferred
	case "reason":
		return &f.reason
	case "bancount":
		return &f.bancount
	case "restored":
		return &f.restored
	case "written":
		return &f.written
	case "id":
		return &f.id
	}
	return nil
}

// record turns the fields into a record. A field that the operation has no use
// for is not looked at, except an ip: a flush that names one must not clear all.
func (p *Parser) record() (Record, error) {
	var r Record
	var err error
	if r.Op, err = p.op(); err != nil {
		return Record{}, err
	}
	if err := p.readPrefix(&r); err != nil {
		return Record{}, err
	}
	if err := p.readNames(&r); err != nil {
		return Record{}, err
	}
	r.Time = p.time("time", p.fields.time)
	switch r.Op {
	case OpBan:
		p.readBan(&r)
	case OpAllow:
		if r.Bantime, err = p.readFor(); err != nil {
			return Record{}, err
		}
	case OpFlush:
		if err := p.readDefer(&r); err != nil {
			return Record{}, err
		}
	}
	p.readID(&r)
	if r.Op == OpSeen && r.ID == "" {
		return Record{}, errors.New("a seen needs the field \"id\"")
	}
	return r, nil
}

func (p *Parser) op() (Op, error) {
	text, err := textOf("op", p.fields.op)
	if err != nil {
		return "", err
	}
	switch string(text) {
	case "ban":
		return OpBan, nil
	case "unban":
		return OpUnban, nil
	case "flush":
		return OpFlush, nil
	case "start":
		return OpStart, nil
	case "stop":
		return OpStop, nil
	case "pause":
		return OpPause, nil
	case "resume":
		return OpResume, nil
	case "confirm":
		return OpConfirm, nil
	case "allow":
		return OpAllow, nil
	case "disallow":
		return OpDisallow, nil
	case "seen":
		return OpSeen, nil
	case "":
		return "", errors.New("the field \"op\" is missing")
	}
	return "", fmt.Errorf("op %s %w", quoted(string(text)), errUnknownOp)
}

func (p *Parser) readPrefix(r *Record) error {
	if !r.Op.takesPrefix() {
		if p.fields.ip != nil {
			return fmt.Errorf("a %s takes no ip; use unban to lift one prefix", r.Op)
		}
		return nil
	}
	text, err := textOf("ip", p.fields.ip)
	if err != nil {
		return err
	}
	if len(text) == 0 {
		return fmt.Errorf("a %s needs the field \"ip\"", r.Op)
	}
	if r.Prefix, err = ParsePrefix(string(text)); err != nil {
		return fmt.Errorf("ip: %w", err)
	}
	return nil
}
