package controller

import (
	"maps"
	"net/netip"
	"slices"
	"time"

	"reconciler/internal/observed"
	"reconciler/internal/plan"
)

// settleTime is how long a read that contradicts a confirmed write of ours is
// taken for a stale one, and how long a write without an answer may still land.
// EC2 is eventually consistent (EC2 API reference, "Eventual consistency").
const settleTime = 30 * time.Second

// write is a change of ours that the API has confirmed.
type write struct {
	entry observed.Entry
	gone  bool // the write was a delete
	at    time.Time
	// earlier are the entries of ours that a stale read may still show here.
	// Anything else at this number is newer than the write and somebody else's.
	earlier []observed.Entry
	read    bool // the ACL was read since
	shown   bool // and the read has shown the entry, for sure
}

// certain says that a read which shows the entry is the last word on it. Replace
// and delete are blind: where there was an entry before, another host that saw it
// then may still write over ours. It does so within settleTime, for a look may not
// be older than that.
func (w write) certain(hasty bool) bool { return len(w.earlier) == 0 || hasty }

// mayPrecede says that what was read at the write's number may be older than it.
func (w write) mayPrecede(read observed.Entry, there bool) bool {
	return !there || read == w.entry || slices.Contains(w.earlier, read)
}

// aclMemory is what an actor knows about one ACL besides its last picture.
type aclMemory struct {
	recent  map[int]write // confirmed writes, by rule number
	doubts  map[int]observed.Doubt
	refused map[netip.Prefix]string // bans that the API calls malformed
	denied  map[string]denial       // actions that a policy does not allow
	// contested is when others last changed what is in our window.
	contested time.Time
	hasty     bool // there is no time to wait: a read is believed at once
}

// denial is when AWS denied us an action, and what to say of it.
type denial struct {
	at    time.Time
	words string
}

const (
	// deniedFor is how long an action that was denied is done without.
	deniedFor = 15 * time.Minute
	// contestedFor is how long others count as writing where we do.
	contestedFor = 15 * time.Minute
)

func newACLMemory() *aclMemory {
	return &aclMemory{
		recent: map[int]write{}, doubts: map[int]observed.Doubt{}, refused: map[netip.Prefix]string{}, denied: map[string]denial{},
	}
}

// wrote takes a confirmed write, with the entry that its number had before.
func (m *aclMemory) wrote(n int, w write, before observed.Entry, there bool) {
	const kept = 16 // more writes to one number within settleTime do not happen
	if last := m.recent[n]; w.at.Sub(last.at) < settleTime {
		w.earlier = append(slices.Clone(last.earlier), last.entry)
	}
	if there {
		w.earlier = append(w.earlier, before)
	}
	w.earlier = w.earlier[max(0, len(w.earlier)-kept):]
	m.recent[n] = w
}

// merge makes the picture: what was read, less what contradicts our own recent
// writes, with the doubts that the read did not settle, and what was lost since
// the last picture.
func (m *aclMemory) merge(read observed.ACL, last *observed.ACL, now time.Time) observed.ACL {
	for n, w := range m.recent {
		if now.Sub(w.at) >= settleTime {
			delete(m.recent, n)
			continue
		}
		e, there := read.At(n)
		if !w.mayPrecede(e, there) {
			delete(m.recent, n) // a hand edit; it must be seen at once
			continue
		}
		w.read, w.shown = true, there && e == w.entry && w.certain(m.hasty)
		m.recent[n] = w
		read.Entries = overlay(read.Entries, n, w)
	}
	for n, d := range m.doubts {
		if settled(read, n, d, now) {
			delete(m.doubts, n)
		}
	}
	read.Lost = lost(last, read)
	maps.DeleteFunc(m.denied, func(_ string, d denial) bool { return now.Sub(d.at) >= deniedFor })
	if now.Sub(m.contested) >= contestedFor {
		m.contested = time.Time{}
	}
	return m.annotate(read)
}

// watch notes what others have done to the entries of a usage between two
// pictures. Writes of ours that got no answer are not theirs.
func (m *aclMemory) watch(u observed.Usage, last, next observed.ACL, now time.Time) {
	for n := u.Window.First; n <= u.Window.Last; n++ {
		was, before := last.At(n)
		is, there := next.At(n)
		_, doubt := last.Doubts[n]
		like := before && !was.Allow && was.Shape == u.Shape || there && !is.Allow && is.Shape == u.Shape
		if like && !doubt && (before != there || was != is) {
			m.contested = now
		}
	}
}

// unread says that nothing was read since the last of our writes.
func (m *aclMemory) unread() bool {
	for _, w := range m.recent {
		if !w.read && !w.gone {
			return true
		}
	}
	return false
}

// unshown gives when the first of the entries that no read has shown for sure was
// written; zero: there is none.
func (m *aclMemory) unshown() (first time.Time) {
	for _, w := range m.recent {
		if !w.shown && !w.gone && (first.IsZero() || w.at.Before(first)) {
			first = w.at
		}
	}
	return first
}

// annotate puts on a picture what is known of this moment besides its entries.
func (m *aclMemory) annotate(acl observed.ACL) observed.ACL {
	acl.Doubts = make(map[int]observed.Doubt, len(m.doubts))
	for n, d := range m.doubts {
		acl.Doubts[n] = d
	}
	acl.Refused = make(map[netip.Prefix]string, len(m.refused))
	for p, why := range m.refused {
		acl.Refused[p] = why
	}
	acl.Denied = make(map[string]string, len(m.denied))
	for action, d := range m.denied {
		acl.Denied[action] = d.words
	}
	acl.Unshown = make(map[int]bool, len(m.recent))
	for n, w := range m.recent {
		acl.Unshown[n] = !w.shown && !w.gone
	}
	acl.Contested = !m.contested.IsZero()
	return acl
}

// overlay puts a confirmed write over what was read.
func overlay(entries []observed.Entry, n int, w write) []observed.Entry {
	i, found := slices.BinarySearchFunc(entries, n, func(e observed.Entry, n int) int { return e.Number - n })
	switch {
	case found && w.gone:
		return slices.Delete(slices.Clone(entries), i, i+1)
	case found:
		entries = slices.Clone(entries)
		entries[i] = w.entry
	case !w.gone:
		return slices.Insert(slices.Clone(entries), i, w.entry)
	}
	return entries
}

// settled says that the read, or the time that has passed, shows what became
// of a write without an answer.
func settled(read observed.ACL, n int, d observed.Doubt, now time.Time) bool {
	if d.Repeated { // one effect is there to see; the other may still come
		return now.Sub(d.Since) >= settleTime
	}
	e, there := read.At(n)
	switch plan.Action(d.Action) {
	case plan.Delete:
		if !there {
			return true
		}
	case plan.Create:
		if there { // ours, or another's: then ours can land no more
			return true
		}
	default:
		if !there || !e.Allow && e.Prefix == d.Prefix {
			return true
		}
	}
	return now.Sub(d.Since) >= settleTime
}

// lost gives the denies of the last picture that are gone or changed.
func lost(last *observed.ACL, read observed.ACL) map[netip.Prefix]bool {
	if last == nil {
		return nil
	}
	out := map[netip.Prefix]bool{}
	for _, was := range last.Entries {
		if is, there := read.At(was.Number); !was.Allow && !was.Default() && (!there || is != was) {
			out[was.Prefix] = true
		}
	}
	return out
}

// hostLost gives what the last picture held and the read does not, leaving out
// what has ended by itself. Both lists are sorted.
func hostLost(last *observed.Host, read observed.Host, now time.Time) []netip.Prefix {
	if last == nil {
		return nil
	}
	var out []netip.Prefix
	entries := read.Entries
	for _, was := range last.Entries {
		for len(entries) > 0 && observed.Compare(entries[0].Prefix, was.Prefix) < 0 {
			entries = entries[1:]
		}
		there := len(entries) > 0 && entries[0].Prefix == was.Prefix
		ended := !was.Until.IsZero() && !was.Until.After(now.Add(time.Second))
		if !there && !ended {
			out = append(out, was.Prefix)
		}
	}
	return out
}
