package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"reconciler/internal/config"
	"reconciler/internal/controller"
	"reconciler/internal/observed"
	"reconciler/internal/plan"
)

func aclCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "acl",
		Short: "Show the inbound rules of the Network ACLs, and whose each is",
		Args:  noArgs,
	}
	config.Register(cmd.Flags())
	out := outputFlag(cmd)
	cmd.RunE = func(*cobra.Command, []string) error {
		if err := out.check(); err != nil {
			return err
		}
		e, err := newEngine(cmd)
		if err != nil {
			return err
		}
		ctx, stop := contextOf(cmd)
		defer stop()
		s, err := e.loop.Status(ctx)
		if hidden(err) {
			return errors.Join(err, e.store.Close())
		}
		if len(s.State.ACLs) == 0 && err == nil {
			err = errors.New("no network ACL is kept here; name one with --nacl acl-…")
		}
		s.Warnings = out.with(s.Warnings, err)
		return errors.Join(err, writeACLs(cmd.OutOrStdout(), *out, s), e.store.Close())
	}
	return cmd
}

type aclReport struct {
	header
	ACLs     []aclRules `json:"acls"`
	Warnings []string   `json:"warnings"`
}

type aclRules struct {
	ID      string    `json:"id"`
	Subnets []string  `json:"subnets"`
	Rules   []aclRule `json:"rules"`
}

type aclRule struct {
	Rule     int    `json:"rule"` // 32767 is the default that AWS makes
	Protocol string `json:"protocol"`
	Prefix   string `json:"prefix"`
	Ports    string `json:"ports"`
	Action   string `json:"action"`
	Owner    string `json:"owner"`
}

// writeACLs writes the inbound rules of every ACL.
func writeACLs(w io.Writer, out output, s controller.Status) (err error) {
	report := aclReport{header: headerAt(s.Time), ACLs: []aclRules{}, Warnings: filled(s.Warnings)}
	for _, acl := range s.State.ACLs {
		owners := s.Owners(acl)
		if out != "json" {
			err = errors.Join(err, writeACL(w, acl, owners))
			continue
		}
		rules := aclRules{ID: acl.ID, Subnets: filled(acl.Subnets), Rules: []aclRule{}}
		for i, e := range acl.Entries {
			rules.Rules = append(rules.Rules, aclRule{
				Rule: e.Number, Protocol: e.Shape.ProtocolName(), Prefix: e.Prefix.String(), Ports: fmt.Sprint(e.Shape.Ports),
				Action: actionOf(e), Owner: fmt.Sprint(owners[i]),
			})
		}
		report.ACLs = append(report.ACLs, rules)
	}
	if out == "json" {
		return writeJSON(w, report)
	}
	return err
}

func actionOf(e observed.Entry) string {
	if e.Allow {
		return "allow"
	}
	return "deny"
}

func writeACL(w io.Writer, acl observed.ACL, owners []observed.Owner) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "%s, inbound\nRULE\tPROTOCOL\tCIDR\tPORTS\tACTION\tOWNER\n", acl.ID) //nolint:errcheck // Flush tells
	for i, e := range acl.Entries {
		number := fmt.Sprint(e.Number)
		if e.Default() {
			number = "*"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", number, e.Shape.ProtocolName(), e.Prefix, e.Shape.Ports, actionOf(e), owners[i]) //nolint:errcheck // Flush tells
	}
	fmt.Fprintln(t) //nolint:errcheck // Flush tells
	return t.Flush()
}

func adoptCommand() *cobra.Command {
	var bantime string
	var force bool
	cmd := &cobra.Command{
		Use:   "adopt ACL",
		Short: "Claim the entries of our shape in our window that no record names",
		Long: `Claim the unclaimed entries of a Network ACL: a host that was lost has left them, and
its log is gone. Each becomes a ban of the jail "adopted", enforced on this host too, and is
deleted after --bantime. A host that lives would lose them then: where another host was seen to
write into the window this is refused; give each host a window of its own with --rules.`,
		Args: oneArg("the ID of a network ACL"),
	}
	config.Register(cmd.Flags())
	cmd.Flags().StringVar(&bantime, "bantime", "1h", "how `LONG` the adopted bans last from now: seconds, 1h, or -1 for ever")
	cmd.Flags().BoolVar(&force, "force", false, "adopt also where another host was seen to write into the window")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		if !strings.HasPrefix(args[0], "acl-") {
			return fmt.Errorf("%q is no network ACL; `reconciler acl` lists them", args[0])
		}
		prefixes, shared, err := unclaimed(cmd, args[0])
		if err != nil {
			return err
		}
		if shared && !force {
			return fmt.Errorf("nothing is adopted from %s: %s; --force adopts all the same", args[0], plan.Claim(args[0], true))
		}
		a := &appender{cmd: cmd, jail: adoptedJail}
		record, err := a.banRecord("", bantime, "adopted from "+args[0], "0")
		if err != nil {
			return err
		}
		if err := a.append(each(record, prefixes)...); err != nil {
			return err
		}
		if len(prefixes) > 0 {
			a.warn("they are deleted when they end; a host that still runs and has made them would lose them")
		}
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s of %s adopted\n", plan.Count(len(prefixes), "entry", "entries"), args[0])
		return err
	}
	return cmd
}

// adoptedJail is the jail that adopted bans are recorded under.
const adoptedJail = "adopted"
