package observed

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// offline is the form of the file that `plan --observed` takes.
type offline struct {
	ACLs *struct {
		NetworkAcls []types.NetworkAcl
	} `json:"acls"` // the output of `aws ec2 describe-network-acls`
	Host *[]struct {
		Prefix string     `json:"prefix"`
		Until  *time.Time `json:"until"` // null or missing: permanent
	} `json:"host"`
}

// ReadOffline reads an observed state from a file instead of from the targets.
func ReadOffline(r io.Reader, now time.Time) (State, error) {
	var in offline
	if err := json.NewDecoder(r).Decode(&in); err != nil {
		return State{}, fmt.Errorf("it must be {\"acls\": <output of aws ec2 describe-network-acls>, \"host\": [{\"prefix\", \"until\"}]}: %w", err)
	}
	var s State
	if in.ACLs != nil {
		for _, raw := range in.ACLs.NetworkAcls {
			acl, err := aclOf(raw, now)
			if err != nil {
				return State{}, err
			}
			s.ACLs = append(s.ACLs, acl)
		}
		slices.SortFunc(s.ACLs, func(a, b ACL) int { return strings.Compare(a.ID, b.ID) })
	}
	if in.Host == nil {
		return s, nil
	}
	s.Host = &Host{Present: true, ReadAt: now}
	for _, e := range *in.Host {
		p, err := addressOrPrefix(e.Prefix)
		if err != nil {
			return State{}, fmt.Errorf("host entry %q: %w", e.Prefix, err)
		}
		entry := HostEntry{Prefix: p}
		if e.Until != nil {
			entry.Until = *e.Until
		}
		s.Host.Entries = append(s.Host.Entries, entry)
	}
	slices.SortFunc(s.Host.Entries, func(a, b HostEntry) int { return Compare(a.Prefix, b.Prefix) })
	return s, nil
}
