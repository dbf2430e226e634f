package desired

import (
	"errors"
	"fmt"
	"net"
	"regexp"
	"strings"
	"sync"
)

// addressScheme begins the address of a log in S3.
const addressScheme = "s3://"

// objectSuffix ends the key of a host's log under a prefix.
const objectSuffix = ".jsonl"

// maxKey is the longest key of an object, in bytes (Amazon S3 user guide,
// "Naming Amazon S3 objects"). A host's name and suffix must fit behind a prefix.
const maxKey = 1024

// Both are compiled on first use: `ban` starts anew for every ban, most logs are
// files, and a counted repeat alone costs a third of a millisecond.
var (
	// bucketName is the form of a general purpose bucket (Amazon S3 user guide,
	// "General purpose bucket naming rules").
	bucketName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`) })
	// safeKey has the characters that the same guide calls safe for keys, and
	// some that need no quoting in a path, but no comma: it parts the logs of --state.
	safeKey = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9!_.*'()/=+@:-]*$`) })
)

// Address is where a log lies in S3: one object that several hosts may append
// to, or a prefix with an object for each host, which that host alone writes.
type Address struct {
	Bucket string
	Key    string // of the object; a prefix is empty or ends in a slash
}

// IsAddress says that a state is meant to lie in S3.
func IsAddress(state string) bool { return strings.HasPrefix(state, addressScheme) }

// ParseAddress reads s3://bucket/key or s3://bucket/prefix/.
func ParseAddress(text string) (Address, error) {
	rest, ok := strings.CutPrefix(text, addressScheme)
	bucket, key, slash := strings.Cut(rest, "/")
	if !ok || !slash {
		return Address{}, fmt.Errorf("%s is no address in S3; write s3://bucket/prefix/ or s3://bucket/bans.jsonl", quoted(text))
	}
	if !bucketName().MatchString(bucket) || strings.Contains(bucket, "..") || net.ParseIP(bucket) != nil {
		return Address{}, fmt.Errorf("%s is no name of a bucket; use 3 to 63 lower-case letters, digits, dots and dashes", quoted(bucket))
	}
	a := Address{Bucket: bucket, Key: key}
	if err := a.checkKey(); err != nil {
		return Address{}, fmt.Errorf("key %s: %w", quoted(key), err)
	}
	return a, nil
}

func (a Address) checkKey() error {
	longest := len(a.Key)
	if a.PerHost() {
		longest += maxHost + len(objectSuffix)
	}
	if longest > maxKey {
		return fmt.Errorf("it is too long; S3 takes %d bytes, the host's name included", maxKey)
	}
	if !safeKey().MatchString(a.Key) {
		return errors.New("use letters, digits, slashes and !_.*'()=+@:-")
	}
	for part := range strings.SplitSeq(strings.TrimSuffix(a.Key, "/"), "/") {
		if part == "" && a.Key != "" || part == "." || part == ".." {
			return errors.New("a part between slashes is empty or made of dots, which clients resolve in different ways")
		}
	}
	return nil
}

// PerHost says that the address is a prefix with an object for each host.
func (a Address) PerHost() bool { return a.Key == "" || strings.HasSuffix(a.Key, "/") }

func (a Address) String() string { return addressScheme + a.Bucket + "/" + a.Key }

// ObjectOf gives the key that a host writes to.
func (a Address) ObjectOf(host string) string {
	if a.PerHost() {
		return a.Key + host + objectSuffix
	}
	return a.Key
}

// hostOf gives the host whose object has a key; false for what is no log.
func (a Address) hostOf(key string) (string, bool) {
	name, under := strings.CutPrefix(key, a.Key)
	host, log := strings.CutSuffix(name, objectSuffix)
	return host, under && log && CheckHost(host) == nil
}

// name gives the address of one object, for people.
func (a Address) name(key string) string { return addressScheme + a.Bucket + "/" + key }
