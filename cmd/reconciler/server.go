package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"reconciler/internal/config"
	"reconciler/internal/controller"
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
	old     *config.Config   // the one before, while its chain may still be there
	release func() error     // gives the chain's lock back
	metrics *metrics.Metrics // nil: nobody has asked for them yet
}

// turn is the loop under one configuration.
type turn struct {
	*engine
	ctx context.Context //nolint:containedctx // a turn is one run of the loop, and this is its end
	end context.CancelCauseFunc
}

// serve runs the loop, anew after every SIGHUP, until a signal ends it.
func serve(cmd *cobra.Command) error {
	cfg, err := loadConfig(cmd)
	if err != nil {
		return err
	}
	release, err := controller.Lock(cfg.Chain, newLogger(cmd.ErrOrStderr(), cfg))
	if err != nil {
		return err
	}
	s := &server{cmd: cmd, cfg: cfg, release: release}
	defer func() { s.release() }() //nolint:errcheck // the kernel frees it with the process
	ctx, stop := contextOf(cmd)
	defer stop()
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, unix.SIGHUP)
	defer signal.Stop(hup)
	t, err := s.open(ctx, cfg)
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
	log, cfg := t.loop.Log, t.config
	t.loop.Notify = notifier(log)
	t.loop.Retired = oldBackend(s.old, cfg)
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
	moved, release := next.Chain != s.cfg.Chain, s.release
	var err error
	if moved {
		if release, err = controller.Lock(next.Chain, newLogger(s.cmd.ErrOrStderr(), next)); err != nil {
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
	last := s.cfg
	s.old, s.cfg, s.release = &last, next, release
	return t, nil
}

func (s *server) complain(words string, err error) {
	newLogger(s.cmd.ErrOrStderr(), s.cfg).Error(words, "error", oneLine(err))
}
