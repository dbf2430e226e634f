package main

import (
	"path/filepath"
	"testing"

	"reconciler/internal/config"
)

func TestWhatOnlyLooksHasNoBackEndToWriteWith(t *testing.T) {
	for _, writing := range []bool{false, true} {
		cmd := planCommand()
		dir := t.TempDir()
		for name, value := range map[string]string{"state": filepath.Join(dir, "bans.jsonl"), "run-dir": dir, "nacl": config.NACLNone} {
			if err := cmd.Flags().Set(name, value); err != nil {
				t.Fatal(err)
			}
		}
		cfg, err := loadConfig(cmd)
		if err != nil {
			t.Fatal(err)
		}
		e, err := engineOf(cmd, cfg, writing)
		if err != nil {
			t.Fatalf("building an engine: %v", err)
		}
		if got := e.loop.Backend != nil; got != writing {
			t.Errorf("an engine that writes: %t, has a back end: %t", writing, got)
		}
		if err := e.store.Close(); err != nil {
			t.Error(err)
		}
	}
}
