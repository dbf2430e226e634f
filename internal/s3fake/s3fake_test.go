package s3fake

import (
	"errors"
	"net/http"
	"slices"
	"testing"

	"reconciler/internal/desired"
)

func TestItsConditionsAreThoseOfS3(t *testing.T) {
	s := New()
	c, ctx := s.Client(), t.Context()
	if _, err := c.Get(ctx, "p/a.jsonl", "", 100); !errors.Is(err, desired.ErrNoObject) {
		t.Errorf("reading an object that is not there gives %v", err)
	}
	if _, err := c.Put(ctx, "p/a.jsonl", `"1"`, []byte("x")); !errors.Is(err, desired.ErrLostRace) {
		t.Errorf("replacing an object that is not there gives %v", err)
	}
	tag, err := c.Put(ctx, "p/a.jsonl", "", []byte("one"))
	if err != nil {
		t.Fatalf("making an object gives %v", err)
	}
	if _, err := c.Put(ctx, "p/a.jsonl", "", []byte("x")); !errors.Is(err, desired.ErrLostRace) {
		t.Errorf("making an object that is there gives %v", err)
	}
	if _, err := c.Get(ctx, "p/a.jsonl", tag, 100); !errors.Is(err, desired.ErrSame) {
		t.Errorf("reading an object that has not changed gives %v", err)
	}
	next, err := c.Put(ctx, "p/a.jsonl", tag, []byte("two"))
	if err != nil || next == tag {
		t.Errorf("replacing an object gives the tag %s after %s (%v)", next, tag, err)
	}
	if _, err := c.Put(ctx, "p/a.jsonl", tag, []byte("x")); !errors.Is(err, desired.ErrLostRace) {
		t.Errorf("replacing an object that has changed gives %v", err)
	}
	o, err := c.Get(ctx, "p/a.jsonl", tag, 100)
	if err != nil || string(o.Body) != "two" || o.Tag != next || o.Modified.IsZero() {
		t.Errorf("the object is read as %q with the tag %s (%v)", o.Body, o.Tag, err)
	}
	s.Write("p/q/b.jsonl", "deeper")
	all, err := c.List(ctx, "p/", 10)
	if err != nil || len(all) != 1 || all[0] != (desired.Listed{Key: "p/a.jsonl", Tag: next, Size: 3}) {
		t.Errorf("listed are %+v (%v), want the one object directly under the prefix", all, err)
	}
}

func TestAKeyThatNoXMLCanHoldHidesNoOther(t *testing.T) {
	s := New()
	keys := []string{"p/a b+c%41.jsonl", "p/bad\x01\x1b<&.jsonl", "p/h.jsonl"}
	for _, key := range keys {
		s.Write(key, "x")
	}
	all, err := s.Client().List(t.Context(), "p/", 10)
	var got []string
	for _, o := range all {
		got = append(got, o.Key)
	}
	if err != nil || !slices.Equal(got, keys) {
		t.Errorf("listed are %q (%v), want %q", got, err, keys)
	}
}

func TestItsFaultsAreBeforeTheEffectOrAfterIt(t *testing.T) {
	for fault, want := range map[Fault]bool{SlowDown: false, FailBefore: false, CutBefore: false, FailAfter: true, CutAfter: true} {
		s := New()
		s.Weather = func(*http.Request) Fault { return fault }
		_, err := s.Client().Put(t.Context(), "k", "", []byte("x"))
		if _, there := s.Body("k"); err == nil || there != want {
			t.Errorf("a write that meets fault %d gives %v, and the object is there: %t, want %t", fault, err, there, want)
		}
	}
}
