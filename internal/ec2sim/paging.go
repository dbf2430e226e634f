package ec2sim

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
)

// pageToken is what a NextToken holds.
type pageToken struct {
	Query string `json:"q"`
	After string `json:"a"`
}

func fingerprint(q query) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q", q.ids, q.filters))
	return base64.RawURLEncoding.EncodeToString(sum[:9])
}

func newToken(fp, after string) string {
	b, err := json.Marshal(pageToken{Query: fp, After: after})
	if err != nil {
		panic(err) // two strings always marshal
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// readToken gives the identifier in a token that belongs to the same query.
func (p *params) readToken(token, fp string) string {
	var t pageToken
	b, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || json.Unmarshal(b, &t) != nil || t.Query != fp || t.After == "" {
		p.fail(refuse(codePagination, "The specified pagination token is invalid or does not belong to this request"))
	}
	return t.After
}
