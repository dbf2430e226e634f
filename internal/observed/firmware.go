package observed

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// OnEC2 reports whether anything in the machine's firmware says that it is an
// EC2 instance, so that the metadata service can be expected to answer.
func OnEC2() bool { return onEC2In("/") }

// marks are the files in which an instance is known, each by what it holds (EC2
// user guide, "Detect whether a host is an EC2 instance"). Xen instances (t2,
// m4) have another vendor's name, and some of the files are for root alone: one
// that says nothing, or cannot be read, is no answer.
var marks = []struct {
	path string
	is   func(text string) bool
}{
	{"/sys/hypervisor/uuid", beginsEC2},
	{"/sys/class/dmi/id/product_uuid", beginsEC2},
	{"/sys/class/dmi/id/product_serial", beginsEC2},
	{"/sys/class/dmi/id/bios_version", saysAmazon},
	{"/sys/class/dmi/id/product_version", saysAmazon},
	{"/sys/class/dmi/id/bios_vendor", saysAmazonEC2},
	{"/sys/class/dmi/id/sys_vendor", saysAmazonEC2},
	{"/sys/class/dmi/id/board_vendor", saysAmazonEC2},
	{"/sys/class/dmi/id/chassis_vendor", saysAmazonEC2},
	{"/sys/class/dmi/id/chassis_asset_tag", saysAmazonEC2},
	{"/sys/class/dmi/id/board_asset_tag", isInstanceID},
}

func onEC2In(root string) bool {
	for _, m := range marks {
		text, err := os.ReadFile(filepath.Join(root, m.path))
		if err == nil && m.is(strings.ToLower(strings.TrimSpace(string(text)))) {
			return true
		}
	}
	return false
}

// beginsEC2 knows an identifier of an instance, also with the bytes of its first
// group the other way round, as SMBIOS since 2.6 has them.
func beginsEC2(uuid string) bool {
	if strings.HasPrefix(uuid, "ec2") {
		return true
	}
	first, err := hex.DecodeString(uuid[:min(8, len(uuid))])
	slices.Reverse(first)
	return err == nil && strings.HasPrefix(hex.EncodeToString(first), "ec2")
}

func saysAmazon(text string) bool    { return strings.Contains(text, "amazon") }
func saysAmazonEC2(text string) bool { return strings.HasPrefix(text, "amazon ec2") }

func isInstanceID(text string) bool {
	id, ok := strings.CutPrefix(text, "i-")
	return ok && len(id) >= 8 && strings.Trim(id, "0123456789abcdef") == ""
}
