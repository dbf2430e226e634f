// Command stagehand plays all the parts of the demo besides the program itself:
// the bastion's open port, the strangers who knock at it, the colleague who
// deletes a rule by hand, and the witness who writes down every EC2 call.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

const usage = `usage: stagehand redate < SAMPLE > LOG     shift the sample so that it ends now
       stagehand witness ENDPOINT FILE      serve ENDPOINT elsewhere, note each call in FILE
       stagehand listen ADDRESS:PORT...     take connections and close them
       stagehand knock FROM ADDRESS:PORT    exit 0 when FROM can connect, 1 when it cannot
       stagehand rules ACL                  the inbound rules: RULE CIDR ACTION
       stagehand delete ACL RULE            delete an inbound rule`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGTERM, unix.SIGINT)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "stagehand:", err)
		os.Exit(1) //nolint:gocritic // the process ends here, and its signal handler with it
	}
}

func run(ctx context.Context, args []string, in io.Reader, out io.Writer) error {
	part := ""
	if len(args) > 0 {
		part, args = args[0], args[1:]
	}
	switch {
	case part == "redate" && len(args) == 0:
		return redate(in, out, time.Now())
	case part == "witness" && len(args) == 2:
		return witness(ctx, out, args[0], args[1])
	case part == "listen" && len(args) > 0:
		return listen(ctx, out, args)
	case part == "knock" && len(args) == 2:
		return knock(ctx, out, args[0], args[1])
	case part == "rules" && len(args) == 1:
		return rules(ctx, out, args[0])
	case part == "delete" && len(args) == 2:
		rule, err := strconv.ParseInt(args[1], 10, 32)
		if err != nil {
			return fmt.Errorf("reading the rule number: %w", err)
		}
		return deleteRule(ctx, args[0], int32(rule))
	}
	return errors.New(usage)
}
