package tool

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// programs puts shell scripts of these names in the only trusted directory.
func programs(t *testing.T, scripts map[string]string) {
	t.Helper()
	dir := t.TempDir()
	for name, script := range scripts {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	before := Dirs
	Dirs = []string{dir, "/usr/bin", "/bin"}
	t.Cleanup(func() { Dirs = before })
}

func TestAProgramGetsInputArgumentsAndACleanEnvironment(t *testing.T) {
	programs(t, map[string]string{"echoer": `cat; echo "[$1][$2][$SECRET][$LC_ALL]"; pwd`})
	t.Setenv("SECRET", "hunter2")
	out, err := Exec{}.Run(t.Context(), []byte("in\n"), "echoer", "a b", "$(reboot)")
	if want := "in\n[a b][$(reboot)][][C]\n/\n"; err != nil || string(out) != want {
		t.Errorf("the program saw %q, want %q (%v)", out, want, err)
	}
}

func TestAFailureCarriesWhatTheProgramSaid(t *testing.T) {
	programs(t, map[string]string{"failer": "echo half; echo 'no  such\nluck' >&2; exit 3"})
	out, err := Exec{}.Run(t.Context(), nil, "failer", "-x")
	var failed *Error
	if !errors.As(err, &failed) || string(out) != "half\n" {
		t.Fatalf("the failure is %v with the output %q", err, out)
	}
	if got := err.Error(); got != "failer -x: no such luck" {
		t.Errorf("the message is %q", got)
	}
}

func TestALongComplaintIsCut(t *testing.T) {
	programs(t, map[string]string{"talker": "i=0; while [ $i -lt 3000 ]; do echo 0123456789 >&2; i=$((i+1)); done; exit 1"})
	_, err := Exec{}.Run(t.Context(), nil, "talker")
	var failed *Error
	if !errors.As(err, &failed) || len(failed.Stderr) != maxStderr {
		t.Fatalf("of a long complaint %d bytes were kept, want %d", len(failed.Stderr), maxStderr)
	}
}

func TestACancelledProgramIsStoppedThoughItsChildHoldsThePipe(t *testing.T) {
	programs(t, map[string]string{"sleeper": "sleep 600 & sleep 600"})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := Exec{}.Run(ctx, nil, "sleeper")
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the error is %v, want the deadline's", err)
	}
}

func TestAProgramThatSucceededIsNotWaitedForThroughItsChild(t *testing.T) {
	programs(t, map[string]string{"leaver": "sleep 20 & echo done"})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if out, err := (Exec{}).Run(ctx, nil, "leaver"); err != nil || string(out) != "done\n" {
		t.Errorf("a program that left a child behind gave %q (%v), want its output and no error", out, err)
	}
}

func TestOnlyTrustedDirectoriesAreSearched(t *testing.T) {
	programs(t, map[string]string{"plain": ""})
	t.Setenv("PATH", t.TempDir())
	if path, err := Find("plain"); err != nil || !filepath.IsAbs(path) {
		t.Errorf("Find gave %q, %v", path, err)
	}
	if err := os.Chmod(filepath.Join(Dirs[0], "plain"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Find("plain"); !errors.Is(err, ErrNotFound) {
		t.Errorf("a file that cannot be executed was found: %v", err)
	}
	_, err := Exec{}.Run(t.Context(), nil, "ipset")
	if !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), "--host iptables") {
		t.Errorf("the error for a missing ipset is %v, want the next step in it", err)
	}
}

func TestConditionsAreReadFromWhatProgramsSay(t *testing.T) {
	cases := []struct {
		says string
		want error
	}{
		{"ipset v7.17: Error in line 3: Hash is full, cannot add more elements", ErrSetFull},
		{"ipset v7.17: The set with the given name does not exist", ErrNoSuchSet},
		{"iptables-nft-restore v1.8.9 (nf_tables): Set nosuch doesn't exist.", ErrNoSuchSet},
		{"ipset v7.17: Set cannot be destroyed: it is in use by a kernel component", ErrSetInUse},
		{"ipset v7.17: Error in line 1: The sets cannot be swapped: their type does not match", ErrSetType},
		{"ipset v7.17: Kernel error received: Operation not permitted", ErrNotPermitted},
		{"iptables-nft-save v1.8.9 (nf_tables): Could not fetch rule set generation id: Permission denied (you must be root)", ErrNotPermitted},
		{"iptables-nft-restore v1.8.9 (nf_tables): Can't open socket to ipset.", ErrNotPermitted},
		{"Another app is currently holding the xtables lock. Stopped waiting after 1s.", ErrBusy},
		{"ip6tables-save v1.8.9 (legacy): Cannot initialize: Address family not supported by protocol", ErrNoFamily},
		{"Chain 'f2b' does not exist", nil},
	}
	for _, c := range cases {
		err := error(&Error{Program: "p", Stderr: c.says, Err: errors.New("exit status 1")})
		for condition := range conditions {
			if got := errors.Is(err, condition); got != errors.Is(c.want, condition) {
				t.Errorf("%q is taken for %q: %t", c.says, condition, got)
			}
		}
	}
}

func TestTheRefusedLineIsRead(t *testing.T) {
	cases := map[string]int{
		"ipset v7.17: Error in line 12: Hash is full": 12,
		"Error in line x: no":                         0,
		"Error in line 0: no":                         0,
		"Error in line 7":                             0,
		"no line":                                     0,
	}
	for says, want := range cases {
		n, ok := (&Error{Stderr: says}).Line()
		if ok != (want > 0) || ok && n != want {
			t.Errorf("%q was read as line %d, %t; want %d", says, n, ok, want)
		}
	}
}
