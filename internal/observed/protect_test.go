package observed

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestResolversAreProtected(t *testing.T) {
	const manager, dnsmasq = "/run/NetworkManager/no-stub-resolv.conf", "/run/dnsmasq/resolv.conf"
	for name, c := range map[string]struct {
		files map[string]string
		want  []string
	}{
		"resolvers":               {map[string]string{resolvConf: "# a comment\nsearch example.org\nnameserver 192.0.2.53\nnameserver\t2001:db8::53 # the second\nnameserver nonsense\nnameserver\n"}, []string{"192.0.2.53/32", "2001:db8::53/128"}},
		"a resolver with a zone":  {map[string]string{resolvConf: "nameserver fe80::1%eth0\n"}, []string{"fe80::1/128"}},
		"a mapped resolver":       {map[string]string{resolvConf: "nameserver ::ffff:192.0.2.53\n"}, []string{"192.0.2.53/32"}},
		"the same one twice":      {map[string]string{resolvConf: "nameserver 192.0.2.53\n", resolvedBehind: "nameserver 192.0.2.53\n"}, []string{"192.0.2.53/32"}},
		"behind systemd-resolved": {map[string]string{resolvConf: "nameserver 127.0.0.53\noptions edns0\n", resolvedBehind: "nameserver 192.0.2.54\n"}, []string{"127.0.0.53/32", "192.0.2.54/32"}},
		"behind NetworkManager":   {map[string]string{resolvConf: "nameserver 127.0.0.1\n", manager: "nameserver 192.0.2.55\n"}, []string{"127.0.0.1/32", "192.0.2.55/32"}},
		"behind dnsmasq":          {map[string]string{resolvConf: "nameserver 127.0.0.1\n", dnsmasq: "nameserver 192.0.2.56\n"}, []string{"127.0.0.1/32", "192.0.2.56/32"}},
	} {
		t.Run(name, func(t *testing.T) {
			list, err := resolversIn(rootWith(t, c.files))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, p := range rulesOf("a resolver of this host", list) {
				got = append(got, p.Prefix.String())
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("protected are %q, want %q", got, c.want)
			}
		})
	}
}

func rootWith(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for path, text := range files {
		path = filepath.Join(root, path)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// What should be there and is not leaves something without protection: it is
// said, and the rest counts.
func TestWhatCannotBeReadIsSaidAndTheRestIsProtected(t *testing.T) {
	resolver := map[string]string{resolvConf: "nameserver 192.0.2.53\n"}
	for name, c := range map[string]struct {
		files map[string]string
		harm  func(root string) error
		word  string
		rest  int
	}{
		"no resolv.conf":            {nil, nil, "resolv.conf", 0},
		"a link that leads nowhere": {resolver, func(r string) error { return link(r, "/run/systemd/resolve/stub-resolv.conf") }, "resolv.conf", 0},
		"a directory in its place":  {resolver, func(r string) error { return os.MkdirAll(filepath.Join(r, resolvedBehind), 0o755) }, "is a directory", 1},
		"nothing behind a stub":     {map[string]string{resolvConf: "nameserver 127.0.0.53\n"}, nil, resolvedBehind, 1},
		"a link within the root":    {map[string]string{"/run/resolv.conf": "nameserver 192.0.2.53\n", resolvConf: ""}, func(r string) error { return link(r, "/run/resolv.conf") }, "", 1},
		"a stub of somebody else":   {map[string]string{resolvConf: "nameserver 127.0.0.1\n"}, nil, "", 1},
	} {
		t.Run(name, func(t *testing.T) {
			root := rootWith(t, c.files)
			if c.harm != nil {
				if err := c.harm(root); err != nil {
					t.Fatal(err)
				}
			}
			list, err := ProtectedSeenIn(root)
			resolvers := slices.DeleteFunc(list, func(p Protected) bool { return p.Rule != "a resolver of this host" })
			if len(resolvers) != c.rest || (err == nil) != (c.word == "") || err != nil && !strings.Contains(err.Error(), c.word) {
				t.Errorf("got %v and the error %v, want %d resolvers and %q", resolvers, err, c.rest, c.word)
			}
		})
	}
}

// link puts an absolute link in resolv.conf's place.
func link(root, to string) error {
	path := filepath.Join(root, resolvConf)
	return errors.Join(os.Remove(path), os.Symlink(to, path))
}
