package observed

import "testing"

func TestAnInstanceIsKnownByAnyOfItsMarks(t *testing.T) {
	const dmi = "/sys/class/dmi/id/"
	for name, c := range map[string]struct {
		files map[string]string
		want  bool
	}{
		"nothing to read":           {nil, false},
		"Nitro":                     {map[string]string{dmi + "sys_vendor": "Amazon EC2\n", dmi + "bios_version": "1.0\n"}, true},
		"bare metal":                {map[string]string{dmi + "sys_vendor": "Amazon EC2\n", dmi + "product_name": "i3.metal\n"}, true},
		"Xen by its hypervisor":     {map[string]string{dmi + "sys_vendor": "Xen\n", "/sys/hypervisor/uuid": "ec2e1916-9099-7caf-fd21-012345abcdef\n"}, true},
		"Xen by its BIOS":           {map[string]string{dmi + "sys_vendor": "Xen\n", dmi + "bios_version": "4.11.amazon\n"}, true},
		"Xen by its product":        {map[string]string{dmi + "sys_vendor": "Xen\n", dmi + "product_version": "4.2.amazon\n"}, true},
		"Xen by its UUID":           {map[string]string{dmi + "sys_vendor": "Xen\n", dmi + "product_uuid": "EC2E1916-9099-7CAF-FD21-012345ABCDEF\n"}, true},
		"the UUID in little endian": {map[string]string{dmi + "product_uuid": "45E12AEC-DCD1-B213-94ED-012345ABCDEF\n"}, true},
		"by its serial number":      {map[string]string{dmi + "sys_vendor": "Xen\n", dmi + "product_serial": "ec2e1916-9099-7caf-fd21-012345abcdef\n"}, true},
		"by its board":              {map[string]string{dmi + "sys_vendor": "\n", dmi + "board_asset_tag": "i-0123456789abcdef0\n"}, true},
		"Xen elsewhere":             {map[string]string{dmi + "sys_vendor": "Xen\n", dmi + "bios_version": "4.14\n", "/sys/hypervisor/uuid": "00000000-0000-0000-0000-000000000000\n", dmi + "product_uuid": "1a2e1916-9099-7caf-fd21-012345abcdef\n"}, false},
		"another maker":             {map[string]string{dmi + "sys_vendor": "QEMU\n", dmi + "product_serial": "\n", dmi + "board_asset_tag": "i-none\n", dmi + "product_uuid": "nonsense\n"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := onEC2In(rootWith(t, c.files)); got != c.want {
				t.Errorf("it is said to be on EC2: %t, want %t", got, c.want)
			}
		})
	}
}
