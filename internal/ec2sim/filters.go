package ec2sim

import (
	"fmt"
	"slices"
	"strings"
)

// Limits of the Describe actions ("Pagination", "Filtering" in the EC2 API
// reference).
const (
	minResults      = 5
	maxResults      = 1000
	maxFilterValues = 200
)

// filter keeps the resources of which one of the named attributes matches one
// of the patterns.
type filter struct {
	name     string
	patterns []string
}

// query is what the Describe actions ask for.
type query struct {
	ids         []string
	filters     []filter
	max         int    // 0: not given
	after       string // the last identifier of the page before
	fingerprint string // of ids and filters, so that a token fits its query alone
}

// kind says how one sort of resource is described.
type kind[T any] struct {
	param    string // the list of identifiers; empty: there is none
	prefix   string // of the identifiers
	name     string // in codes: Invalid<name>.NotFound
	id       func(T) string
	tags     func(T) tags
	filters  map[string]func(*world, T) []string
	internal string // in messages
}

// parse reads ids, filters and paging.
func (k kind[T]) parse(p *params) query {
	var q query
	if k.param != "" {
		q.ids = p.list(k.param)
		for _, id := range q.ids {
			p.id(id, k.prefix, "Invalid"+k.name+".Malformed")
		}
	}
	q.filters = k.parseFilters(p)
	q.fingerprint = fingerprint(q)
	n, given := p.number("MaxResults")
	if given && (n < minResults || n > maxResults) {
		p.fail(badValue(fmt.Sprint(n), "MaxResults", "Expecting a value between 5 and 1000."))
	}
	q.max = n
	token, more := p.get("NextToken")
	if (given || more) && len(q.ids) > 0 {
		p.fail(refuse(codeCombination, "The parameter %ss cannot be used with the parameter maxResults", lowerFirst(k.param)))
	}
	if more && p.err == nil {
		q.after = p.readToken(token, q.fingerprint)
	}
	return q
}

func (k kind[T]) parseFilters(p *params) []filter {
	var out []filter
	total := 0
	for i := 1; p.err == nil && p.has(fmt.Sprintf("Filter.%d.", i)); i++ {
		f := filter{name: p.require(fmt.Sprintf("Filter.%d.Name", i))}
		f.patterns = p.list(fmt.Sprintf("Filter.%d.Value", i))
		total += len(f.patterns)
		_, known := k.filters[f.name]
		key, tagged := strings.CutPrefix(f.name, "tag:")
		switch {
		case p.err != nil:
		case !known && (!tagged || key == ""):
			p.fail(refuse(codeValue, "The filter '%s' is invalid", f.name))
		case len(f.patterns) == 0:
			p.fail(refuse(codeValue, "The filter '%s' has no values", f.name))
		case total > maxFilterValues:
			p.fail(refuse("FilterLimitExceeded", "The maximum number of filter values specified on a single call is %d", maxFilterValues))
		}
		out = append(out, f)
	}
	return out
}

// page picks what the query asks for out of all, which is sorted by identifier.
// limit bounds a page further, as AWS may at any time; 0 does not.
func (k kind[T]) page(w *world, q query, all []T, limit int) ([]T, string, *apiError) {
	if err := k.allThere(q.ids, all); err != nil {
		return nil, "", err
	}
	size := maxResults
	if q.max > 0 {
		size = q.max
	}
	if limit > 0 && limit < size {
		size = limit
	}
	var out []T
	for _, r := range all {
		if q.after != "" && k.id(r) <= q.after || !k.matches(w, q, r) {
			continue
		}
		if len(out) == size && len(q.ids) == 0 {
			return out, newToken(q.fingerprint, k.id(out[size-1])), nil
		}
		out = append(out, r)
	}
	return out, "", nil
}

func (k kind[T]) allThere(ids []string, all []T) *apiError {
	for _, id := range ids {
		if !slices.ContainsFunc(all, func(r T) bool { return k.id(r) == id }) {
			return refuse("Invalid"+k.name+".NotFound", "The %s ID '%s' does not exist", k.internal, id)
		}
	}
	return nil
}

func (k kind[T]) matches(w *world, q query, r T) bool {
	if len(q.ids) > 0 && !slices.Contains(q.ids, k.id(r)) {
		return false
	}
	for _, f := range q.filters {
		if !slices.ContainsFunc(k.values(w, f.name, r), f.matches) {
			return false
		}
	}
	return true
}

func (k kind[T]) values(w *world, name string, r T) []string {
	if key, ok := strings.CutPrefix(name, "tag:"); ok {
		if v, found := k.tags(r)[key]; found {
			return []string{v}
		}
		return nil
	}
	return k.filters[name](w, r)
}

func (f filter) matches(value string) bool {
	return slices.ContainsFunc(f.patterns, func(p string) bool { return wildcard(p, value) })
}
