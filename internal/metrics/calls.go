package metrics

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/smithy-go/middleware"

	"reconciler/internal/apply"
	"reconciler/internal/controller"
)

// EC2 counts every request that a client sends, the SDK's own retries included:
// it is they that a throttled account has too many of.
func (m *Metrics) EC2(api controller.EC2) controller.EC2 { return countedEC2{api, m.count} }

type countedEC2 struct {
	controller.EC2
	count func(*ec2.Options)
}

func (c countedEC2) DescribeNetworkAcls(ctx context.Context, in *ec2.DescribeNetworkAclsInput, opts ...func(*ec2.Options)) (*ec2.DescribeNetworkAclsOutput, error) {
	return c.EC2.DescribeNetworkAcls(ctx, in, append(opts, c.count)...)
}

//nolint:revive,staticcheck // the name is the SDK's
func (c countedEC2) CreateNetworkAclEntry(ctx context.Context, in *ec2.CreateNetworkAclEntryInput, opts ...func(*ec2.Options)) (*ec2.CreateNetworkAclEntryOutput, error) {
	return c.EC2.CreateNetworkAclEntry(ctx, in, append(opts, c.count)...)
}

//nolint:revive,staticcheck // the name is the SDK's
func (c countedEC2) ReplaceNetworkAclEntry(ctx context.Context, in *ec2.ReplaceNetworkAclEntryInput, opts ...func(*ec2.Options)) (*ec2.ReplaceNetworkAclEntryOutput, error) {
	return c.EC2.ReplaceNetworkAclEntry(ctx, in, append(opts, c.count)...)
}

//nolint:revive,staticcheck // the name is the SDK's
func (c countedEC2) DeleteNetworkAclEntry(ctx context.Context, in *ec2.DeleteNetworkAclEntryInput, opts ...func(*ec2.Options)) (*ec2.DeleteNetworkAclEntryOutput, error) {
	return c.EC2.DeleteNetworkAclEntry(ctx, in, append(opts, c.count)...)
}

// count adds a step to a call behind the SDK's retries, so that it sees each try.
func (m *Metrics) count(o *ec2.Options) {
	o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
		return stack.Finalize.Insert(middleware.FinalizeMiddlewareFunc("CountCalls", m.countTry), "Retry", middleware.After)
	})
}

func (m *Metrics) countTry(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
	out, meta, err := next.HandleFinalize(ctx, in)
	m.calls.WithLabelValues(middleware.GetOperationName(ctx), codeOf(err)).Inc()
	return out, meta, err
}

func codeOf(err error) string {
	if err == nil {
		return "OK"
	}
	if code := apply.Code(err); code != "" {
		return code
	}
	return "Error"
}
