package testenv

import (
	"fmt"
	"os"
	"testing"

	"reconciler/internal/tool"
)

// Need leaves the test out unless it runs inside the namespace and the
// programs are installed. With CI=true the test fails instead.
func Need(t testing.TB, programs ...string) {
	t.Helper()
	if !inside() {
		LeaveOut(t, "there is no network namespace for it")
	}
	for _, program := range programs {
		NeedProgram(t, program)
	}
}

// NeedProgram gives the path of a program. The test is left out where it is not
// installed; with CI=true it fails instead.
func NeedProgram(t testing.TB, name string) string {
	t.Helper()
	path, err := tool.Find(name)
	if err != nil {
		LeaveOut(t, "%v", err)
	}
	return path
}

// NeedRoot leaves the test out where this is not root: nobody else gives files
// away, or is somebody else. With CI=true the test fails instead.
func NeedRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		LeaveOut(t, "it needs root")
	}
}

// LeaveOut ends a test that cannot run here, for a reason. With CI=true, where
// nothing may be left out, it fails instead.
func LeaveOut(t testing.TB, format string, args ...any) {
	t.Helper()
	why := fmt.Sprintf(format, args...)
	if strict() {
		t.Fatalf("this test must run when CI=true: %s; run: make test-deps", why)
	}
	t.Skipf("left out: %s; run: make test-deps", why)
}

// strict says that nothing may be left out.
func strict() bool { return os.Getenv("CI") == "true" }
