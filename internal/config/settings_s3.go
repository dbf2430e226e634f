package config

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// settings is the one table behind flags, environment, file and sample. Its
// order is that of the sample.
var settings = slices.Concat(generalSettings, s3Settings)

// S3 is how logs in S3 are reached and written.
type S3 struct {
	Timeout   time.Duration // of one reading, or of one append with all its attempts
	MaxSize   int64         // bytes of an object
	SSE       string        // server-side encryption; empty: as the bucket says
	KMSKeyID  string        // the key of a customer; empty: AWS's own
	PathStyle bool          // the bucket's name goes in the path
}

// none switches off a setting that names something.
const none = "none"

// s3Settings are the rows about logs in S3.
var s3Settings = []setting{
	{
		"spool", "DIR|none", false,
		[]string{"/var/lib/reconciler"},
		"directory of records that wait for S3; with none, ban writes to S3 itself",
		one(optional(parseDir), func(c *Config) *string { return &c.Spool }),
	},
	{
		"cache-dir", "DIR", false,
		[]string{"/var/lib/reconciler"},
		"directory for what was last read from S3",
		one(parseDir, func(c *Config) *string { return &c.CacheDir }),
	},
	{
		"poll", "DURATION", false,
		[]string{"10s"},
		"how often S3 is asked for news",
		one(spanOf(time.Second, time.Hour), func(c *Config) *time.Duration { return &c.Poll }),
	},
	{
		"s3-timeout", "DURATION", false,
		[]string{"10s"},
		"longest that one append to S3, or one look at it, may take",
		one(spanOf(time.Second, 5*time.Minute), func(c *Config) *time.Duration { return &c.S3.Timeout }),
	},
	{
		"s3-max-size", "SIZE", false,
		[]string{"64MiB"},
		"largest object that is read or written",
		one(parseSize, func(c *Config) *int64 { return &c.S3.MaxSize }),
	},
	{
		"s3-sse", "none|AES256|aws:kms|aws:kms:dsse", false,
		[]string{none},
		"server-side encryption to ask for; none leaves it to the bucket",
		one(optional(choice("AES256", "aws:kms", "aws:kms:dsse")), func(c *Config) *string { return &c.S3.SSE }),
	},
	{
		"s3-sse-kms-key-id", "KEY|none", false,
		[]string{none},
		"KMS key of your own for --s3-sse aws:kms: its ID, ARN or alias",
		one(optional(parseKeyID), func(c *Config) *string { return &c.S3.KMSKeyID }),
	},
	{
		"s3-path-style", "", false,
		[]string{"false"},
		"put the bucket in the path of the address, as some servers need it",
		one(parseBool, func(c *Config) *bool { return &c.S3.PathStyle }),
	},
}

// optional makes the word none mean nothing.
func optional(parse func(string) (string, error)) func(string) (string, error) {
	return func(text string) (string, error) {
		if text == none {
			return "", nil
		}
		return parse(text)
	}
}

// spanOf makes the parser of a duration in a range.
func spanOf(least, most time.Duration) func(string) (time.Duration, error) {
	return func(text string) (time.Duration, error) {
		d, err := time.ParseDuration(text)
		if err != nil || d < least || d > most {
			return 0, fmt.Errorf("%q is no duration from %s to %s; write it with a unit, such as 10s", text, least, most)
		}
		return d, nil
	}
}

// maxKeyID is above the longest ARN of a key (AWS KMS API reference, KeyIdType).
const maxKeyID = 2048

func parseKeyID(text string) (string, error) {
	plain := func(r rune) bool { return r <= ' ' || r >= 0x7f }
	if text == "" || len(text) > maxKeyID || slices.ContainsFunc([]rune(text), plain) {
		return "", errors.New("it is no ID of a KMS key; write its ID, its ARN or alias/NAME, or none")
	}
	return text, nil
}
