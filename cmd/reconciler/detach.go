package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

const (
	scratchFlag = "scratch"
	theEnd      = "# That is all." // the last line that a sandbox prints
	detachWait  = 20 * time.Second // until it does
	// nowhere is an address at which nothing answers: port 1 is nobody's.
	nowhere = "http://127.0.0.1:1"
)

// detach starts the sandbox in the background and prints what a shell is to do.
// The shell does whatever it can of that, so a failure is part of it.
func (s sandbox) detach(cmd *cobra.Command) error {
	lines, pid, err := s.start()
	if err != nil {
		lines = cutOff + exports(awayFromAWS([]string{
			"AWS_ENDPOINT_URL=" + nowhere, "AWS_EC2_METADATA_SERVICE_ENDPOINT=" + nowhere, "AWS_REGION=none",
			"AWS_ACCESS_KEY_ID=none", "AWS_SECRET_ACCESS_KEY=none",
		})) + "false\n"
	}
	if _, writeErr := io.WriteString(cmd.OutOrStdout(), lines); err != nil || writeErr != nil {
		return errors.Join(err, writeErr)
	}
	//nolint:errcheck // there is nowhere else to say it
	fmt.Fprintf(cmd.ErrOrStderr(), "reconciler: a sandbox answers as process %d; the shell that evaluates this plays with it, and talks to no AWS any more. To end it: kill %d\n", pid, pid)
	return nil
}

// start starts the sandbox as a process of its own, and returns what it printed
// once it answers.
func (s sandbox) start() (lines string, pid int, err error) {
	self, err := os.Executable()
	if err != nil {
		return "", 0, fmt.Errorf("finding this program: %w", err)
	}
	said, err := os.CreateTemp("", "reconciler-sandbox-*.log")
	if err != nil {
		return "", 0, fmt.Errorf("making the sandbox's log: %w", err)
	}
	defer func() { err = errors.Join(err, os.Remove(said.Name()), said.Close()) }()
	child := exec.Command(self, "sandbox", "--"+scratchFlag, "--listen", s.listen, "--state-file", s.file, "--quota", strconv.Itoa(s.quota)) //nolint:noctx // it is to outlive this one
	child.Args[0] = os.Args[0]
	child.Stderr = said
	child.SysProcAttr = &unix.SysProcAttr{Setsid: true}
	out, err := child.StdoutPipe()
	if err != nil {
		return "", 0, err
	}
	if err := child.Start(); err != nil {
		return "", 0, fmt.Errorf("starting the sandbox: %w", err)
	}
	late := time.AfterFunc(detachWait, func() { _ = child.Process.Kill() })
	defer late.Stop()
	lines, ready := untilTheEnd(out)
	if ready {
		return lines, child.Process.Pid, nil
	}
	waited := child.Wait()
	words, err := os.ReadFile(said.Name())
	if text := strings.TrimSpace(strings.TrimPrefix(string(words), "reconciler: ")); text != "" {
		return "", 0, fmt.Errorf("the sandbox does not start: %s", text)
	}
	return "", 0, errors.Join(fmt.Errorf("the sandbox does not start: %w", waited), err)
}

// untilTheEnd reads what a sandbox prints when it is ready.
func untilTheEnd(r io.Reader) (lines string, ready bool) {
	var b strings.Builder
	scanner := bufio.NewScanner(r)
	for scanner.Scan() {
		if scanner.Text() == theEnd {
			return b.String(), true
		}
		b.WriteString(scanner.Text() + "\n")
	}
	return "", false
}
