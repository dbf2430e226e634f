package plan

import (
	"fmt"
	"slices"

	"reconciler/internal/observed"
)

// Strangers reports whether somebody else wrote into our window between two
// looks: entries of our shape that no record names have come or gone. A host
// that is lost leaves its entries as they are; one that lives does not.
func Strangers(w *Want, before, after observed.ACL, limits Limits) bool {
	unclaimed := func(acl observed.ACL) (out []observed.Entry) {
		records := (&aclPlanner{acl: acl, want: w, limits: limits}).records()
		for _, e := range acl.Entries {
			_, then := before.Doubts[e.Number]
			_, now := after.Doubts[e.Number]
			if !then && !now && observed.OwnerOf(e, records) == observed.Unclaimed {
				out = append(out, e)
			}
		}
		return out
	}
	return !slices.Equal(unclaimed(before), unclaimed(after))
}

// Claim says what to do about entries that look like ours and that no record
// names. To claim those of a host that lives would delete them in the end, so
// that is not advised where entries come and go.
func Claim(acl string, shared bool) string {
	if shared {
		return "others come and go there, so another host writes into this window: give each host a window of its own with --rules"
	}
	return fmt.Sprintf("`reconciler adopt %s` claims them, if the host that made them is gone", acl)
}
