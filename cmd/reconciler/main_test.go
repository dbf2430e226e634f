package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"reconciler/internal/testenv"
	"reconciler/internal/tool"
)

// envTools names the directories in which the program then looks for firewall
// tools; the real list is fixed, and no setting changes it.
const envTools = "TEST_TOOL_DIRS"

// The test binary is the program where it is called so, that scripts run what is
// tested here, race detector and all.
func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == programName {
		if dirs := os.Getenv(envTools); dirs != "" {
			tool.Dirs = filepath.SplitList(dirs)
		}
		main()
	}
	time.Local = time.UTC // ends are shown in the reader's zone
	testenv.Main(m)
}
