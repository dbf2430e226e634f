package doctor

import (
	"testing"

	"golang.org/x/sys/unix"
)

// A module that the running kernel does not have cannot be loaded.
func TestTheMendNamesNoModuleThatTheKernelLacks(t *testing.T) {
	var kernel unix.Utsname
	if err := unix.Uname(&kernel); err != nil {
		t.Fatal(err)
	}
	w := newWard(t)
	e := &examination{Patient: w.patient}
	const install = "(apt-get install -y linux-modules-extra-$(uname -r) || dnf install -y kernel-modules-extra-$(uname -r))"
	if got := e.loading("ip_tables", "xt_set"); got != install {
		t.Errorf("without any module the mend is %q", got)
	}
	w.write("/lib/modules/"+unix.ByteSliceToString(kernel.Release[:])+"/modules.dep",
		"kernel/net/netfilter/xt_set.ko.xz: kernel/net/netfilter/x_tables.ko.xz\nkernel/net/netfilter/ipset/ip_set.ko:\nkernel/net/nft-compat.ko.zst:\n")
	if got, want := e.loading("ip_tables", "nft_compat", "ip_set", "xt_set"), "modprobe -a nft_compat ip_set xt_set"; got != want {
		t.Errorf("the mend is %q, want %q", got, want)
	}
	if got := e.loading("ip6_tables"); got != install {
		t.Errorf("without that module the mend is %q", got)
	}
}
