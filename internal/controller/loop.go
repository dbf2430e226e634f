// Package controller is the loop: it keeps the host and each Network ACL, as
// actors of their own, equal to the desired state. It is level-triggered: events
// only say when to look.
package controller

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"reconciler/internal/apply"
	"reconciler/internal/config"
	"reconciler/internal/desired"
	"reconciler/internal/observed"
	"reconciler/internal/plan"
)

// Store is the desired state, as the loop needs it.
type Store interface {
	Memory
	// Refresh takes what is new in the sources. An error leaves what is known.
	Refresh(now time.Time) (changed bool, err error)
	// Behind reports whether the sources have more than one Refresh takes, and saves
	// how far it came.
	Behind(now time.Time) (bool, error)
	Set(now time.Time) desired.Set
	Forget(lifted []netip.Prefix)
	// Maintain compacts the log and saves the state when either is due.
	Maintain(now time.Time) error
	Save(now time.Time) error
	Sources(now time.Time) []Source
	// Accept takes what was lost of the logs for gone.
	Accept()
	// Remotes gives the parts that lie beyond the network, for Run to follow.
	Remotes() []Remote
	// Sync looks at all of them once.
	Sync(ctx context.Context)
}

// Loop is everything that one run of the daemon, or one apply, works with.
type Loop struct {
	Config  config.Config
	Store   Store
	Host    HostReader                           // nil with --host none
	Backend apply.Backend                        // of the host
	Here    func() ([]observed.Protected, error) // what of this host must not be banned
	Cloud   Cloud
	Log     hclog.Logger
	Now     func() time.Time
	Wake    <-chan struct{}   // events of the log's directory
	Notify  func(text string) // systemd's sd_notify; never nil
	Doubt   error             // the configuration that was asked for cannot be used, and Config is another; may be nil
	Retired apply.Backend     // of a chain that is to go once this one is in place; may be nil
	// Observer is told what happens, for metrics; may be nil.
	Observer Observer
	// Random gives numbers from 0 up to 1, to spread resyncs by; nil: math/rand.
	Random func() float64

	// Daemon is what the daemon that runs knows, for those who only look; may be nil.
	Daemon *Health
	Idle   string // why nothing is carried out at present, for status; empty: it is

	board  *board
	tell   *teller
	health atomic.Pointer[Health]
	found  Found
	// metadata is the latest that is known; discovery may have failed since.
	metadata observed.Metadata
	// here is what of this host is protected, and unguarded says what of it
	// could not be found out.
	here      []observed.Protected
	unguarded string
	ready     bool // systemd was told
	set       desired.Set
	limits    plan.Limits
	host      *driver
	began     time.Time
	hasty     bool // there is one reconcile and no later look
	acls      map[string]*keeper
	// retiring are ACLs that are configured no longer and not cleaned yet.
	retiring []string
	reports  chan report
	founds   chan Found
	turns    atomic.Uint64    // of the loop, for the watchdog
	seen     uint64           // turns at the watchdog's last look
	grace    <-chan time.Time // when the ACLs go on without the host
	again    chan struct{}    // asks for a new discovery
	news     chan struct{}    // something came over the network
	looked   time.Time        // the last look at the sources
	arrivals arrivals
	heard    map[string]report // the last one of every target
	group    sync.WaitGroup
}

// keeper is an ACL's actor with its driver.
type keeper struct {
	driver *driver
	stop   context.CancelFunc
}

// Timing of the loop.
const (
	pollEvery     = time.Second      // a look at the log with no event, and at the clock
	hostGrace     = 2 * time.Second  // how long an ACL waits for the host to go first
	protectEvery  = 10 * time.Second // the host's own addresses are looked up again
	maintainEvery = 10 * time.Second
)

// init prepares what Run and Once share.
func (l *Loop) init() {
	l.board, l.began = newBoard(), l.Now()
	l.tell = newTeller(l.Log, l.Now)
	l.acls, l.arrivals, l.heard = map[string]*keeper{}, arrivals{}, map[string]report{}
	l.reports, l.founds, l.again = make(chan report, 16), make(chan Found), make(chan struct{}, 1)
	l.news = make(chan struct{}, 1)
	l.metadata = l.Store.Metadata()
	l.Cloud.Written = len(l.Store.Usages()) > 0
	l.tell.said[configuring] = gistOf(l.Doubt) // whoever set it has said it
	if l.Doubt != nil {
		l.tell.ailing[configuring] = "the configuration is not taken: " + printable(l.Doubt)
	}
	l.limits = LimitsOf(l.Config)
	l.limits.Subnets = l.metadata.Subnets
}

// Run goes on until the context is done. It lifts nothing when it ends.
func (l *Loop) Run(ctx context.Context) error {
	l.init()
	_ = l.readOn(ctx) // what is wrong is told as it goes
	if ctx.Err() != nil {
		return l.Store.Save(l.Now())
	}
	l.Notify(extended)
	l.firstLook(ctx)
	ctx, cancel := context.WithCancel(ctx)
	defer func() {
		cancel()
		l.group.Wait()
	}()
	if l.Host != nil {
		actor := l.hostActor()
		l.host = newDriver(hostResync, false, func(ctx context.Context) report { return actor.cycle(ctx, l.board.current()) })
		l.start(ctx, l.host)
	}
	if l.host == nil {
		l.removeRetired(ctx)
	}
	l.group.Go(func() { l.discover(ctx) })
	for _, r := range l.Store.Remotes() {
		l.group.Go(func() { l.attend(ctx, r) })
	}
	return l.loop(ctx)
}

func (l *Loop) start(ctx context.Context, d *driver) {
	l.group.Go(func() { d.run(ctx, l.reports) })
}

// loop handles one thing at a time; nothing in it waits for a target.
func (l *Loop) loop(ctx context.Context) error {
	poll, maintain, protect := time.NewTicker(pollEvery), time.NewTicker(maintainEvery), time.NewTicker(protectEvery)
	defer poll.Stop()
	defer maintain.Stop()
	defer protect.Stop()
	var burst gathering
	l.protect()
	l.refresh(true)
	for {
		l.turns.Add(1)
		l.show()
		ordered := false
		select {
		case <-ctx.Done():
			return l.Store.Save(l.Now())
		case <-l.Wake:
			if burst.on() {
				burst.more()
				continue
			}
			ordered = l.refresh(false)
		case <-burst.over:
			burst.stop()
			ordered = l.refresh(false)
		case <-poll.C:
			ordered = l.refresh(false)
		case <-l.news:
			ordered = l.refresh(false)
		case <-l.untilNext():
			ordered = l.refresh(true)
		case <-protect.C:
			ordered = l.refresh(l.protect())
		case <-maintain.C:
			if l.tell.trouble(saving, l.Store.Maintain(l.Now())) {
				l.tellState()
			}
		case <-l.grace:
			l.pokeACLs()
		case f := <-l.founds:
			l.adopt(ctx, f)
			l.protect()
			ordered = l.refresh(true)
			l.tellState()
		case r := <-l.reports:
			l.after(ctx, r)
		}
		if ordered { // what comes within the next moment goes into the next order
			burst.start()
		}
	}
}

// refresh takes what is new and, if that or the time changes what is wanted,
// gives the actors a new order.
func (l *Loop) refresh(force bool) bool {
	now := l.Now()
	changed, err := l.Store.Refresh(now)
	defer l.goOn()
	since := l.looked
	l.looked = now
	// A clock that was set back makes bans active again that were over by it.
	// Only the wall parts of the two readings show that.
	back := now.Round(0).Before(since.Round(0))
	due := back || !l.set.Next.IsZero() && !now.Before(l.set.Next)
	if !changed && !force && !due {
		if l.tell.trouble(reading, err) {
			l.tellState()
		}
		return false
	}
	l.set = l.Store.Set(now)
	l.tell.source(l.set, err)
	order := l.board.publish(plan.Prepare(l.set, l.limits), l.limits)
	if changed {
		l.arrived(order.number, since, now)
	}
	if l.host == nil {
		l.announce()
		l.pokeACLs()
		return true
	}
	l.host.poke()
	l.grace = time.After(hostGrace) // the host goes first, but holds nobody up
	return true
}

// untilNext fires when the set changes by itself.
func (l *Loop) untilNext() <-chan time.Time {
	if l.set.Next.IsZero() {
		return nil
	}
	return time.After(max(l.set.Next.Sub(l.Now()), 0))
}

// protect looks up again what must not be banned; true when that changed.
func (l *Loop) protect() bool {
	ranges, err := l.protected()
	l.unguarded = ""
	if err != nil {
		l.unguarded = strings.ReplaceAll(err.Error(), "\n", "; ")
	}
	l.tell.once("protected addresses", l.unguarded)
	if slices.Equal(ranges, l.limits.Guard.Protected) {
		return false
	}
	l.limits.Guard.Protected = ranges
	return true
}

func (l *Loop) pokeACLs() {
	for _, k := range l.keepers() {
		k.driver.poke()
	}
}
