package desired

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// nth gives one of many addresses.
func nth(i int) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 32)
}

// around gives the prefix of a length around one of many addresses.
func around(i, bits int) netip.Prefix { return netip.PrefixFrom(nth(i).Addr(), bits).Masked() }

// heldBefore are what a fold may hold a great number of: the i-th of them.
var heldBefore = map[string]func(i int) Record{
	"bans of one jail": func(i int) Record {
		return Record{Op: OpBan, Prefix: nth(i), Host: "h", Jail: "j", Bantime: -1}
	},
	"jails with a ban each": func(i int) Record {
		return Record{Op: OpBan, Prefix: nth(i), Host: "h", Jail: fmt.Sprint("j", i), Bantime: -1}
	},
	"jails that ban the same address": func(i int) Record {
		return Record{Op: OpBan, Prefix: nth(0), Host: "h", Jail: fmt.Sprint("j", i), Bantime: -1}
	},
	"hosts with a ban each": func(i int) Record {
		return Record{Op: OpBan, Prefix: nth(i), Host: fmt.Sprint("h", i), Jail: "j", Bantime: -1}
	},
	"jails that wait for a flush": func(i int) Record {
		return Record{Op: OpFlush, Host: "h", Jail: fmt.Sprint("j", i), Defer: 5 * time.Second}
	},
	"jails that were restarted": func(i int) Record {
		jail := fmt.Sprint("j", i/3)
		return []Record{
			{Op: OpBan, Prefix: nth(i), Host: "h", Jail: jail, Bantime: -1},
			{Op: OpFlush, Host: "h", Jail: jail, Defer: 30 * time.Second},
			{Op: OpStart, Host: "h", Jail: jail},
		}[i%3]
	},
	"unbans of one jail": func(i int) Record {
		return Record{Op: OpUnban, Prefix: nth(i), Host: "h", Jail: "j"}
	},
	"unbans for all": func(i int) Record { return Record{Op: OpUnban, Prefix: nth(i)} },
}

// comingAfter are the records that come then, again and again.
var comingAfter = map[string]func(i int) Record{
	"unbans of a /24 without a jail":   func(i int) Record { return Record{Op: OpUnban, Prefix: around(i<<8, 24)} },
	"unbans of a /28 of one host":      func(i int) Record { return Record{Op: OpUnban, Prefix: around(i<<4, 28), Host: "h"} },
	"unbans of a /8 without a jail":    func(int) Record { return Record{Op: OpUnban, Prefix: around(0, 8)} },
	"unbans of an address":             func(i int) Record { return Record{Op: OpUnban, Prefix: nth(i)} },
	"unbans of an address in one jail": func(i int) Record { return Record{Op: OpUnban, Prefix: nth(i), Host: "h", Jail: "j"} },
	"flushes of all":                   func(int) Record { return Record{Op: OpFlush, Host: "h", Jail: "j"} },
	"flushes of one jail that wait":    func(int) Record { return Record{Op: OpFlush, Host: "h", Jail: "j", Defer: 30 * time.Second} },
	"stops without a jail":             func(int) Record { return Record{Op: OpStop, Host: "h"} },
	"stops without a host":             func(int) Record { return Record{Op: OpStop, Jail: "j"} },
	"stops that name nothing":          func(int) Record { return Record{Op: OpStop} },
	"starts that name nothing":         func(int) Record { return Record{Op: OpStart} },
	"starts without a jail":            func(int) Record { return Record{Op: OpStart, Host: "h"} },
	"bans of jails that nobody knows yet": func(i int) Record {
		return Record{Op: OpBan, Prefix: nth(i), Host: "h", Jail: fmt.Sprint("new", i), Bantime: -1}
	},
	"flushes and stops of one jail, by turns": func(i int) Record {
		return []Record{{Op: OpFlush, Host: "h", Jail: "j", Defer: 30 * time.Second}, {Op: OpStop, Host: "h", Jail: "j"}}[i%2]
	},
	"flushes, stops and starts of one jail, by turns": func(i int) Record {
		return []Record{{Op: OpFlush, Host: "h", Jail: "j", Defer: 30 * time.Second}, {Op: OpStop, Host: "h", Jail: "j"}, {Op: OpStart, Host: "h", Jail: "j"}}[i%3]
	},
	"bans that are announced": func(i int) Record {
		return Record{Op: OpBan, Prefix: nth(i), Host: "h", Jail: "j", Bantime: -1, Restored: true, Written: at(int64(300 * i))}
	},
}

// The work is counted in pairs and claims that are looked at. Where it grew with
// the product of what is held and what comes, double of both would be four times
// the work.
func TestARecordCostsWhatItTouches(t *testing.T) {
	for heldName, held := range heldBefore {
		for comingName, coming := range comingAfter {
			t.Run(comingName+" after "+heldName, func(t *testing.T) {
				work := func(n int) float64 {
					f := NewFold()
					for i := range 2 * n {
						rec := held(i)
						if i >= n {
							rec = coming(i - n)
						}
						rec.Time = at(int64(i))
						if err := f.Apply(rec, at(0)); err != nil {
							t.Fatal(err)
						}
					}
					return float64(f.touched) + float64(n)
				}
				if once, twice := work(500), work(1000); twice > 2.5*once {
					t.Errorf("500 of each look at %.0f pairs and claims, 1000 of each at %.0f", once, twice)
				}
			})
		}
	}
}

// Past its limit a kind of trace is cut back so far that the next record does not
// do so again.
func TestAtItsLimitATraceCostsNoMore(t *testing.T) {
	for name, coming := range map[string]func(i int) Record{
		"tombstones": func(i int) Record { return Record{Op: OpUnban, Prefix: nth(i), Host: "h", Jail: "j"} },
		"tombstones that end one after the other": func(i int) Record {
			return Record{Op: OpUnban, Prefix: nth(i), Host: "h", Jail: "j", Time: at(int64(i) * 86400 / (maxTombs - 100))}
		},
		"jails with nothing": func(i int) Record { return Record{Op: OpStop, Host: "h", Jail: fmt.Sprint("j", i)} },
		"jails with a ban each": func(i int) Record {
			return Record{Op: OpBan, Prefix: nth(i), Host: "h", Jail: fmt.Sprint("j", i), Bantime: -1}
		},
		"hosts that stop": func(i int) Record { return Record{Op: OpStop, Host: fmt.Sprint("h", i)} },
	} {
		t.Run(name, func(t *testing.T) {
			f := NewFold()
			n := maxPairs + maxPairs/4
			if strings.Contains(name, "tombstones") {
				n = maxTombs + maxTombs/8
			}
			for i := range n {
				if err := f.Apply(coming(i), at(int64(i))); err != nil {
					t.Fatal(err)
				}
			}
			if f.touched > uint64(40*n) {
				t.Errorf("%d records looked at %d pairs, claims and traces", n, f.touched)
			}
		})
	}
}
