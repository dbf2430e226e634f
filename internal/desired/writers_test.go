package desired

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
)

// writerEnv makes the test binary one of the writers: its value is the log, and
// the arguments are its number and how many lines it has to write.
const writerEnv = "DESIRED_TEST_WRITER"

func TestMain(m *testing.M) {
	path := os.Getenv(writerEnv)
	if path == "" {
		os.Exit(m.Run())
	}
	if err := writeAs(path, os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// writeAs appends bans of 10.N.x.y, ten in a call: each call waits for the disk.
func writeAs(path, number, lines string) error {
	n, err := strconv.Atoi(lines)
	if err != nil {
		return err
	}
	f := NewFile(path)
	f.RunDir = filepath.Dir(path)
	var batch []Record
	turn := bufio.NewReader(os.Stdin)
	for i := range n {
		if i%linesPerTurn == 0 {
			if _, err := turn.ReadString('\n'); err != nil {
				return err
			}
		}
		prefix, err := netip.ParsePrefix(fmt.Sprintf("10.%s.%d.%d/32", number, i/250, i%250))
		if err != nil {
			return err
		}
		batch = append(batch, Record{Op: OpBan, Prefix: prefix, Bantime: Permanent})
		if len(batch) < 10 && i < n-1 {
			continue
		}
		spooled, err := f.Append(context.Background(), batch...)
		if err != nil || spooled != nil {
			return errors.Join(err, fmt.Errorf("spooled: %v", spooled))
		}
		batch = batch[:0]
	}
	return nil
}

// linesPerTurn is how many lines a writer writes before it waits for a newline
// on its standard input: so that compactions and writes overlap again and again
// on machines of any speed.
const linesPerTurn = 500

// Shell writers: the first opens the log for every line, the second holds it
// open from before the first compaction on.
const (
	reopening = `i=0; while [ $i -lt "$3" ]; do if [ $((i%500)) -eq 0 ]; then read turn; fi; echo "{\"op\":\"ban\",\"ip\":\"10.$2.$((i/250)).$((i%250))\",\"bantime\":-1}" >> "$1"; i=$((i+1)); done`
	holding   = `exec 3>>"$1"; i=0; while [ $i -lt "$3" ]; do if [ $((i%500)) -eq 0 ]; then read turn; fi; echo "{\"op\":\"ban\",\"ip\":\"10.$2.$((i/250)).$((i%250))\",\"bantime\":-1}" >&3; i=$((i+1)); done`
)

func TestCompactionLosesNoLineOfEightWriters(t *testing.T) {
	const lines = 3000
	for name, dir := range fileSystems(t) {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.path = filepath.Join(dir, "bans.jsonl")
			b.file = b.open(true)
			b.load(true)
			inode := b.file.inode
			writers := startWriters(t, b.path, lines)
			for range lines / linesPerTurn {
				writers.turn(t)
				for !b.compact() && !writers.finished() {
				}
			}
			for !writers.finished() {
				b.compact()
			}
			if err := writers.err; err != nil {
				t.Error(err)
			}
			b.refresh()
			if b.file.inode != inode {
				t.Error("the inode changed")
			}
			if bad := b.file.Bad(); len(bad) > 0 {
				t.Errorf("%d lines were damaged, the first: %v", b.file.Health().Skipped, bad[0])
			}
			b.wantCount(8 * lines)
			if err := b.restart(); err != nil {
				t.Fatal(err)
			}
			b.wantCount(8 * lines)
		})
	}
}

// compact reads what is new and says whether some of the log was cut off.
func (b *bench) compact() bool {
	b.t.Helper()
	b.refresh()
	cut, err := b.file.Compact(Memory{}, b.now)
	if err != nil {
		b.t.Fatal(err)
	}
	return cut > 0
}

// crew is the writers at work.
type crew struct {
	inputs []io.WriteCloser
	done   chan struct{}
	err    error // of all of them, once done is closed
}

func startWriters(t *testing.T, path string, lines int) *crew {
	t.Helper()
	c := &crew{done: make(chan struct{})}
	var commands []*exec.Cmd
	for i := range 8 {
		cmd := writerCommand(path, i, lines)
		in, err := cmd.StdinPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = cmd.Process.Kill() })
		commands, c.inputs = append(commands, cmd), append(c.inputs, in)
	}
	go func() {
		defer close(c.done)
		for i, cmd := range commands {
			if err := cmd.Wait(); err != nil {
				c.err = errors.Join(c.err, fmt.Errorf("writer %d: %w: %s", i, err, cmd.Stderr))
			}
		}
	}()
	return c
}

func writerCommand(path string, number, lines int) *exec.Cmd {
	n, count := strconv.Itoa(number), strconv.Itoa(lines)
	cmd := exec.Command("/bin/sh", "-c", reopening, "sh", path, n, count)
	switch {
	case number >= 4:
		cmd = exec.Command(os.Args[0], n, count)
		cmd.Env = append(os.Environ(), writerEnv+"="+path)
	case number >= 2:
		cmd = exec.Command("/bin/sh", "-c", holding, "sh", path, n, count)
	}
	cmd.Stderr = new(bytes.Buffer)
	return cmd
}

func (c *crew) finished() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// turn lets every writer go on.
func (c *crew) turn(t *testing.T) {
	t.Helper()
	for i, in := range c.inputs {
		if _, err := io.WriteString(in, "\n"); err != nil && !c.finished() {
			t.Errorf("writer %d died: %v", i, err)
		}
	}
}
