package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"strconv"
	"syscall"

	"github.com/spf13/cobra"

	"reconciler/internal/config"
	"reconciler/internal/desired"
)

func checkCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Read the configuration as run would, and say what is wrong with it",
		Long: `Read the configuration as run would: the file, the variables and the flags, and
whether the logs that they name can be opened. Nothing is changed and no network is
used. Each mistake is named with its file and line; the exit status is 1 then.`,
		Example: "  reconciler check && systemctl reload reconciler",
		Args:    noArgs,
	}
	config.Register(cmd.Flags())
	cmd.RunE = func(*cobra.Command, []string) error {
		cfg, err := loadConfig(cmd)
		if err != nil {
			return err
		}
		if err := errors.Join(readByService(cfg.File), opens(cmd, cfg)); err != nil {
			return err
		}
		from := cmp.Or(cfg.File, "no file, so all is as by default, or as variables and flags say")
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "The configuration is good (%s).\n", printable(from))
		return err
	}
	return cmd
}

// readByService asks for root whether the packaged service, which is another user,
// may read the file as well.
func readByService(path string) error {
	service, err := user.Lookup(desired.ServiceUser)
	if err != nil || path == "" || os.Geteuid() != 0 {
		return nil //nolint:nilerr // there is no such service here
	}
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("reading configuration %q: %w", path, err)
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok && !mayRead(info.Mode(), st.Uid, st.Gid, service.Uid, service.Gid) {
		return fmt.Errorf("%s: the service, user %s, may not read it; run: chmod o+r %q", path, service.Username, path)
	}
	return nil
}

// mayRead reports whether the mode of a file lets a user read it.
func mayRead(mode fs.FileMode, uid, gid uint32, user, group string) bool {
	switch {
	case strconv.FormatUint(uint64(uid), 10) == user:
		return mode&0o400 != 0
	case strconv.FormatUint(uint64(gid), 10) == group:
		return mode&0o040 != 0
	}
	return mode&0o004 != 0
}

// opens tries what a daemon would open under a configuration.
func opens(cmd *cobra.Command, cfg config.Config) error {
	e, err := engineOf(cmd, cfg, false)
	if err != nil {
		return err
	}
	for _, dir := range e.store.Dirs() {
		if _, err := os.Stat(dir); err != nil {
			return fmt.Errorf("the directory of a log: %w", err)
		}
	}
	return e.store.Close()
}
