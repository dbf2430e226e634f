package ec2sim

import "context"

// SandboxOptions says how a sandbox is served.
type SandboxOptions struct {
	Listen    string // a loopback address and port; port 0 takes a free one
	StateFile string // keeps the account; empty: it ends with the process
	Quota     int    // rules per direction and family, the default deny counted
	// Ready is called once the endpoint answers, with the environment
	// (NAME=VALUE) that points clients at it and the IDs of its ACLs.
	Ready func(env, acls []string)
}

// Sandbox serves an account with one bastion on loopback until the context ends.
func Sandbox(ctx context.Context, o SandboxOptions) error {
	s := New(Options{Quota: o.Quota})
	s.Bastion()
	if o.StateFile != "" {
		if _, err := s.Persist(o.StateFile); err != nil {
			return err
		}
		s.SetQuota(o.Quota)
	}
	l, err := Listen(o.Listen)
	if err != nil {
		return err
	}
	o.Ready(s.Env("http://"+l.Addr().String()), s.ACLs())
	return s.Serve(ctx, l)
}
