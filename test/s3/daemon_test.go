package s3

import (
	"fmt"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"reconciler/internal/ec2sim"
)

// bastion is a host whose daemon keeps a Network ACL of a simulated EC2.
type bastion struct {
	*host
	sim *ec2sim.Server
	acl string
}

func newBastion(t testing.TB, endpoint, name, state string, more ...string) *bastion {
	t.Helper()
	sim := ec2sim.New(ec2sim.Options{Region: region})
	server := httptest.NewServer(sim)
	t.Cleanup(func() { sim.ReleaseAll(); server.Close() })
	acl := sim.Bastion()
	more = append(more, "AWS_ENDPOINT_URL="+server.URL, "RECONCILER_NACL="+acl)
	return &bastion{host: newHost(t, endpoint, name, state, more...), sim: sim, acl: acl}
}

// blocks says that the ACL of the host denies an address.
func (b *bastion) blocks(ip string) bool {
	for _, e := range b.sim.Entries(b.acl) {
		if !e.Allow && !e.Egress && e.Prefix.String() == ip+"/32" {
			return true
		}
	}
	return false
}

func bothForms(t *testing.T, test func(t *testing.T, state, prefix string)) {
	t.Run("one shared key", func(t *testing.T) { test(t, shared, "shared/") })
	t.Run("a key per host", func(t *testing.T) { test(t, perHost, "hosts/") })
}

func TestABanOnOneHostIsEnforcedOnTheOtherAndAnUnbanLiftsItOnBoth(t *testing.T) {
	bothForms(t, func(t *testing.T, state, _ string) {
		g := startGateway(t)
		a, b := newBastion(t, g.url, "a", state, "RECONCILER_POLL=1s"), newBastion(t, g.url, "b", state, "RECONCILER_POLL=1s")
		a.startDaemon()
		b.startDaemon()
		a.must("ban", "--jail", "sshd", "203.0.113.7")
		eventually(t, "both hosts block it", func() bool { return a.blocks("203.0.113.7") && b.blocks("203.0.113.7") })
		b.must("unban", "203.0.113.7")
		eventually(t, "neither host blocks it", func() bool { return !a.blocks("203.0.113.7") && !b.blocks("203.0.113.7") })
		out, _, _ := b.run("status")
		if !strings.Contains(out, "s3://bans/") || !strings.Contains(out, ", read ") {
			t.Errorf("status does not show the age of its sources:\n%s", out)
		}
	})
}

func TestAHostThatIsCutOffProtectsItselfAndDeliversLater(t *testing.T) {
	bothForms(t, func(t *testing.T, state, prefix string) {
		g := startGateway(t)
		p := startProxy(t, g.url)
		a := newBastion(t, p.URL, "a", state, "RECONCILER_POLL=1s", "RECONCILER_S3_TIMEOUT=2s")
		b := newBastion(t, g.url, "b", state, "RECONCILER_POLL=1s")
		kill := a.startDaemon()
		b.startDaemon()
		b.must("ban", "203.0.113.1")
		eventually(t, "both block the first", func() bool { return a.blocks("203.0.113.1") && b.blocks("203.0.113.1") })
		p.set(hung)
		a.must("ban", "203.0.113.2")
		eventually(t, "the host that is cut off blocks its own", func() bool { return a.blocks("203.0.113.2") })
		kill()
		a.must("ban", "203.0.113.3") // no daemon, no network
		a.startDaemon()
		eventually(t, "it does so after a restart", func() bool { return a.blocks("203.0.113.3") })
		if !a.blocks("203.0.113.1") || !a.blocks("203.0.113.2") {
			t.Error("a restart without the network lifted a ban")
		}
		out, _, _ := a.run("status")
		if !strings.Contains(out, "UNAVAILABLE") || !strings.Contains(out, "wait in the spool") {
			t.Errorf("status does not tell that the host is cut off:\n%s", out)
		}
		p.set(fair)
		eventually(t, "the other host blocks all", func() bool { return b.blocks("203.0.113.2") && b.blocks("203.0.113.3") })
		if got := len(g.records(t, prefix)); got != 3 {
			t.Errorf("%d records are there, want 3", got)
		}
	})
}

func TestDaemonsThatAreKilledAgainAndAgainDeliverEveryRecordOnce(t *testing.T) {
	const hosts, rounds, each = 4, 12, 5
	bothForms(t, func(t *testing.T, state, prefix string) {
		g := startGateway(t)
		p := startProxy(t, g.url)
		p.foul(0.15)
		var group sync.WaitGroup
		for n := range hosts {
			h := newHost(t, p.URL, fmt.Sprintf("h%d", n), state, "RECONCILER_POLL=1s", "RECONCILER_S3_TIMEOUT=5s", "RECONCILER_COMPACT_AT=4KiB",
				"RECONCILER_NACL=acl-1", "AWS_ENDPOINT_URL="+p.URL)
			group.Go(func() {
				for round := range rounds {
					kill := h.startDaemon()
					h.must(append([]string{"ban", "--bantime", "1d", "--"}, prefixesOf(n, round, each)...)...)
					time.Sleep(time.Duration(round*17) * time.Millisecond) // so that the kill comes at another step each time
					kill()
				}
				h.startDaemon()
			})
		}
		group.Wait()
		eventually(t, "every record is delivered", func() bool { return len(g.records(t, prefix)) == hosts*rounds*each })
		wantBans(t, g.records(t, prefix), hosts*rounds*each)
	})
}

func TestABanIsFallenBackToTheSpoolWhenS3IsDown(t *testing.T) {
	g := startGateway(t)
	p := startProxy(t, g.url)
	h := newHost(t, p.URL, "a", perHost, "RECONCILER_SPOOL=none", "RECONCILER_S3_TIMEOUT=1s")
	p.set(slow)
	_, stderr, status := h.run("ban", "203.0.113.1")
	if status != 0 || !strings.Contains(stderr, "warning") || !strings.Contains(stderr, "SlowDown") {
		t.Errorf("with S3 down `ban` exits %d and says %q", status, stderr)
	}
	p.set(fair)
	if _, stderr, status := h.run("ban", "203.0.113.2"); status != 0 || stderr != "" {
		t.Errorf("with S3 up again `ban` exits %d and says %q", status, stderr)
	}
	wantCount(t, g, "hosts/", 2)
}

func wantCount(t *testing.T, g *gateway, prefix string, want int) {
	t.Helper()
	if got := len(g.records(t, prefix)); got != want {
		t.Errorf("%d records are under %s, want %d", got, prefix, want)
	}
}

func TestAMissingPermissionOrBucketIsNamed(t *testing.T) {
	g := startGateway(t)
	for name, tt := range map[string]struct{ env, words string }{
		"wrong key":     {"AWS_SECRET_ACCESS_KEY=wrong", "s3:GetObject"},
		"wrong bucket":  {"RECONCILER_STATE=s3://no-such-bucket/x/", "no such bucket"},
		"nobody there":  {"AWS_ENDPOINT_URL_S3=http://127.0.0.1:1", "connection refused"},
		"no region set": {"AWS_REGION=", "AWS_REGION"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t, g.url, "a", perHost, "RECONCILER_SPOOL=none", "RECONCILER_S3_TIMEOUT=1s", tt.env)
			_, stderr, status := h.run("ban", "203.0.113.1")
			if status != 0 || !strings.Contains(stderr, tt.words) {
				t.Errorf("`ban` exits %d and says %q, without %q", status, stderr, tt.words)
			}
			if strings.Contains(stderr, secretKey) {
				t.Error("the message holds the secret key")
			}
		})
	}
}

func TestServerSideEncryptionIsAskedFor(t *testing.T) {
	g := startGateway(t)
	p := startProxy(t, g.url)
	seen := make(chan [2]string, 16)
	p.watch(func(header func(string) string) {
		select {
		case seen <- [2]string{header("X-Amz-Server-Side-Encryption"), header("X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id")}:
		default:
		}
	})
	h := newHost(t, p.URL, "a", perHost, "RECONCILER_SPOOL=none", "RECONCILER_S3_TIMEOUT=1s", "RECONCILER_S3_SSE=aws:kms", "RECONCILER_S3_SSE_KMS_KEY_ID=alias/bans")
	h.run("ban", "203.0.113.1") // this server may refuse a key that it cannot use
	if got, want := <-seen, [2]string{"aws:kms", "alias/bans"}; got != want {
		t.Errorf("the write asks for %q, not for %q", got, want)
	}
	if entries, err := os.ReadDir(h.dir); err != nil || len(entries) > 3 {
		t.Errorf("the command leaves %v (%v)", entries, err)
	}
}
