package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"reconciler/internal/ec2sim"
)

// sandbox is the stand-in for AWS as its flags describe it.
type sandbox struct {
	listen, file string
	quota        int
	scratch      bool // with a state of its own
}

func sandboxCommand() *cobra.Command {
	var s sandbox
	var detach bool
	cmd := &cobra.Command{
		Use:   "sandbox",
		Short: "Serve a stand-in for AWS on this machine, to try things out",
		Long: `Serve an embedded EC2 endpoint (Network ACLs with AWS's rules, and instance metadata)
on loopback, and print the environment that points the other commands and the aws CLI at it.
It is no AWS: nothing leaves this machine.

With --detach it runs in the background, on a free port unless --listen names one, and what is
printed also gives the commands a log, a state and settings of their own, without a host firewall:
nothing of this machine is touched, and no root is needed. When it cannot start, what is printed
points at nothing, so that the next command does not reach AWS by mistake.`,
		Example: `  eval "$(reconciler sandbox --detach)"   # this shell now plays
  reconciler ban -- 203.0.113.7 && reconciler apply && reconciler acl
  kill $SANDBOX_PID                       # ends it`,
		Args: noArgs,
	}
	cmd.Flags().BoolVar(&detach, "detach", false, "serve in the background, and print all that a shell needs")
	cmd.Flags().StringVar(&s.listen, "listen", "127.0.0.1:4566", "loopback `ADDRESS` to serve on")
	cmd.Flags().StringVar(&s.file, "state-file", "", "keep the endpoint's state in `FILE`")
	cmd.Flags().IntVar(&s.quota, "quota", 20, "rules per direction and family, the default deny counted")
	cmd.Flags().BoolVar(&s.scratch, scratchFlag, false, "for --detach")
	cmd.Flags().MarkHidden(scratchFlag) //nolint:errcheck // the flag is there
	cmd.RunE = func(*cobra.Command, []string) error {
		if detach && !cmd.Flags().Changed("listen") {
			s.listen = "127.0.0.1:0"
		}
		if detach {
			return s.detach(cmd)
		}
		return s.serve(cmd)
	}
	return cmd
}

func (s sandbox) serve(cmd *cobra.Command) error {
	if s.quota < 1 || s.quota > 40 { // 40 is the most that AWS grants
		return fmt.Errorf("--quota %d: it is between 1 and 40", s.quota)
	}
	ctx, stop := contextOf(cmd)
	defer stop()
	complete := exports
	if s.scratch {
		dir, err := os.MkdirTemp("", "reconciler-sandbox-")
		if err != nil {
			return fmt.Errorf("making the directory of the sandbox: %w", err)
		}
		defer os.RemoveAll(dir) //nolint:errcheck // the next clean-up of /tmp takes it
		own, err := scratch(dir)
		if err != nil {
			return err
		}
		complete = func(env []string) string { return cutOff + exports(append(awayFromAWS(env), own...)) }
	}
	return ec2sim.Sandbox(ctx, ec2sim.SandboxOptions{
		Listen: s.listen, StateFile: s.file, Quota: s.quota,
		Ready: func(env, acls []string) {
			fmt.Fprintf(cmd.OutOrStdout(), "# Network ACLs of this sandbox: %s\n%s%s\n", //nolint:errcheck // the environment is for people
				strings.Join(acls, " "), complete(env), theEnd)
		},
	})
}

// scratch makes settings that keep the commands to a directory.
func scratch(dir string) (env []string, err error) {
	file := filepath.Join(dir, "config.yaml")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		return nil, fmt.Errorf("making the settings of the sandbox: %w", err)
	}
	return []string{
		"RECONCILER_CONFIG=" + file,
		"RECONCILER_STATE=" + filepath.Join(dir, "bans.jsonl"),
		"RECONCILER_RUN_DIR=" + filepath.Join(dir, "run"),
		"RECONCILER_SPOOL=" + dir,
		"RECONCILER_CACHE_DIR=" + dir,
		"RECONCILER_HOST=none",
		fmt.Sprintf("RECONCILER_CHAIN=f2b-sandbox-%d", os.Getpid()),
		"RECONCILER_NACL=auto",
		fmt.Sprintf("SANDBOX_PID=%d", os.Getpid()),
	}, nil
}

// awayFromAWS adds what else could lead a client to AWS: endpoints of single
// services and of profiles go over the general one.
func awayFromAWS(env []string) []string {
	out := append([]string{}, env...)
	for _, pair := range env {
		if url, ok := strings.CutPrefix(pair, "AWS_ENDPOINT_URL="); ok {
			for _, service := range []string{"EC2", "S3", "STS"} {
				out = append(out, "AWS_ENDPOINT_URL_"+service+"="+url)
			}
		}
	}
	return append(out, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=false", "AWS_EC2_METADATA_DISABLED=false",
		"AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null")
}

// cutOff takes away what would go before the credentials of the sandbox.
const cutOff = "unset AWS_PROFILE AWS_DEFAULT_PROFILE AWS_SESSION_TOKEN\n"

// exports makes shell commands of an environment.
func exports(env []string) string {
	var b strings.Builder
	for _, pair := range env {
		name, value, _ := strings.Cut(pair, "=")
		if strings.ContainsFunc(value, unplain) {
			value = "'" + strings.ReplaceAll(value, "'", `'\''`) + "'"
		}
		fmt.Fprintf(&b, "export %s=%s\n", name, value)
	}
	return b.String()
}

// unplain reports whether a shell could take a character for more than itself.
func unplain(r rune) bool {
	return !strings.ContainsRune("/:._-+=,@%", r) && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
}
