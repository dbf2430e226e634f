//go:build e2e

package crash

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// point is a system call by which the process changes something outside of it.
type point struct {
	name, on string // on: the file, or what the descriptor is
}

func (p point) String() string { return strings.TrimSpace(p.name + " " + p.on) }

// names are the system calls at which a process can die to the harm of others.
// A process that starts a program shows as a clone with CLONE_VFORK.
var names = map[uint64]string{
	unix.SYS_WRITE: "write", unix.SYS_PWRITE64: "pwrite", unix.SYS_FSYNC: "fsync", unix.SYS_FDATASYNC: "fdatasync",
	unix.SYS_RENAMEAT: "rename", unix.SYS_RENAMEAT2: "rename", unix.SYS_UNLINKAT: "unlink", unix.SYS_MKDIRAT: "mkdir",
	unix.SYS_FALLOCATE: "fallocate", unix.SYS_FTRUNCATE: "ftruncate", unix.SYS_FCHOWN: "fchown", unix.SYS_FCHMOD: "fchmod",
	unix.SYS_OPENAT: "create", unix.SYS_CONNECT: "connect", unix.SYS_CLONE: "exec", unix.SYS_FLOCK: "flock",
}

// outcome is how a traced process ended.
type outcome struct {
	points []point
	hit    bool // the point at which to interfere was reached
	status int  // the exit status; -1 when it was killed
}

// interference is what happens at a point.
type interference struct {
	do func(t *tracee, tid int) error
	// after adds the points right after a request was sent, before its answer can
	// be there, and right after a program was started.
	after bool
}

// kill is SIGKILL before the call has any effect, or right after one that somebody
// else acts on.
var kill = interference{do: func(t *tracee, _ int) error { return unix.Kill(t.leader, unix.SIGKILL) }, after: true}

// place is the point at which to interfere: the n-th of its kind, from 0. Threads
// may mix points of several kinds in any order, those of one kind hardly.
type place struct {
	point
	n int
}

// nowhere lets a process run undisturbed.
var nowhere = place{}

// trace runs a process and interferes at a place. All threads are followed, programs that it
// starts are not: those live on, as they would. A process that does not end by
// itself is told to end (SIGTERM) once its goal is reached.
func trace(cmd *exec.Cmd, at place, interfere interference, goal func() bool) (outcome, error) {
	runtime.LockOSThread() // every ptrace request must come from one thread
	defer runtime.UnlockOSThread()
	cmd.SysProcAttr = &syscall.SysProcAttr{Ptrace: true}
	if err := cmd.Start(); err != nil {
		return outcome{}, fmt.Errorf("starting %s under ptrace: %w", cmd.Path, err)
	}
	leader := cmd.Process.Pid
	var status unix.WaitStatus
	if _, err := unix.Wait4(leader, &status, unix.WALL, nil); err != nil {
		return outcome{}, fmt.Errorf("waiting for its start: %w", err)
	}
	const options = unix.PTRACE_O_TRACECLONE | unix.PTRACE_O_TRACESYSGOOD | unix.PTRACE_O_EXITKILL
	if err := unix.PtraceSetOptions(leader, options); err != nil {
		return outcome{}, fmt.Errorf("setting ptrace options: %w", err)
	}
	t := &tracee{leader: leader, at: at, interfere: interfere, seen: map[point]int{}, onExit: map[int]func() error{}}
	if err := unix.PtraceSyscall(leader, 0); err != nil {
		return outcome{}, fmt.Errorf("going on: %w", err)
	}
	late, err := endAt(leader, goal)
	if err != nil {
		return outcome{}, err
	}
	err = t.follow()
	_ = cmd.Wait() // its pipes end here; the status is known
	return t.outcome, errors.Join(err, late())
}

// tracee is one traced process.
type tracee struct {
	outcome

	leader    int
	at        place
	interfere interference
	seen      map[point]int        // how many of each kind were reached
	onExit    map[int]func() error // by thread: what to do as its call returns
}

func (t *tracee) follow() error {
	for {
		var status unix.WaitStatus
		tid, err := unix.Wait4(-1, &status, unix.WALL, nil)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return fmt.Errorf("waiting for a thread: %w", err)
		}
		if status.Exited() || status.Signaled() {
			if tid == t.leader {
				t.status = status.ExitStatus() // -1 for a signal
				return nil
			}
			continue
		}
		if err := t.stopped(tid, status); err != nil && !errors.Is(err, unix.ESRCH) {
			return err
		}
	}
}

// stopped handles one stop of one thread and lets it go on.
func (t *tracee) stopped(tid int, status unix.WaitStatus) error {
	deliver := 0
	switch signal := status.StopSignal(); signal {
	case unix.SIGTRAP | 0x80: // a system call
		if err := t.call(tid); err != nil {
			return err
		}
	case unix.SIGTRAP, unix.SIGSTOP: // a ptrace event, or a new thread's first stop
	default:
		deliver = int(signal)
	}
	return unix.PtraceSyscall(tid, deliver)
}

// call handles the entry into a system call, or the return from it.
func (t *tracee) call(tid int) error {
	if do := t.onExit[tid]; do != nil {
		delete(t.onExit, tid)
		return do()
	}
	p, ok := entered(tid)
	if !ok {
		return nil
	}
	if then := effects[p.name]; then != "" && t.interfere.after {
		t.onExit[tid] = func() error { return t.reach(tid, point{then, p.on}) }
	}
	return t.reach(tid, p)
}

// effects are the calls that somebody else acts on, with what they are called
// once they have been made.
var effects = map[string]string{"send": "sent", "exec": "started"}

func (t *tracee) reach(tid int, p point) error {
	t.points = append(t.points, p)
	t.seen[p]++
	if (place{p, t.seen[p] - 1}) != t.at {
		return nil
	}
	t.hit = true
	return t.interfere.do(t, tid)
}

// syscallInfo is struct ptrace_syscall_info of ptrace(2), at the entry of a call.
type syscallInfo struct {
	op     uint8
	_      [3]uint8
	_      uint32
	_, _   uint64
	number uint64
	args   [6]uint64
	_      [2]uint64
}

const (
	ptraceGetSyscallInfo = 0x420e
	syscallEntry         = 1
)

// entered says that the thread is about to enter a system call that is a point.
func entered(tid int) (point, bool) {
	var info syscallInfo
	_, _, errno := unix.Syscall6(unix.SYS_PTRACE, ptraceGetSyscallInfo, uintptr(tid), unsafe.Sizeof(info), uintptr(unsafe.Pointer(&info)), 0, 0)
	name := names[info.number]
	if errno != 0 || info.op != syscallEntry || name == "" {
		return point{}, false
	}
	switch info.number {
	case unix.SYS_CLONE:
		return point{name: name}, info.args[0]&unix.CLONE_VFORK != 0
	case unix.SYS_OPENAT:
		return point{name: name}, info.args[2]&unix.O_CREAT != 0
	case unix.SYS_RENAMEAT, unix.SYS_RENAMEAT2, unix.SYS_UNLINKAT, unix.SYS_MKDIRAT:
		return point{name: name}, true
	}
	on, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", tid, info.args[0]))
	// The runtime wakes its poller through a descriptor of its own; how often
	// is chance, and nobody outside sees it.
	inside := strings.HasPrefix(on, "anon_inode:") || strings.HasPrefix(on, "/memfd:") || on == os.DevNull
	if name == "write" && strings.HasPrefix(on, "socket:") {
		what := request(tid, info.args[1], info.args[2])
		return point{"send", what}, err == nil && what != metadata
	}
	return point{name, kindOf(on)}, err == nil && !inside
}

var (
	action = regexp.MustCompile(`\bAction=(\w+)`)
	verb   = regexp.MustCompile(`^(GET|PUT|POST) (/latest)?`)
)

// metadata is asked by several threads at once, and asking changes nothing.
const metadata = "metadata"

// request names what is in a buffer that goes to a socket: an action of EC2, or
// the verb of HTTP.
func request(tid int, at, size uint64) string {
	buffer := make([]byte, min(size, 4096))
	local := unix.Iovec{Base: &buffer[0]}
	local.SetLen(len(buffer))
	n, err := unix.ProcessVMReadv(tid, []unix.Iovec{local}, []unix.RemoteIovec{{Base: uintptr(at), Len: len(buffer)}}, 0)
	if err != nil {
		return "socket"
	}
	if found := action.FindSubmatch(buffer[:n]); found != nil {
		return string(found[1])
	}
	if found := verb.FindSubmatch(buffer[:n]); found != nil {
		if len(found[2]) > 0 {
			return metadata
		}
		return string(found[1])
	}
	return "socket"
}

// pathSum is in the name of a spool and differs with the path of its log.
var pathSum = regexp.MustCompile(`-[0-9a-f]{16}\b`)

// kindOf leaves out what differs from run to run.
func kindOf(on string) string {
	kind, _, _ := strings.Cut(on, ":[")
	kind = kind[strings.LastIndexByte(kind, '/')+1:]
	return strings.TrimRight(pathSum.ReplaceAllString(kind, ""), "0123456789")
}
