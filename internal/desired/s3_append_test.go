package desired

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"
)

func bucketOf(store Objects) Bucket {
	return Bucket{Objects: store, Address: mustAddress(hostLogs), Limit: 1 << 20, Timeout: 10 * time.Second}
}

func numberedID(n uint64) ID { return ID(fmt.Sprintf("w-%d", n)) }

// numberedRecord is a ban with an id.
func numberedRecord(seq uint64) Record {
	return Record{
		Op: OpBan, Prefix: mustPrefix(fmt.Sprintf("10.0.%d.%d/32", seq/250, seq%250+1)), Jail: "j", Host: "h",
		Time: at(1000), Bantime: 1000, ID: numberedID(seq),
	}
}

// idsIn gives how often each id is in a log, marks not counted.
func idsIn(t testing.TB, body string) map[ID]int {
	t.Helper()
	ids := map[ID]int{}
	for line := range strings.Lines(body) {
		rec, err := ParseRecord([]byte(strings.TrimSuffix(line, "\n")))
		if err != nil {
			t.Fatalf("the object holds %q: %v", line, err)
		}
		if rec.Op != OpSeen {
			ids[rec.ID]++
		}
	}
	return ids
}

func TestAnAppendComesThroughEveryAnswerThatMayPass(t *testing.T) {
	for name, answer := range map[string]struct{ before, after error }{
		"412 or 409, not written":     {before: ErrLostRace},
		"503 SlowDown":                {before: ErrSlowDown},
		"no answer, not written":      {before: errWeather},
		"no answer, though written":   {after: errWeather},
		"412 after an own success":    {after: ErrLostRace},
		"a 503 though it was written": {after: ErrSlowDown},
	} {
		for _, existing := range []string{"", banLine("192.0.2.1", "a", 1) + "\n", banLine("192.0.2.1", "a", 1)} {
			t.Run(fmt.Sprintf("%s, into %d bytes", name, len(existing)), func(t *testing.T) {
				store := newFakeStore()
				if existing != "" {
					store.put("k", existing)
				}
				puts := 0
				store.setWeather(func(call, _ string) (error, error) {
					if call != "put" {
						return nil, nil
					}
					if puts++; puts > 2 {
						return nil, nil
					}
					return answer.before, answer.after
				})
				if _, err := bucketOf(store).Append(t.Context(), "k", []Record{numberedRecord(1), numberedRecord(2)}); err != nil {
					t.Fatalf("the append fails: %v", err)
				}
				ids := idsIn(t, store.body("k"))
				if ids[numberedID(1)] != 1 || ids[numberedID(2)] != 1 {
					t.Errorf("the records are there %v times, want once each:\n%s", ids, store.body("k"))
				}
				if existing != "" && !strings.HasPrefix(store.body("k"), strings.TrimSuffix(existing, "\n")+"\n") {
					t.Errorf("what was there is changed:\n%s", store.body("k"))
				}
			})
		}
	}
}

func TestAnAppendAfterADeletionMakesTheObjectAnew(t *testing.T) {
	store := newFakeStore()
	store.put("k", banLine("192.0.2.1", "a", 1)+"\n")
	deleted := false
	store.setWeather(func(call, key string) (error, error) {
		if call == "put" && !deleted {
			deleted = true
			store.remove(key)
		}
		return nil, nil
	})
	if _, err := bucketOf(store).Append(t.Context(), "k", []Record{numberedRecord(1)}); err != nil {
		t.Fatal(err)
	}
	if ids := idsIn(t, store.body("k")); ids[numberedID(1)] != 1 {
		t.Errorf("the record is not in the new object: %q", store.body("k"))
	}
}

func TestAnAppendEndsAtOnceWhereTryingHasNoUse(t *testing.T) {
	for _, final := range []error{ErrRefused, ErrTooLarge} {
		store := newFakeStore()
		store.setWeather(func(_, _ string) (error, error) { return final, nil })
		_, err := bucketOf(store).Append(t.Context(), "k", []Record{numberedRecord(1)})
		if !errors.Is(err, final) || store.count("get") != 1 {
			t.Errorf("%v after %d calls, want %v after one", err, store.count("get"), final)
		}
	}
}

func TestAnObjectThatMayNotBeReadIsMadeButNeverOverwritten(t *testing.T) {
	store := newFakeStore()
	store.setWeather(func(call, _ string) (error, error) {
		if call == "get" {
			return ErrHidden, nil // S3 says so of a missing object to who may not list
		}
		return nil, nil
	})
	if _, err := bucketOf(store).Append(t.Context(), "k", []Record{numberedRecord(1)}); err != nil {
		t.Errorf("the first append gives %v", err)
	}
	before := store.body("k")
	if _, err := bucketOf(store).Append(t.Context(), "k", []Record{numberedRecord(2)}); !errors.Is(err, ErrRefused) {
		t.Errorf("an append to an object that may not be read gives %v, not ErrRefused", err)
	}
	if before == "" || store.body("k") != before {
		t.Errorf("the object was %q and is %q", before, store.body("k"))
	}
}

func TestAnAppendIsBoundedInTime(t *testing.T) {
	store := newFakeStore()
	store.setWeather(store.down)
	b := bucketOf(store)
	b.Timeout = 50 * time.Millisecond
	if _, err := b.Append(t.Context(), "k", []Record{numberedRecord(1)}); !errors.Is(err, errWeather) {
		t.Errorf("it ends with %v, not with the last cause", err)
	}
}

func TestAnAppendDoesNotLetAnObjectGrowOverTheLimit(t *testing.T) {
	store := newFakeStore()
	b := bucketOf(store)
	b.Limit = 50
	if _, err := b.Append(t.Context(), "k", []Record{numberedRecord(1)}); !errors.Is(err, ErrTooLarge) || store.body("k") != "" {
		t.Errorf("the append gives %v and leaves %q", err, store.body("k"))
	}
}

// stormy gives each call a chance to fail before its effect or after it.
func stormy(chance float64) func(string, string) (error, error) {
	pick := func() error { return []error{errWeather, ErrSlowDown, ErrLostRace}[rand.IntN(3)] }
	return func(call, _ string) (before, after error) {
		if call == "get" && rand.Float64() < chance {
			return errWeather, nil
		}
		if call == "put" && rand.Float64() < chance {
			return pick(), nil
		}
		if call == "put" && rand.Float64() < chance {
			return nil, pick()
		}
		return nil, nil
	}
}

func TestWritersInBadWeatherLoseAndDoubleNothingWhileACompactorRuns(t *testing.T) {
	bothForms(t, func(t *testing.T, address string) {
		const writers, each = 6, 15
		store := newFakeStore()
		store.setWeather(stormy(0.2))
		var group sync.WaitGroup
		for w := range writers {
			s := newStation(t, store, address, fmt.Sprintf("h%d", w))
			s.small = 1 << 11
			s.open()
			group.Go(func() {
				for i := range each {
					s.record(banLine(fmt.Sprintf("10.%d.0.%d", w, i+1), s.host, 1000))
					if i%5 == 4 {
						s.open() // the daemon dies and comes back
					}
					_ = s.turn()
				}
			})
		}
		group.Wait()
		store.setWeather(nil)
		reader := newStation(t, store, address, "reader").open()
		reader.mustTurn()
		// What is not delivered yet is in a spool: deliver it now.
		deliverAll(t, store)
		reader.mustTurn()
		seen := map[string]int{}
		for key := range store.objects {
			for id, n := range idsIn(t, store.body(key)) {
				if n != 1 {
					t.Errorf("%v is there %d times", id, n)
				}
				seen[key]++
			}
		}
		if got := len(reader.set().Bans); got != writers*each {
			t.Errorf("%d bans are wanted in the end, want %d; records by object: %v", got, writers*each, seen)
		}
	})
}
