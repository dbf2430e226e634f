package observed

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
)

// ErrNoMetadata means that the instance metadata service did not answer.
var ErrNoMetadata = errors.New("the instance metadata service (IMDSv2) cannot be reached; name the ACL with --nacl acl-…, or use --nacl none")

// metadataTimeout bounds one reading of the metadata. Off EC2 nothing answers
// at the metadata address and a longer wait would not help.
const metadataTimeout = 5 * time.Second

// Metadata is what the instance metadata service says about this machine.
type Metadata struct {
	Subnets []string    `json:"subnets,omitempty"` // of all interfaces, sorted, without repeats
	Ranges  []Protected `json:"ranges,omitempty"`
	VPC     []Protected `json:"vpc,omitempty"` // the ranges of the VPCs, which --allow-vpc-bans lifts
}

// IsZero says that nothing is known.
func (m Metadata) IsZero() bool { return len(m.Subnets) == 0 && len(m.Ranges) == 0 && len(m.VPC) == 0 }

// Equal says that both say the same.
func (m Metadata) Equal(o Metadata) bool {
	return slices.Equal(m.Subnets, o.Subnets) && slices.Equal(m.Ranges, o.Ranges) && slices.Equal(m.VPC, o.VPC)
}

// MetadataAPI is the part of the SDK's metadata client that is used.
type MetadataAPI interface {
	GetMetadata(context.Context, *imds.GetMetadataInput, ...func(*imds.Options)) (*imds.GetMetadataOutput, error)
}

// ReadMetadata lists all interfaces and what belongs to them (EC2 user guide,
// "Instance metadata categories").
func ReadMetadata(ctx context.Context, api MetadataAPI) (Metadata, error) {
	ctx, cancel := context.WithTimeout(ctx, metadataTimeout)
	defer cancel()
	macs, err := metadataLines(ctx, api, "network/interfaces/macs/")
	if err != nil {
		return Metadata{}, fmt.Errorf("%w: %w", ErrNoMetadata, err)
	}
	if len(macs) == 0 {
		return Metadata{}, fmt.Errorf("%w: it lists no network interface", ErrNoMetadata)
	}
	var m Metadata
	for _, mac := range macs {
		if err := m.addInterface(ctx, api, "network/interfaces/macs/"+strings.TrimSuffix(mac, "/")); err != nil {
			return Metadata{}, err
		}
	}
	slices.Sort(m.Subnets)
	m.Subnets = slices.Compact(m.Subnets)
	return m, nil
}

func (m *Metadata) addInterface(ctx context.Context, api MetadataAPI, base string) error {
	subnet, err := metadataLines(ctx, api, base+"/subnet-id")
	if err != nil {
		return err
	}
	m.Subnets = append(m.Subnets, subnet...)
	for _, part := range []struct {
		key, rule string
		into      *[]Protected
	}{
		{"public-ipv4s", "a public address of this host", &m.Ranges},
		{"vpc-ipv4-cidr-blocks", "a range of the VPC", &m.VPC},
		{"vpc-ipv6-cidr-blocks", "a range of the VPC", &m.VPC},
	} {
		lines, err := metadataLines(ctx, api, base+"/"+part.key)
		if err != nil {
			return err
		}
		for _, line := range lines {
			p, err := addressOrPrefix(line)
			if err != nil {
				return fmt.Errorf("metadata %s/%s: %w", base, part.key, err)
			}
			*part.into = append(*part.into, Protected{Prefix: p, Rule: part.rule})
		}
	}
	return nil
}

func addressOrPrefix(s string) (netip.Prefix, error) {
	if p, err := netip.ParsePrefix(s); err == nil {
		return p.Masked(), nil
	}
	addr, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Prefix{}, err
	}
	return netip.PrefixFrom(addr, addr.BitLen()), nil
}

// metadataLines reads one category. An absent one (404) is empty: an interface
// without a public address has no public-ipv4s.
func metadataLines(ctx context.Context, api MetadataAPI, key string) ([]string, error) {
	out, err := api.GetMetadata(ctx, &imds.GetMetadataInput{Path: key})
	if err != nil {
		if status, ok := errors.AsType[interface {
			error
			HTTPStatusCode() int
		}](err); ok && status.HTTPStatusCode() == http.StatusNotFound {
			return nil, nil
		}
		return nil, Told(fmt.Errorf("reading metadata %s: %w", path.Clean(key), err))
	}
	defer out.Content.Close() //nolint:errcheck // nothing is lost when a read body fails to close
	text, err := io.ReadAll(io.LimitReader(out.Content, 1<<16))
	if err != nil {
		return nil, fmt.Errorf("reading metadata %s: %w", path.Clean(key), err)
	}
	return strings.Fields(string(text)), nil
}
