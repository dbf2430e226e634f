package desired

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/valyala/fastjson"
)

func (p *Parser) readNames(r *Record) error {
	var err error
	if r.Jail, err = p.name("jail", p.fields.jail, CheckJail); err != nil {
		return err
	}
	r.Host, err = p.name("host", p.fields.host, CheckHost)
	return err
}

func (p *Parser) name(field string, v *fastjson.Value, check func(string) error) (string, error) {
	if v == nil {
		return "", nil
	}
	text, err := textOf(field, v)
	if err != nil {
		return "", err
	}
	if known, ok := p.interned[string(text)]; ok {
		return known, check(known)
	}
	name := string(text)
	if err := check(name); err != nil {
		return "", err
	}
	if p.interned == nil || len(p.interned) >= maxInterned {
		p.interned = make(map[string]string)
	}
	p.interned[name] = name
	return name, nil
}

func (p *Parser) readTime(r *Record) error {
	v := p.fields.time
	if v == nil {
		return nil
	}
	var err error
	switch v.Type() {
	case fastjson.TypeNumber:
		r.Time, err = parseUnix(p.numberOf(v))
	case fastjson.TypeString:
		r.Time, err = parseStamp(string(v.GetStringBytes()))
	default:
		err = fmt.Errorf("want Unix seconds or RFC 3339, got a JSON %s", v.Type())
	}
	if err != nil {
		return fmt.Errorf("time: %w", err)
	}
	return nil
}

func (p *Parser) readBan(r *Record) error {
	var err error
	r.Bantime = DefaultBantime
	if p.fields.bantime != nil {
		if r.Bantime, err = p.seconds("bantime", p.fields.bantime, Permanent, maxUnix); err != nil {
			return err
		}
	}
	if !r.Time.IsZero() {
		if _, err := r.Until(r.Time); err != nil {
			return err
		}
	}
	return p.readDetails(r)
}

func (p *Parser) readDetails(r *Record) error {
	if v := p.fields.reason; v != nil {
		text, err := textOf("reason", v)
		if err != nil {
			return err
		}
		r.Reason = clip(string(text), maxReason)
	}
	if v := p.fields.bancount; v != nil {
		n, err := p.seconds("bancount", v, 0, 1<<31-1)
		if err != nil {
			return err
		}
		r.BanCount = int(n)
	}
	return p.readRestored(r)
}

// readRestored takes what JSON and what fail2ban's <restored> tag write.
func (p *Parser) readRestored(r *Record) error {
	v := p.fields.restored
	if v == nil || v.Type() == fastjson.TypeFalse {
		return nil
	}
	if v.Type() == fastjson.TypeTrue {
		r.Restored = true
		return nil
	}
	n, err := p.seconds("restored", v, 0, 1)
	r.Restored = n == 1
	return err
}

func (p *Parser) readDefer(r *Record) error {
	if p.fields.deferred == nil {
		return nil
	}
	n, err := p.seconds("defer", p.fields.deferred, 0, int64(maxDefer/time.Second))
	r.Defer = time.Duration(n) * time.Second
	return err
}

func (p *Parser) readID(r *Record) error {
	if p.fields.id == nil {
		return nil
	}
	text, err := textOf("id", p.fields.id)
	if err != nil {
		return err
	}
	dash := bytes.LastIndexByte(text, '-')
	if dash < 0 {
		return fmt.Errorf("id %s: want WRITER-NUMBER", quoted(string(text)))
	}
	digits := string(text[dash+1:])
	seq, err := strconv.ParseUint(digits, 10, 64)
	if err != nil {
		return fmt.Errorf("id %s: want WRITER-NUMBER", quoted(string(text)))
	}
	writer := string(text[:dash])
	if CheckHost(writer) != nil {
		return fmt.Errorf("id %s: the writer is not a valid host name", quoted(string(text)))
	}
	r.ID = ID{Writer: writer, Seq: seq}
	return nil
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
	if err != nil || !(x > -maxUnix && x < maxUnix) || strings.ContainsAny(text, "nN") {
		return 0, strconv.ErrRange
	}
	n := int64(x)
	if float64(n) != x {
		if x < 0 {
			return 0, strconv.ErrRange
		}
		n++
	}
	return n, nil
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
