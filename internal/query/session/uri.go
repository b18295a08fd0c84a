package session

import (
	"net/url"
	"strconv"
	"strings"
)

// parameters are those of a URI, in order.
type parameters [][2]string

// parse reads a URI as it was recorded. It may be cut, or never have been one: what cannot be decoded stays as it stands, and
// nothing is lost for it.
func parse(uri string) (path string, p parameters) {
	path, query, _ := strings.Cut(uri, "?")
	if whole, err := url.PathUnescape(path); err == nil {
		path = whole
	}
	for pair := range strings.SplitSeq(query, "&") {
		if pair != "" {
			name, value, _ := strings.Cut(pair, "=")
			p = append(p, [2]string{unescape(name), unescape(value)})
		}
	}
	return path, p
}

func unescape(s string) string {
	if decoded, err := url.QueryUnescape(s); err == nil {
		return decoded
	}
	return s
}

func (p parameters) all(name string) (values []string) {
	for _, x := range p {
		if x[0] == name {
			values = append(values, x[1])
		}
	}
	return values
}

func (p parameters) first(name string) string {
	for _, x := range p {
		if x[0] == name {
			return x[1]
		}
	}
	return ""
}

// truth reads a boolean as the API server does.
func truth(s string) bool {
	b, err := strconv.ParseBool(s)
	return b && err == nil
}
