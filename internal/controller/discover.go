package controller

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"reconciler/internal/apply"
	"reconciler/internal/config"
	"reconciler/internal/observed"
)

// ErrNoCloud means that this machine is no EC2 instance, so that --nacl auto
// leaves the bans to the host alone. It is no failure, and not the last word.
var ErrNoCloud = errors.New("this machine is not on EC2: the host alone enforces the bans (--nacl acl-… names an ACL)")

// EC2 is what is used of the EC2 API.
type EC2 interface {
	ec2.DescribeNetworkAclsAPIClient
	apply.EntryWriter
}

// Cloud finds out which ACLs are to be kept, and what of the network must never
// be banned.
type Cloud struct {
	Connect  func(context.Context) (EC2, error)
	Metadata observed.MetadataAPI
	OnEC2    bool // metadata is expected to answer
	NACL     []string
	Written  bool // ACLs were written to before: also with --nacl none they are to be left clean
	Now      func() time.Time
}

// ConnectAWS builds the client from the SDK's own settings.
func ConnectAWS(ctx context.Context) (EC2, error) { return observed.Connect(ctx) }

// Found is what discovery has found.
type Found struct {
	EC2      EC2            // nil: nobody connected
	IDs      []string       // sorted; empty: the host alone
	Pictures []observed.ACL // of those that discovery has described already
	Metadata observed.Metadata
	Warning  string // what is worth a word, though nothing is wrong
	Lacking  error  // what could not be found, though the rest stands
}

// Discover connects and finds the ACLs. With --nacl none there are none, and
// nothing is asked of EC2 unless some were written to before; metadata is read
// where it answers, for the ranges that it protects.
func (c Cloud) Discover(ctx context.Context) (Found, error) {
	none := c.NACL[0] == config.NACLNone
	if none && !c.OnEC2 && !c.Written {
		return Found{}, nil
	}
	var f Found
	var metadataErr error
	if f.Metadata, metadataErr = c.metadata(ctx); metadataErr != nil {
		f.Lacking = fmt.Errorf("the addresses of the VPC are not known and not protected: %w", metadataErr)
	}
	if none && !c.Written {
		return f, nil
	}
	if c.NACL[0] == config.NACLAuto && metadataErr != nil {
		if !c.OnEC2 && errors.Is(metadataErr, observed.ErrNoMetadata) {
			return Found{}, ErrNoCloud
		}
		return Found{}, metadataErr
	}
	var err error
	if f.EC2, err = c.Connect(ctx); err != nil {
		return Found{}, err
	}
	switch {
	case none:
		return f, nil
	case c.NACL[0] == config.NACLAuto:
		return c.auto(ctx, f)
	}
	f.IDs = slices.Compact(slices.Sorted(slices.Values(c.NACL)))
	return f, nil
}

// metadata is read where it is expected or needed.
func (c Cloud) metadata(ctx context.Context) (observed.Metadata, error) {
	if !c.OnEC2 && c.NACL[0] != config.NACLAuto {
		return observed.Metadata{}, nil
	}
	return observed.ReadMetadata(ctx, c.Metadata)
}

func (c Cloud) auto(ctx context.Context, f Found) (Found, error) {
	acls, err := observed.DiscoverACLs(ctx, f.EC2, f.Metadata.Subnets, c.Now())
	if err != nil {
		return Found{}, apply.Explain(err, "ec2:DescribeNetworkAcls")
	}
	f.Pictures = acls
	for _, a := range acls {
		f.IDs = append(f.IDs, a.ID)
	}
	return f, nil
}

// reader describes one ACL with the clients found.
func (f Found) reader() ACLReader {
	return func(ctx context.Context, id string, now time.Time) (observed.ACL, error) {
		return observed.ReadACL(ctx, f.EC2, id, now)
	}
}
