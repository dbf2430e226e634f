package controller

import (
	"cmp"
	"fmt"
	"net/netip"
	"time"

	"reconciler/internal/desired"
	"reconciler/internal/plan"
)

// Source is how one log does.
type Source struct {
	Path    string    `json:"path"`
	Bytes   int64     `json:"bytes"`
	Lag     int64     `json:"lag"` // bytes that are not folded yet
	Skipped int       `json:"skipped"`
	Spooled int64     `json:"spooled"`       // bytes that wait for room on the disk, or for their delivery to S3
	Latest  time.Time `json:"latest"`        // the newest record
	Read    time.Time `json:"read,omitzero"` // when a log in S3 was last found as it is
	Error   string    `json:"error,omitempty"`
	Unknown string    `json:"unknown,omitempty"` // why it may want more than is known
}

// Text gives the source in one line.
func (s Source) Text(now time.Time) string {
	age := "no record yet"
	if s.Unknown != "" {
		age = "nothing is known of it"
	}
	if !s.Latest.IsZero() {
		age = "latest record " + plan.Short(now.Sub(s.Latest)) + " ago"
	}
	text := fmt.Sprintf("%s: %d bytes, %s", s.Path, s.Bytes, age)
	if !s.Read.IsZero() {
		text += ", read " + plan.Short(now.Sub(s.Read)) + " ago"
	}
	if s.Lag > 0 {
		text += fmt.Sprintf(", %d bytes not read yet", s.Lag)
	}
	if s.Skipped > 0 {
		text += fmt.Sprintf(", %d lines skipped", s.Skipped)
	}
	if s.Spooled > 0 {
		text += fmt.Sprintf(", %d bytes wait in the spool", s.Spooled)
	}
	if s.Unknown != "" {
		text += ", NOT ALL IS KNOWN: " + s.Unknown
	}
	if s.Error != "" {
		text += ", UNAVAILABLE: " + s.Error
	}
	return text
}

// Sources gives how each log does.
func (s *FileStore) Sources(time.Time) []Source {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Source
	for _, log := range s.states() {
		h := log.Health()
		src := Source{Path: h.Path, Bytes: h.Size, Lag: h.Lag, Skipped: h.Skipped, Spooled: h.Spooled, Latest: h.LastRecord, Read: h.Read}
		if gap := log.Gap(); gap != nil {
			src.Unknown = gap.Error()
		}
		if h.Err != nil {
			src.Error = h.Err.Error()
		}
		out = append(out, src)
	}
	return out
}

// Claim is a wish of a jail with the log that it is in.
type Claim struct {
	desired.Claim
	Source string
}

// Claims returns what is wished for a prefix, for what contains it and for what
// lies in it, log by log. A log on this machine names no host: here it is.
func (s *FileStore) Claims(p netip.Prefix, here string, now time.Time) []Claim {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Claim
	for _, log := range s.states() {
		for c := range log.Fold().Claims(now) {
			if c.Prefix.Overlaps(p) {
				c.Host = cmp.Or(c.Host, here)
				out = append(out, Claim{c, log.Health().Path})
			}
		}
	}
	return out
}
