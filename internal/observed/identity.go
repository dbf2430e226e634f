package observed

import (
	"context"
	"strings"
)

// Identity is what the metadata says of the instance itself. What it does not say
// is empty.
type Identity struct {
	Instance string
	Region   string
	Account  string
	Role     string
}

// ReadIdentity asks the metadata who this instance is (EC2 user guide, "Instance
// metadata categories"). What is not to be had is left out: it only makes the
// advice for an operator more exact.
func ReadIdentity(ctx context.Context, api MetadataAPI) Identity {
	ctx, cancel := context.WithTimeout(ctx, metadataTimeout)
	defer cancel()
	first := func(key string) string {
		lines, err := metadataLines(ctx, api, key)
		if err != nil || len(lines) == 0 {
			return ""
		}
		return lines[0]
	}
	id := Identity{Instance: first("instance-id"), Region: first("placement/region"), Role: first("iam/security-credentials/")}
	if mac := strings.TrimSuffix(first("network/interfaces/macs/"), "/"); mac != "" {
		id.Account = first("network/interfaces/macs/" + mac + "/owner-id")
	}
	return id
}
