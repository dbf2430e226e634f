// Package doctor looks at everything that enforcement depends on, changes
// nothing, and names for each defect the command that mends it.
package doctor

import (
	"context"
	"net/netip"
	"time"

	"reconciler/internal/config"
	"reconciler/internal/controller"
	"reconciler/internal/observed"
	"reconciler/internal/tool"
)

// Level is how bad a finding is.
type Level string

// The levels, from good to bad.
const (
	OK      Level = "ok"
	Warning Level = "warning" // bans are enforced, but something wants a look
	Failure Level = "failure" // some bans are not enforced where they should be
)

// rank orders the levels.
var rank = map[Level]int{OK: 0, Warning: 1, Failure: 2}

// Finding is what one check has found.
type Finding struct {
	Check string `json:"check"`
	Level Level  `json:"status"`
	Says  string `json:"message"`
	Mend  string `json:"mend,omitempty"` // a command to paste, or what to edit
}

// Patient is what is examined, and how to reach it.
type Patient struct {
	Config   config.Config
	Metadata observed.MetadataAPI
	OnEC2    bool
	Connect  func(context.Context) (controller.EC2, error)
	Run      tool.Runner
	Host     controller.HostReader // nil with --host none
	Spec     observed.HostSpec
	Status   func(context.Context) (controller.Status, error)
	Lifted   func(jail string, prefix netip.Prefix) bool // a record has lifted it since fail2ban banned it
	Holder   func(chain string) string
	Here     func() ([]observed.Protected, error) // what of this host must not be banned, as the daemon sees it
	Clock    func() (synchronised bool, err error)
	Root     string // where /etc and /usr are; empty outside tests
	UID      int
	Now      func() time.Time
}

// examination is one run of all checks. What one check learns, later ones use.
type examination struct {
	Patient
	ctx      context.Context //nolint:containedctx // an examination is one call of Examine
	findings []Finding
	api      controller.EC2 // nil: nobody connected
	acls     []string
	status   *controller.Status
	lookErr  error
	looked   bool
	self     *observed.Identity // nil: not asked for yet
}

// Examine makes every check. A check that depends on something that an earlier
// one found missing is left out: the first defect is the one to mend.
func Examine(ctx context.Context, p Patient) []Finding {
	e := &examination{Patient: p, ctx: ctx}
	for _, check := range []func(){
		e.user, e.daemon, e.guarded, e.ignored, e.tools, e.firewall,
		e.logs, e.logrotate, e.fail2ban, e.clock,
		e.subnets, e.permissions, e.owners,
		e.placement, e.bans,
	} {
		if ctx.Err() != nil {
			e.fail("doctor", "reconciler doctor", "the examination was ended before all checks were made")
			break
		}
		check()
	}
	return e.findings
}

// Worst gives the worst level of all findings.
func Worst(findings []Finding) Level {
	worst := OK
	for _, f := range findings {
		if rank[f.Level] > rank[worst] {
			worst = f.Level
		}
	}
	return worst
}
