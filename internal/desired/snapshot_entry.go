package desired

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/valyala/fastjson"
)

// The kinds of lines in a snapshot.
const (
	kindServer  = "server"
	kindPair    = "pair"
	kindPattern = "pattern"
	kindClaim   = "claim"
	kindTomb    = "tomb"
	kindLifted  = "lifted"
	kindNote    = "note"
	kindKnown   = "writer"
	kindBad     = "bad"
	kindEnd     = "end"
)

// entry is one line of a snapshot after its header. Which fields count depends
// on the kind; a zero field is not written.
type entry struct {
	kind       string
	prefix     netip.Prefix
	host, jail string
	text       string // a reason, an error or a checksum
	count      int64
	seq        uint64

	at, until, last, flush, deadline, turned, kept time.Time

	pattern bool // a tombstone of a pattern
	marked  bool // banned of a pair, noted of a claim
	running bool // of a pair
	trial   bool // of a claim
}

// append writes the entry as one line without its newline.
func (e *entry) append(dst []byte) []byte {
	dst = append(dst, `{"kind":"`...)
	dst = append(dst, e.kind...)
	dst = append(dst, '"')
	if e.prefix.IsValid() {
		dst = append(appendName(dst, "ip"), '"')
		dst = append(appendPrefix(dst, e.prefix), '"')
	}
	dst = appendTextField(dst, "host", e.host)
	dst = appendTextField(dst, "jail", e.jail)
	dst = appendTextField(dst, "text", e.text)
	if e.count != 0 {
		dst = appendIntField(dst, "count", e.count)
	}
	if e.seq != 0 {
		dst = strconv.AppendUint(appendName(dst, "seq"), e.seq, 10)
	}
	dst = appendTimeField(dst, "at", e.at)
	dst = appendTimeField(dst, "until", e.until)
	dst = appendTimeField(dst, "last", e.last)
	dst = appendTimeField(dst, "flush", e.flush)
	dst = appendTimeField(dst, "deadline", e.deadline)
	dst = appendTimeField(dst, "turned", e.turned)
	dst = appendTimeField(dst, "kept", e.kept)
	if e.pattern {
		dst = append(dst, `,"pattern":true`...)
	}
	if e.marked {
		dst = append(dst, `,"marked":true`...)
	}
	if e.running {
		dst = append(dst, `,"running":true`...)
	}
	if e.trial {
		dst = append(dst, `,"trial":true`...)
	}
	return append(dst, '}')
}

// entryReader reads entries and reuses its memory.
type entryReader struct {
	parser Parser
	entry  entry
	err    error
}

// read gives the entry of one line; it is valid until the next call.
func (r *entryReader) read(line []byte) (*entry, error) {
	if !utf8.Valid(line) {
		return nil, errors.New("not valid UTF-8")
	}
	v, err := r.parser.json.ParseBytes(line)
	if err != nil {
		return nil, errors.New("not JSON")
	}
	object, err := v.Object()
	if err != nil {
		return nil, errors.New("not a JSON object")
	}
	r.entry, r.err = entry{}, nil
	object.Visit(func(key []byte, v *fastjson.Value) {
		if err := r.field(string(key), v); err != nil && r.err == nil {
			r.err = fmt.Errorf("%s: %w", quoted(string(key)), err)
		}
	})
	return &r.entry, r.err
}

func (r *entryReader) field(name string, v *fastjson.Value) error {
	e := &r.entry
	switch name {
	case "kind":
		return r.text(v, &e.kind)
	case "ip":
		text, err := v.StringBytes()
		if err != nil {
			return err
		}
		e.prefix, err = ParsePrefix(string(text))
		return err
	case "host":
		return r.text(v, &e.host)
	case "jail":
		return r.text(v, &e.jail)
	case "text":
		return r.freeText(v)
	case "count":
		n, err := v.Int64()
		e.count = n
		return err
	case "seq":
		n, err := v.Uint64()
		e.seq = n
		return err
	}
	if slot := e.flagSlot(name); slot != nil {
		b, err := v.Bool()
		*slot = b
		return err
	}
	return r.time(name, v)
}

func (e *entry) flagSlot(name string) *bool {
	switch name {
	case "pattern":
		return &e.pattern
	case "marked":
		return &e.marked
	case "running":
		return &e.running
	case "trial":
		return &e.trial
	}
	return nil
}

func (r *entryReader) time(name string, v *fastjson.Value) error {
	slot := r.entry.timeSlot(name)
	if slot == nil {
		return errors.New("the field is not known")
	}
	if v.Type() != fastjson.TypeNumber {
		return errors.New("want a number")
	}
	var err error
	*slot, err = parseUnix(r.parser.numberOf(v))
	return err
}

func (e *entry) timeSlot(name string) *time.Time {
	switch name {
	case "at":
		return &e.at
	case "until":
		return &e.until
	case "last":
		return &e.last
	case "flush":
		return &e.flush
	case "deadline":
		return &e.deadline
	case "turned":
		return &e.turned
	case "kept":
		return &e.kept
	}
	return nil
}

// text reads a short name, which repeats a lot.
func (r *entryReader) text(v *fastjson.Value, to *string) error {
	var err error
	*to, err = r.parser.name("name", v, JailName)
	return err
}

func (r *entryReader) freeText(v *fastjson.Value) error {
	text, err := v.StringBytes()
	r.entry.text = string(text)
	return err
}
