package ec2sim

import (
	"strings"
	"unicode/utf8"
)

// Limits of tags ("Tag your Amazon EC2 resources").
const (
	maxTags     = 50
	maxTagKey   = 127
	maxTagValue = 255
)

// tagParam is one tag of a request. A DeleteTags without a value removes the
// tag whatever its value.
type tagParam struct {
	key, value string
	hasValue   bool
}

// labels finds a resource's tags by its identifier.
func (w *world) labels(id string) (*tags, string, *apiError) {
	kind, _, _ := strings.Cut(id, "-")
	switch kind {
	case "acl":
		if a, ok := w.ACLs[id]; ok {
			return &a.Tags, "network-acl", nil
		}
		return nil, "", refuse(codeACLNotFound, "The networkAcl ID '%s' does not exist", id)
	case "subnet":
		if s, ok := w.Subnets[id]; ok {
			return &s.Tags, "subnet", nil
		}
		return nil, "", refuse("InvalidSubnetID.NotFound", "The subnet ID '%s' does not exist", id)
	case "vpc":
		if v, ok := w.VPCs[id]; ok {
			return &v.Tags, "vpc", nil
		}
		return nil, "", refuse("InvalidVpcID.NotFound", "The vpc ID '%s' does not exist", id)
	case "eni":
		if n, ok := w.Interfaces[id]; ok {
			return &n.Tags, "network-interface", nil
		}
		return nil, "", refuse("InvalidNetworkInterfaceID.NotFound", "The networkInterface ID '%s' does not exist", id)
	}
	return nil, "", refuse(codeIDInvalid, "The ID '%s' is not valid", id)
}

func (w *world) createTags(ids []string, set []tagParam) (bool, *apiError) {
	changed := false
	for _, id := range ids {
		have, _, err := w.labels(id)
		if err != nil {
			return false, err
		}
		if *have == nil {
			*have = tags{}
		}
		for _, t := range set {
			old, found := (*have)[t.key]
			changed = changed || !found || old != t.value
			(*have)[t.key] = t.value
		}
		if len(*have) > maxTags {
			return false, refuse(codeTagLimit, "The maximum number of Tags (%d) for this resource has been reached", maxTags)
		}
	}
	return changed, nil
}

// deleteTags removes tags; those that are absent, or have another value than
// the one given, are passed over. Without any tag all of them go.
func (w *world) deleteTags(ids []string, set []tagParam) (bool, *apiError) {
	changed := false
	for _, id := range ids {
		have, _, err := w.labels(id)
		if err != nil {
			return false, err
		}
		if len(set) == 0 {
			changed = changed || len(*have) > 0
			*have = nil
		}
		for _, t := range set {
			if v, found := (*have)[t.key]; found && (!t.hasValue || v == t.value) {
				delete(*have, t.key)
				changed = true
			}
		}
	}
	return changed, nil
}

// checkTag holds a tag to the limits.
func checkTag(t tagParam) *apiError {
	switch {
	case t.key == "":
		return missing("Tag.Key")
	case utf8.RuneCountInString(t.key) > maxTagKey:
		return refuse(codeValue, "Tag key exceeds the maximum length of %d characters", maxTagKey)
	case utf8.RuneCountInString(t.value) > maxTagValue:
		return refuse(codeValue, "Tag value exceeds the maximum length of %d characters", maxTagValue)
	case strings.HasPrefix(strings.ToLower(t.key), "aws:"):
		return refuse(codeValue, "Tag keys starting with 'aws:' are reserved for internal use")
	}
	return nil
}
