package apply

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/smithy-go/middleware"

	"reconciler/internal/observed"
	"reconciler/internal/plan"
)

// EntryWriter is the part of the EC2 client that changes entries.
type EntryWriter interface {
	CreateNetworkAclEntry(context.Context, *ec2.CreateNetworkAclEntryInput, ...func(*ec2.Options)) (*ec2.CreateNetworkAclEntryOutput, error)
	ReplaceNetworkAclEntry(context.Context, *ec2.ReplaceNetworkAclEntryInput, ...func(*ec2.Options)) (*ec2.ReplaceNetworkAclEntryOutput, error)
	DeleteNetworkAclEntry(context.Context, *ec2.DeleteNetworkAclEntryInput, ...func(*ec2.Options)) (*ec2.DeleteNetworkAclEntryOutput, error)
}

// NACL is the back end of one Network ACL.
type NACL struct {
	API EntryWriter
	ID  string
	Now func() time.Time
}

// lookFor is how old a look may be when a replace or delete that rests on it goes
// out. It is longer than a read may take (observed.CallTimeout), so that each look
// is good for a call at least, and with that call's own time it ends before
// anybody believes what was written meanwhile.
const lookFor = 15 * time.Second

// tooOld says that a change must not be made any more on the strength of its look.
// A create may: it succeeds where nothing is.
func (n NACL) tooOld(c plan.Change) bool {
	return c.Action != plan.Create && since(c.Looked, n.Now()) > lookFor
}

// since gives the time between two readings of the clock, and the longer one where
// its two parts differ: the monotonic clock stands still while the machine sleeps,
// and the wall clock may be set, either way.
func since(from, to time.Time) time.Duration {
	return max(to.Sub(from), to.Round(0).Sub(from.Round(0)).Abs())
}

// errLate stops what the SDK would send after the look has grown too old. Tries
// before it may have had their effect.
var errLate = errors.New("the look that the call rests on has grown too old meanwhile")

// inTime holds every try that the SDK makes to the age of the look.
func (n NACL) inTime(c plan.Change) func(*ec2.Options) {
	check := middleware.FinalizeMiddlewareFunc("LookAge", func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (out middleware.FinalizeOutput, meta middleware.Metadata, err error) {
		if n.tooOld(c) {
			return out, meta, errLate
		}
		return next.HandleFinalize(ctx, in)
	})
	return ec2.WithAPIOptions(func(s *middleware.Stack) error { return s.Finalize.Add(check, middleware.After) })
}

// Apply makes one call a change, in order. After a full family its other
// creates are not tried, after a denied action none of the same, and after a
// throttle or an answer that never came nothing more: the next cycle goes on. What
// rests on a look that has grown too old is not tried.
func (n NACL) Apply(ctx context.Context, batch []plan.Change) ([]Result, error) {
	results := make([]Result, 0, len(batch))
	var stop error
	refused := map[string]error{}
	for _, c := range batch {
		r := Result{Change: c}
		switch key := refusalKey(c); {
		case stop != nil:
			r.Err = fmt.Errorf("%w: %w", ErrNotTried, stop)
		case refused[key] != nil || refused[string(c.Action)] != nil:
			r.Err = fmt.Errorf("%w: %w", ErrNotTried, errors.Join(refused[key], refused[string(c.Action)]))
		case n.tooOld(c):
			r.Err = fmt.Errorf("%s of rule %d in network ACL %s: %w", c.Action, c.Rule, n.ID, ErrTooOld)
		default:
			r.Err = n.one(ctx, c)
		}
		switch {
		case r.Err == nil || errors.Is(r.Err, ErrNotTried) || errors.Is(r.Err, ErrTooOld):
		case errors.Is(r.Err, ErrQuota):
			refused[refusalKey(c)] = r.Err
		case errors.Is(r.Err, ErrDenied):
			refused[string(c.Action)] = r.Err
		case Unsettled(r.Err), errors.Is(r.Err, observed.ErrACLNotFound):
			stop = r.Err
		}
		results = append(results, r)
	}
	return results, stop
}

// refusalKey names what a quota error stands for: this action and family.
func refusalKey(c plan.Change) string {
	p := c.Prefix
	if !p.IsValid() {
		p = c.Old
	}
	return string(c.Action) + "/" + string(observed.FamilyOf(p))
}

func (n NACL) one(ctx context.Context, c plan.Change) error {
	ctx, cancel := context.WithTimeout(ctx, observed.CallTimeout)
	defer cancel()
	var err error
	switch c.Action {
	case plan.Create:
		_, err = n.API.CreateNetworkAclEntry(ctx, n.create(c))
	case plan.Replace:
		_, err = n.API.ReplaceNetworkAclEntry(ctx, n.replace(c), n.inTime(c))
	case plan.Delete:
		_, err = n.API.DeleteNetworkAclEntry(ctx, &ec2.DeleteNetworkAclEntryInput{
			NetworkAclId: aws.String(n.ID), Egress: aws.Bool(false), RuleNumber: number(c),
		}, n.inTime(c))
		if Code(err) == "InvalidNetworkAclEntry.NotFound" {
			return nil // somebody was faster; it is gone, which is what was wanted
		}
	default:
		return fmt.Errorf("%w: network ACL %s cannot %s", ErrMalformed, n.ID, c.Action)
	}
	if err != nil {
		return fmt.Errorf("%s of rule %d in network ACL %s: %w", c.Action, c.Rule, n.ID, Explain(err, Permission(c.Action)))
	}
	return nil
}

// Permission names what IAM has to allow for an action.
func Permission(a plan.Action) string {
	return map[plan.Action]string{
		plan.Create: "ec2:CreateNetworkAclEntry", plan.Replace: "ec2:ReplaceNetworkAclEntry", plan.Delete: "ec2:DeleteNetworkAclEntry",
	}[a]
}

func (n NACL) create(c plan.Change) *ec2.CreateNetworkAclEntryInput {
	v4, v6 := cidrs(c.Prefix)
	return &ec2.CreateNetworkAclEntryInput{
		NetworkAclId: aws.String(n.ID), Egress: aws.Bool(false), RuleNumber: number(c),
		RuleAction: types.RuleActionDeny, Protocol: aws.String(c.Shape.Protocol), PortRange: portRange(c.Shape),
		CidrBlock: v4, Ipv6CidrBlock: v6,
	}
}

func (n NACL) replace(c plan.Change) *ec2.ReplaceNetworkAclEntryInput {
	v4, v6 := cidrs(c.Prefix)
	return &ec2.ReplaceNetworkAclEntryInput{
		NetworkAclId: aws.String(n.ID), Egress: aws.Bool(false), RuleNumber: number(c),
		RuleAction: types.RuleActionDeny, Protocol: aws.String(c.Shape.Protocol), PortRange: portRange(c.Shape),
		CidrBlock: v4, Ipv6CidrBlock: v6,
	}
}

// number is safe to narrow: rule numbers end at 32766.
func number(c plan.Change) *int32 { return aws.Int32(int32(c.Rule)) }

func cidrs(p netip.Prefix) (v4, v6 *string) {
	if p.Addr().Is4() {
		return aws.String(p.String()), nil
	}
	return nil, aws.String(p.String())
}

// portRange is required for TCP and UDP (protocols 6 and 17), and for them alone.
func portRange(s observed.Shape) *types.PortRange {
	if s.Protocol != observed.ProtocolTCP && s.Protocol != observed.ProtocolUDP {
		return nil
	}
	if s.Ports.All() {
		return &types.PortRange{From: aws.Int32(0), To: aws.Int32(65535)}
	}
	return &types.PortRange{From: aws.Int32(int32(s.Ports.From)), To: aws.Int32(int32(s.Ports.To))}
}
