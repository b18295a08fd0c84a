package proxy

import (
	"net/url"
	"strings"
)

// secretParameters are the query parameters whose values are credentials.
var secretParameters = map[string]bool{
	"access_token": true, "id_token": true, "refresh_token": true, "token": true, "bearer_token": true,
	"client_secret": true, "password": true, "authorization": true,
}

const redactedValue = "REDACTED"

// redacted is u as it may be written down: without user and password, without the values of query parameters that are
// credentials. All else stays byte for byte. It is u itself if there is nothing to hide.
func redacted(u *url.URL) *url.URL {
	query := redactedQuery(u.RawQuery)
	if query == u.RawQuery && u.User == nil && u.Opaque == "" && u.Host == "" && u.Fragment == "" {
		return u
	}
	// Of an absolute URI only the path and the query say anything: its host is not where the request goes.
	return &url.URL{Path: u.Path, RawPath: u.RawPath, RawQuery: query, ForceQuery: u.ForceQuery}
}

func redactedQuery(query string) string {
	if query == "" {
		return query
	}
	var b strings.Builder
	changed := false
	for rest := query; rest != ""; {
		// Not all agree that ; separates: what stands behind one is looked at too.
		pair, sep := rest, ""
		if i := strings.IndexAny(rest, "&;"); i >= 0 {
			pair, sep = rest[:i], rest[i:i+1]
		}
		rest = rest[len(pair)+len(sep):]
		key, value, has := strings.Cut(pair, "=")
		if has && value != "" && isSecret(key) {
			pair, changed = key+"="+redactedValue, true
		}
		b.WriteString(pair)
		b.WriteString(sep)
	}
	if !changed {
		return query
	}
	return b.String()
}

func isSecret(key string) bool {
	if plain, err := url.QueryUnescape(key); err == nil {
		key = plain
	}
	return secretParameters[strings.ToLower(strings.TrimSpace(key))]
}
