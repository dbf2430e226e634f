package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"sync/atomic"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"reconciler/internal/config"
	"reconciler/internal/controller"
	"reconciler/internal/desired"
	"reconciler/internal/metrics"
)

// reopenEvery is how often a state is tried that could not be opened any more.
const reopenEvery = 2 * time.Second

// errReload ends a turn because of a SIGHUP.
var errReload = errors.New("the configuration is read again")

// server is the daemon across its reloads.
type server struct {
	cmd     *cobra.Command
	cfg     config.Config
	keeper  config.Keeper
	doubt   error            // why cfg is not the configuration that was asked for
	old     *config.Config   // the one before, while its chain may still be there
	release func() error     // gives the chain's lock back
	metrics *metrics.Metrics // nil: nobody has asked for them yet
	began   time.Time
	loop    atomic.Pointer[controller.Loop] // of this turn
}

// turn is the loop under one configuration.
type turn struct {
	*engine
	ctx context.Context //nolint:containedctx // a turn is one run of the loop, and this is its end
	end context.CancelCauseFunc
}

// serve runs the loop, anew after every SIGHUP, until a signal ends it.
func serve(cmd *cobra.Command) error {
	s := &server{cmd: cmd, keeper: config.NewKeeper(cmd.Flags(), os.Environ()), release: func() error { return nil }, began: time.Now()}
	defer func() { s.release() }() //nolint:errcheck // the kernel frees it with the process
	ctx, stop := contextOf(cmd)
	defer stop()
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, unix.SIGHUP)
	defer signal.Stop(hup)
	t, err := s.begin(ctx)
	if err != nil {
		return err
	}
	for {
		again, err := s.run(t, hup)
		if !again {
			return err
		}
		if err != nil { // a full disk, say: the log has it all, so nothing is lost
			s.complain("the state was not saved; the log is read again instead", err)
		}
		if t = s.reload(ctx); t == nil {
			return nil
		}
	}
}

// begin opens the first turn: under the configuration, or, when that cannot be
// used, under the copy that an earlier daemon kept. A host that comes back from a
// restart is not to stand open because of a typo.
func (s *server) begin(ctx context.Context) (*turn, error) {
	cfg, bad := loadConfig(s.cmd)
	if bad == nil {
		var t *turn
		if t, bad = s.adopt(ctx, cfg); bad == nil || errors.Is(bad, controller.ErrHeld) || errors.Is(bad, desired.ErrLocked) {
			return t, bad // beside another daemon there is nothing to go on with
		}
	}
	kept, err := s.keeper.Load()
	if err != nil {
		return nil, bad
	}
	t, err := s.adopt(ctx, kept)
	if err != nil {
		return nil, bad
	}
	s.doubt = bad
	s.complain("the configuration cannot be used, and the last good one is in force; mend it, then run: systemctl reload reconciler", bad)
	return t, nil
}

// word is what the daemon says of itself to those who ask at its lock.
func (s *server) word() controller.Word {
	w := controller.Word{Version: version, Since: s.began}
	if loop := s.loop.Load(); loop != nil {
		w.Health = loop.Health()
	}
	return w
}

// open prepares a turn.
func (s *server) open(ctx context.Context, cfg config.Config) (*turn, error) {
	e, err := engineOf(s.cmd, cfg, true)
	if err != nil {
		return nil, err
	}
	ctx, end := context.WithCancelCause(ctx)
	if e.loop.Wake, err = controller.Watch(ctx, e.store.Dirs()); err != nil {
		end(err)
		return nil, errors.Join(err, e.store.Close())
	}
	return &turn{engine: e, ctx: ctx, end: end}, nil
}

// run runs the loop until a signal. again says that it was SIGHUP.
func (s *server) run(t *turn, hup <-chan os.Signal) (again bool, err error) {
	defer t.end(nil)
	s.loop.Store(t.loop)
	log, cfg := t.loop.Log, t.config
	t.loop.Notify = notifier(log)
	t.loop.Retired = oldBackend(s.old, cfg)
	t.loop.Doubt = s.doubt
	s.keep()
	defer s.observe(t)()
	go watchdog(t.ctx, t.loop)
	go func() {
		select {
		case <-hup:
			t.end(errReload)
		case <-t.ctx.Done():
		}
	}()
	log.Info("started", "version", version, "state", cfg.State[0], "nacl", cfg.NACL, "host", cfg.Host, "chain", cfg.Chain)
	err = errors.Join(t.loop.Run(t.ctx), t.store.Close())
	again = errors.Is(context.Cause(t.ctx), errReload)
	log.Info("stopped; what is enforced stays enforced", "reload", again)
	if t.loop.Retired == nil {
		s.old = nil // its chain is gone, and may be somebody else's by now
	}
	return again, err
}

// reload opens the next turn: under the new configuration, or, when that cannot
// be used, under the old one. It gives nil when the daemon is told to end first.
func (s *server) reload(ctx context.Context) *turn {
	next, err := loadConfig(s.cmd)
	var t *turn
	if err == nil {
		t, err = s.adopt(ctx, next)
	}
	s.doubt = err
	if err != nil {
		s.complain("the new configuration is not taken; the old one stays in force", err)
		if t = s.reopen(ctx); t == nil {
			return nil
		}
	}
	t.store.DoubtLearned()
	return t
}

// reopen goes on under the configuration that was in force. The state may have
// become unusable meanwhile; until that is mended, what is enforced stays, and
// the daemon lives on to enforce what comes then.
func (s *server) reopen(ctx context.Context) *turn {
	said := ""
	for {
		t, err := s.open(ctx, s.cfg)
		if err == nil {
			return t
		}
		if said != err.Error() {
			said = err.Error()
			s.complain("the state cannot be opened; what is enforced stays enforced, and it is tried again", err)
		}
		notifier(newLogger(s.cmd.ErrOrStderr(), s.cfg))(daemon.SdNotifyWatchdog)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(reopenEvery):
		}
	}
}

// adopt opens a turn under a new configuration, with the lock of its chain.
func (s *server) adopt(ctx context.Context, next config.Config) (*turn, error) {
	first, moved, release := s.cfg.Chain == "", next.Chain != s.cfg.Chain, s.release
	var err error
	if moved {
		if release, err = controller.LockTelling(next.Chain, newLogger(s.cmd.ErrOrStderr(), next), s.word); err != nil {
			return nil, err
		}
	}
	t, err := s.open(ctx, next)
	if err != nil {
		if moved {
			err = errors.Join(err, release())
		}
		return nil, err
	}
	if moved {
		s.release() //nolint:errcheck // the old chain is nobody's now
	}
	if last := s.cfg; !first {
		s.old = &last
	}
	s.cfg, s.release = next, release
	return t, nil
}

// keep keeps a copy of the configuration in force for the next start.
func (s *server) keep() {
	if s.doubt != nil {
		return
	}
	if err := s.keeper.Save(s.cfg); err != nil {
		s.complain("a later start could not go on without the configuration file", err)
	}
}

func (s *server) complain(words string, err error) {
	newLogger(s.cmd.ErrOrStderr(), s.cfg).Error(words, "error", oneLine(err))
}
