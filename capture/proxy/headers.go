package proxy

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"

	"annals.dev/audit"
)

const (
	impersonateUser  = "Impersonate-User"
	impersonateUID   = "Impersonate-Uid"
	impersonateGroup = "Impersonate-Group"
	impersonateExtra = "Impersonate-Extra-"
)

// plain is a header's name as the most lenient server would read it: some take _ for -.
func plain(name string) string { return strings.ReplaceAll(strings.ToLower(name), "_", "-") }

// believedByUpstream says whether an upstream, or what stands before it, may take the header for the word of a proxy that
// it trusts.
func believedByUpstream(name string) bool {
	name = plain(name)
	return strings.HasPrefix(name, "x-remote-") || strings.HasPrefix(name, "x-forwarded") || name == "x-real-ip" || name == "forwarded"
}

func isImpersonation(name string) bool { return strings.HasPrefix(plain(name), "impersonate-") }

// carriesCredentials says of a header that it may say who the caller is.
func carriesCredentials(name string) bool {
	switch plain(name) {
	case "authorization", "proxy-authorization", "cookie", "cookie2":
		return true
	}
	return false
}

// strip removes what a caller may not say. Names with _ of what is removed or of what says who somebody is never mean well.
func strip(h http.Header, mode Mode) {
	for name := range h {
		odd := strings.Contains(name, "_")
		switch {
		case believedByUpstream(name),
			isImpersonation(name) && (odd || mode == Impersonate),
			carriesCredentials(name) && (odd || mode == Impersonate):
			delete(h, name)
		}
	}
}

// setIdentity writes whom a request goes up as.
func setIdentity(h http.Header, u *audit.UserInfo) {
	h[impersonateUser] = []string{u.Username}
	if u.UID != "" {
		h[impersonateUID] = []string{u.UID}
	}
	if len(u.Groups) > 0 {
		h[impersonateGroup] = slices.Clone(u.Groups)
	}
	for key, values := range u.Extra {
		h[http.CanonicalHeaderKey(impersonateExtra+escapeExtra(key))] = slices.Clone(values)
	}
}

// escapeExtra makes a key of extra part of a header's name. Capitals are escaped too: the upstream reads the name in lower
// case before it unescapes it.
func escapeExtra(key string) string {
	var b strings.Builder
	for i := range len(key) {
		c := key[i]
		if c >= 'A' && c <= 'Z' || c == '%' || !httpguts.ValidHeaderFieldName(string(rune(c))) || c >= 0x80 {
			fmt.Fprintf(&b, "%%%02x", c)
			continue
		}
		b.WriteByte(c)
	}
	return b.String()
}

// masters is the group that the upstream asks nothing more of. No rule of RBAC can keep an impersonator from it who may
// impersonate groups at all, so it is kept from it here.
const masters = "system:masters"

// checkIdentity refuses whom the proxy must not or cannot speak for. A name that changes on the way in a header, where
// spaces at its ends are cut off, would make the caller somebody else; an empty one would make it the proxy itself.
func checkIdentity(u *audit.UserInfo) error {
	if u.Username == "" {
		return fmt.Errorf("the user has no name")
	}
	if slices.Contains(u.Groups, masters) {
		return fmt.Errorf("group %s is not passed on by this proxy: it stands above all authorization; use the API server itself", masters)
	}
	values := append([]string{u.Username, u.UID}, u.Groups...)
	for _, key := range slices.Sorted(maps.Keys(u.Extra)) {
		if key == "" {
			return fmt.Errorf("extra has an empty key")
		}
		values = append(values, u.Extra[key]...)
	}
	if slices.Contains(u.Groups, "") {
		return fmt.Errorf("a group has no name")
	}
	for _, v := range values {
		if strings.TrimSpace(v) != v || !httpguts.ValidHeaderFieldValue(v) {
			return fmt.Errorf("the name, group or other value %.100q cannot be passed on unchanged in a header", v)
		}
	}
	return nil
}
