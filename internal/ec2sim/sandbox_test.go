package ec2sim

import (
	"context"
	"path/filepath"
	"testing"
)

func TestASandboxKeepsItsStateInAFileAndTakesTheQuotaItIsGiven(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state.json")
	first := ""
	for _, quota := range []int{20, 40} {
		ctx, cancel := context.WithCancel(t.Context())
		var acls, env []string
		err := Sandbox(ctx, SandboxOptions{Listen: "127.0.0.1:0", StateFile: file, Quota: quota, Ready: func(e, a []string) {
			env, acls = e, a
			cancel()
		}})
		if err != nil {
			t.Fatalf("serving a sandbox with quota %d: %v", quota, err)
		}
		if len(acls) != 1 || len(env) == 0 {
			t.Fatalf("the sandbox told the ACLs %v and the environment %v, want one ACL and an environment", acls, env)
		}
		if first == "" {
			first = acls[0]
		}
		if acls[0] != first {
			t.Errorf("after a restart the ACL is %s, want %s from the state file", acls[0], first)
		}
	}
	s := New(Options{})
	if err := s.Load(file); err != nil || s.Quota() != 20 {
		t.Errorf("the file says quota %d (%v), want the 20 of its last change", s.Quota(), err)
	}
}
