package desired

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/valyala/fastjson"
)

// readNames reads jail and host. A ban with a name that cannot be read is one
// without it; in any other record that would reach further than it was meant to.
func (p *Parser) readNames(r *Record) error {
	var jailErr, hostErr error
	r.Jail, jailErr = p.name("jail", p.fields.jail, JailName)
	r.Host, hostErr = p.name("host", p.fields.host, hostName)
	err := errors.Join(jailErr, hostErr)
	if err != nil && r.Op == OpBan {
		p.remark("%s: taken as missing", strings.ReplaceAll(err.Error(), "\n", "; "))
		return nil
	}
	return err
}

func hostName(text string) (string, error) { return text, CheckHost(text) }

func (p *Parser) name(field string, v *fastjson.Value, canonical func(string) (string, error)) (string, error) {
	if v == nil {
		return "", nil
	}
	text, err := textOf(field, v)
	if err != nil {
		return "", err
	}
	name, known := p.interned[string(text)]
	if !known {
		name = string(text)
	}
	if name, err = canonical(name); err != nil {
		return "", err
	}
	if known {
		return name, nil
	}
	if p.interned == nil || len(p.interned) >= maxInterned {
		p.interned = make(map[string]string)
	}
	p.interned[name] = name
	return name, nil
}

// time leaves a time that cannot be read zero: then that of reading counts.
func (p *Parser) time(field string, v *fastjson.Value) (t time.Time) {
	if v == nil {
		return t
	}
	var err error
	switch v.Type() {
	case fastjson.TypeNumber:
		t, err = parseUnix(p.numberOf(v))
	case fastjson.TypeString:
		t, err = parseStamp(string(v.GetStringBytes()))
	default:
		err = fmt.Errorf("want Unix seconds or RFC 3339, got a JSON %s", v.Type())
	}
	if err != nil {
		p.remark("%s: %v, and the time of reading counts", field, err)
		t = time.Time{}
	}
	return t
}

func (p *Parser) readBan(r *Record) {
	r.Bantime = p.bantime()
	if v := p.fields.reason; v != nil {
		if text, err := textOf("reason", v); err != nil {
			p.remark("%v, and it is left out", err)
		} else {
			r.Reason = clip(string(text), maxReason)
		}
	}
	r.BanCount = int(p.clamped("bancount", p.fields.bancount, 1<<31-1))
	if r.Restored = p.restored(); r.Restored {
		r.Written = p.time("written", p.fields.written)
	}
}

// bantime reads seconds, or a duration as fail2ban writes it.
func (p *Parser) bantime() int64 {
	v := p.fields.bantime
	if v == nil {
		return DefaultBantime
	}
	var text string
	switch v.Type() {
	case fastjson.TypeNumber:
		text = p.numberOf(v)
	case fastjson.TypeString:
		text = string(v.GetStringBytes())
	}
	seconds, remark, err := ParseBantime(text)
	if err != nil {
		p.remark("bantime: want a number or a duration, got %s; it is taken as %d", quoted(v.String()), DefaultBantime)
		return DefaultBantime
	}
	if remark != "" {
		p.remark("%s", remark)
	}
	return seconds
}

// clamped reads a whole number and brings it into the range from 0 to most.
func (p *Parser) clamped(field string, v *fastjson.Value, most int64) int64 {
	if v == nil {
		return 0
	}
	n, err := p.seconds(field, v, 0, most)
	if err == nil {
		return n
	}
	taken := int64(0)
	if x, numberErr := v.Float64(); numberErr == nil && x > 0 {
		taken = most
	}
	p.remark("%v; it is taken as %d", err, taken)
	return taken
}

// restored reads what JSON and what fail2ban's <restored> tag write. Whatever
// else it is, a ban that is not restored always counts.
func (p *Parser) restored() bool {
	v := p.fields.restored
	if v == nil || v.Type() == fastjson.TypeFalse {
		return false
	}
	if v.Type() == fastjson.TypeTrue {
		return true
	}
	n, err := p.seconds("restored", v, 0, 1)
	if err != nil {
		p.remark("%v; it is taken as 0", err)
	}
	return n == 1
}

// readFor reads how long an allow is for, for ever when it does not say. It keeps
// bans out, so what is not understood is refused.
func (p *Parser) readFor() (int64, error) {
	v := p.fields.allowed
	if v == nil {
		return Permanent, nil
	}
	text := v.String()
	if v.Type() == fastjson.TypeString {
		text = string(v.GetStringBytes())
	}
	seconds, remark, err := ParseBantime(text)
	if err != nil || remark != "" || seconds == 0 {
		return 0, fmt.Errorf("for: want seconds, a duration or -1, got %s", quoted(text))
	}
	return seconds, nil
}

// readDefer cuts a long delay. One below 0 is refused: a flush lifts bans, and
// doing nothing is its safe side.
func (p *Parser) readDefer(r *Record) error {
	v := p.fields.deferred
	if v == nil {
		return nil
	}
	if x, err := v.Float64(); err == nil && x < 0 || v.Type() != fastjson.TypeNumber {
		return fmt.Errorf("defer: want 0 or more seconds, got %s", quoted(v.String()))
	}
	r.Defer = time.Duration(p.clamped("defer", v, int64(maxDefer/time.Second))) * time.Second
	return nil
}

// readID takes any text, and what is no text as it is written: an id tells
// records apart, and has no other meaning.
func (p *Parser) readID(r *Record) {
	switch v := p.fields.id; {
	case v == nil || v.Type() == fastjson.TypeNull:
	case v.Type() == fastjson.TypeString:
		r.ID = ID(v.GetStringBytes())
	default:
		r.ID = ID(p.numberOf(v))
	}
}

// seconds reads a whole number in a range; a fraction is rounded up.
func (p *Parser) seconds(field string, v *fastjson.Value, least, most int64) (int64, error) {
	if v.Type() != fastjson.TypeNumber {
		return 0, fmt.Errorf("%s: want a number, got a JSON %s", field, v.Type())
	}
	text := p.numberOf(v)
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		n, err = roundedUp(text)
	}
	if err != nil || n < least || n > most {
		return 0, fmt.Errorf("%s %s: want a number from %d to %d", field, quoted(text), least, most)
	}
	return n, nil
}

func roundedUp(text string) (int64, error) {
	x, err := strconv.ParseFloat(text, 64)
	if err != nil || !(x > -maxUnix && x < maxUnix) {
		return 0, strconv.ErrRange
	}
	if x < 0 {
		x = math.Floor(x)
	}
	return int64(math.Ceil(x)), nil
}

func (p *Parser) numberOf(v *fastjson.Value) string {
	p.number = v.MarshalTo(p.number[:0])
	return string(p.number)
}

// textOf gives the bytes of a JSON string; a missing field is empty.
func textOf(field string, v *fastjson.Value) ([]byte, error) {
	if v == nil {
		return nil, nil
	}
	text, err := v.StringBytes()
	if err != nil {
		return nil, fmt.Errorf("%s: want a text, got a JSON %s", field, v.Type())
	}
	return text, nil
}
