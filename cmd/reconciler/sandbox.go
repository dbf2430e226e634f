package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"reconciler/internal/ec2sim"
)

func sandboxCommand() *cobra.Command {
	var listen, file string
	var quota int
	cmd := &cobra.Command{
		Use:   "sandbox",
		Short: "Serve a stand-in for AWS on this machine, to try things out",
		Long: `Serve an embedded EC2 endpoint (Network ACLs with AWS's rules, and instance metadata)
on loopback, and print the environment that points the other commands and the aws CLI at it.
It is no AWS: nothing leaves this machine.`,
		Example: "  reconciler sandbox > env & . ./env; reconciler acl",
		Args:    noArgs,
	}
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:4566", "loopback `ADDRESS` to serve on")
	cmd.Flags().StringVar(&file, "state-file", "", "keep the endpoint's state in `FILE`")
	cmd.Flags().IntVar(&quota, "quota", 20, "rules per direction and family, the default deny counted")
	cmd.RunE = func(*cobra.Command, []string) error {
		if quota < 1 || quota > 40 { // 40 is the most that AWS grants
			return fmt.Errorf("--quota %d: it is between 1 and 40", quota)
		}
		ctx, stop := contextOf(cmd)
		defer stop()
		return ec2sim.Sandbox(ctx, ec2sim.SandboxOptions{
			Listen: listen, StateFile: file, Quota: quota,
			Ready: func(env, acls []string) {
				fmt.Fprintf(cmd.OutOrStdout(), "# Network ACLs of this sandbox: %s\n", strings.Join(acls, " ")) //nolint:errcheck // the environment is for people
				for _, line := range env {
					fmt.Fprintf(cmd.OutOrStdout(), "export %s\n", line) //nolint:errcheck // the environment is for people
				}
			},
		})
	}
	return cmd
}
