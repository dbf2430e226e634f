// Command figures measures what the documentation claims, each beside a
// reference that runs on the same machine in the same minute. It needs root and
// runs in a private network namespace: see `make figures`.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: figures PATH-OF-RECONCILER")
		os.Exit(2)
	}
	dir, err := os.MkdirTemp("", "figures")
	if err == nil {
		err = measure(os.Args[1], dir)
		_ = os.RemoveAll(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "figures:", err)
		os.Exit(1)
	}
}

// bench knows the program and where it may write.
type bench struct {
	program string
	dir     string
	log     string
}

func measure(program, dir string) error {
	b := &bench{program: program, dir: dir, log: filepath.Join(dir, "bans.jsonl")}
	for _, step := range []func() error{b.appendTime, b.enforceTime, func() error { return b.coldStart(10_000) }, func() error { return b.coldStart(100_000) }} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// command prepares the program with the state in a directory of ours.
func (b *bench) command(args ...string) *exec.Cmd {
	cmd := exec.Command(b.program, args...)
	cmd.Env = append(os.Environ(), "RECONCILER_STATE="+b.log, "RECONCILER_RUN_DIR="+b.dir, "RECONCILER_NACL=none")
	return cmd
}

// times runs each command in turn, so that the machine's moods hit all alike.
func times(runs int, makers ...func(i int) *exec.Cmd) ([][]time.Duration, error) {
	out := make([][]time.Duration, len(makers))
	for i := range runs {
		for j, makeOne := range makers {
			cmd := makeOne(i)
			start := time.Now()
			if said, err := cmd.CombinedOutput(); err != nil {
				return nil, fmt.Errorf("%s: %w: %s", strings.Join(cmd.Args, " "), err, said)
			}
			out[j] = append(out[j], time.Since(start))
		}
	}
	return out, nil
}

func show(label string, all []time.Duration) {
	slices.Sort(all)
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	fmt.Printf("%-58s median %8.2f ms   max %8.2f ms   n=%d\n", label, ms(all[len(all)/2]), ms(all[len(all)-1]), len(all))
}

// appendTime times one ban as fail2ban would run it.
func (b *bench) appendTime() error {
	plain := filepath.Join(b.dir, "plain")
	all, err := times(200,
		func(i int) *exec.Cmd {
			return b.command("ban", "--state", b.log, "--", fmt.Sprintf("198.18.0.%d", i+1))
		},
		func(int) *exec.Cmd { return exec.Command("/bin/sh", "-c", `echo x >> "$0"`, plain) },
		func(int) *exec.Cmd { return exec.Command("python3", "-c", "pass") },
	)
	if err != nil {
		return err
	}
	for j, label := range []string{"reconciler ban", "sh -c 'echo x >> f'", "python3 -c pass"} {
		show(label, all[j])
	}
	return nil
}

// enforceTime times from the append of a line to the kernel knowing it.
func (b *bench) enforceTime() error {
	run, err := b.daemon()
	if err != nil {
		return err
	}
	defer run.stop()
	var all []time.Duration
	for i := range 100 {
		time.Sleep(300 * time.Millisecond) // idle again
		addr := fmt.Sprintf("203.0.113.%d", i+1)
		start := time.Now()
		if err := b.append(addr); err != nil {
			return err
		}
		if err := b.await(addr); err != nil {
			return err
		}
		all = append(all, time.Since(start))
	}
	show("append of a line to enforced by ipset, run idle", all)
	return nil
}

func (b *bench) append(addrs ...string) error {
	f, err := os.OpenFile(b.log, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	var text strings.Builder
	for _, a := range addrs {
		fmt.Fprintf(&text, `{"op":"ban","ip":%q,"jail":"sshd","host":"h","time":%d,"bantime":86400}`+"\n", a, time.Now().Unix())
	}
	_, err = f.WriteString(text.String())
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return err
}

const set = "f2b-reconciler-v4"

// await polls the kernel's set.
func (b *bench) await(addr string) error {
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		if exec.Command("ipset", "-q", "test", set, addr).Run() == nil {
			return nil
		}
	}
	return fmt.Errorf("%s is not in the set after a minute", addr)
}

// daemon is a running `reconciler run`.
type daemon struct{ cmd *exec.Cmd }

func (b *bench) daemon() (*daemon, error) {
	d := &daemon{cmd: b.command("run", "--log-level", "error")}
	d.cmd.Stderr = os.Stderr
	return d, d.cmd.Start()
}

func (d *daemon) stop() {
	_ = d.cmd.Process.Signal(os.Interrupt)
	_ = d.cmd.Wait()
}

// coldStart times a daemon from its start to the last of n bans, beside one
// `ipset restore` of the same.
func (b *bench) coldStart(n int) error {
	var cold, raw []time.Duration
	for range 3 {
		if err := b.reset(n); err != nil {
			return err
		}
		elapsed, err := b.rawRestore(n)
		if err != nil {
			return err
		}
		raw = append(raw, elapsed)
		start := time.Now()
		d, err := b.daemon()
		if err != nil {
			return err
		}
		err = b.await(address(n - 1))
		cold = append(cold, time.Since(start))
		d.stop()
		if err != nil {
			return err
		}
	}
	show(fmt.Sprintf("%d bans: start of run to all enforced", n), cold)
	show(fmt.Sprintf("%d bans: one ipset restore", n), raw)
	return nil
}

func address(i int) string {
	return fmt.Sprintf("11.%d.%d.%d", i>>16, i>>8&255, i&255)
}

// reset starts from an empty firewall and a log of n bans.
func (b *bench) reset(n int) error {
	if err := b.command("teardown").Run(); err != nil {
		return fmt.Errorf("tearing down: %w", err)
	}
	for _, suffix := range []string{"", ".snap"} {
		if err := os.Remove(b.log + suffix); err != nil && !os.IsNotExist(err) {
			return err
		}
	}
	addrs := make([]string, n)
	for i := range addrs {
		addrs[i] = address(i)
	}
	return b.append(addrs...)
}

func (b *bench) rawRestore(n int) (time.Duration, error) {
	var text strings.Builder
	text.WriteString("create figures hash:net family inet maxelem 2097152 timeout 0\n")
	for i := range n {
		fmt.Fprintf(&text, "add figures %s timeout 86400\n", address(i))
	}
	cmd := exec.Command("ipset", "restore")
	cmd.Stdin = strings.NewReader(text.String())
	start := time.Now()
	if said, err := cmd.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("ipset restore: %w: %s", err, said)
	}
	elapsed := time.Since(start)
	return elapsed, exec.Command("ipset", "destroy", "figures").Run()
}
