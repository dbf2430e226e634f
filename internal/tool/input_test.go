package tool

import (
	"bytes"
	"strings"
	"testing"
)

// A program that is fed through a pipe takes half a line for a whole one when
// its caller dies; test/crash has the case.
func TestTheInputOfAProgramIsWholeBeforeItStarts(t *testing.T) {
	out, err := Exec{}.Run(t.Context(), []byte("text"), "readlink", "/proc/self/fd/0")
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasPrefix(string(out), "pipe:") {
		t.Errorf("standard input is %s, want no pipe", out)
	}
	long := bytes.Repeat([]byte("0123456789abcde\n"), 1<<16) // more than any pipe holds
	if out, err = (Exec{}).Run(t.Context(), long, "cat"); err != nil || !bytes.Equal(out, long) {
		t.Errorf("of %d bytes of input the program saw %d (%v)", len(long), len(out), err)
	}
	if out, err = (Exec{}).Run(t.Context(), nil, "cat"); err != nil || len(out) != 0 {
		t.Errorf("without input the program saw %q (%v)", out, err)
	}
}
