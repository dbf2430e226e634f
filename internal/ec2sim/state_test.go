package ec2sim

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
)

func TestAPersistedAccountSurvivesARestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sandbox.json")
	x := newSite(t, Options{Quota: 25})
	existed, err := x.Persist(path)
	wantOK(t, err)
	if existed {
		t.Errorf("a file that was not there is said to have been")
	}
	x.create(t, 5, "203.0.113.7/32")
	wantOK(t, x.PutEntry(x.acl, inboundDeny(6, "2001:db8::/64")))

	again := New(Options{})
	existed, err = again.Persist(path)
	wantOK(t, err)
	if !existed || !slices.Equal(again.Entries(x.acl), x.Entries(x.acl)) || again.Quota() != 25 {
		t.Errorf("existed %v, quota %d, entries %+v", existed, again.Quota(), again.Entries(x.acl))
	}
	if fresh := again.AddACL(again.VPCOf(x.acl)); slices.Contains(x.ACLs(), fresh) {
		t.Errorf("an identifier was given out twice")
	}
}

func TestAChangeThatCannotBeKeptIsNotMade(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "d")
	wantOK(t, os.Mkdir(dir, 0o700))
	x := newSite(t, Options{})
	_, err := x.Persist(filepath.Join(dir, "sandbox.json"))
	wantOK(t, err)
	wantOK(t, os.RemoveAll(dir))
	_, err = x.ec2.CreateNetworkAclEntry(t.Context(), x.deny(1, "203.0.113.7/32"))
	wantCode(t, err, codeInternal, 500)
	if _, found := x.at(1); found {
		t.Errorf("the entry is there all the same")
	}
}

func TestADamagedStateFileIsRefusedWhole(t *testing.T) {
	x := newSite(t, Options{})
	wantOK(t, x.PutEntry(x.acl, inboundDeny(5, "203.0.113.7/32")))
	path := filepath.Join(t.TempDir(), "sandbox.json")
	wantOK(t, x.Save(path))
	good, err := os.ReadFile(path)
	wantOK(t, err)
	for name, edit := range map[string][2]string{
		"cut short":                       {"}\n", ""},
		"an unknown field":                {`"quota"`, `"quotas"`},
		"a rule number out of range":      {`"number": 5,`, `"number": 40000,`},
		"an entry twice":                  {`"number": 5,`, `"number": 100,`},
		"a prefix that is not masked":     {"203.0.113.7/32", "203.0.113.7/24"},
		"a protocol's name":               {`"protocol": "-1"`, `"protocol": "tcp"`},
		"an ACL under another name":       {`"` + x.acl + `": {`, `"acl-01234567": {`},
		"an interface without an address": {`"private": [`, `"private": [], "public": [`},
	} {
		t.Run(name, func(t *testing.T) {
			bad := strings.Replace(string(good), edit[0], edit[1], 1)
			if bad == string(good) {
				t.Fatalf("nothing was damaged")
			}
			if name == "cut short" {
				bad = bad[:len(bad)/2]
			}
			wantOK(t, os.WriteFile(path, []byte(bad), 0o600))
			fresh := New(Options{})
			if err := fresh.Load(path); err == nil || !strings.Contains(err.Error(), path) {
				t.Errorf("loading gave %v, want an error that names the file", err)
			}
			if len(fresh.ACLs()) != 0 {
				t.Errorf("a refused file changed the account")
			}
		})
	}
}

func TestOnlyLoopbackIsListenedOn(t *testing.T) {
	for _, addr := range []string{"0.0.0.0:0", "[::]:0", ":0", "192.0.2.1:0", "localhost:0", "127.0.0.1", ""} {
		if l, err := Listen(addr); err == nil {
			t.Errorf("%q was listened on", addr)
			_ = l.Close()
		}
	}
}

func TestServeAnswersUntilTheContextEnds(t *testing.T) {
	s := New(Options{})
	aclID := s.Bastion()
	l, err := Listen("127.0.0.1:0")
	wantOK(t, err)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, l) }()
	url := "http://" + l.Addr().String()
	client := s.Client(url)
	_, err = client.DescribeNetworkAcls(t.Context(), &ec2.DescribeNetworkAclsInput{NetworkAclIds: []string{aclID}})
	wantOK(t, err)
	if env := s.Env(url); !slices.Contains(env, "AWS_ENDPOINT_URL="+url) {
		t.Errorf("the environment is %v", env)
	}
	hang := s.Inject(Fault{Kind: HangBefore})
	answered := make(chan error, 1)
	go func() {
		_, err := client.DescribeNetworkAcls(t.Context(), &ec2.DescribeNetworkAclsInput{})
		answered <- err
	}()
	<-hang.Hit()
	stop()
	wantOK(t, <-ended)
	wantOK(t, <-answered) // a call under way is answered
}
