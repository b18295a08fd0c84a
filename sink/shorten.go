package sink

import (
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"annals.dev/audit"
)

const (
	cutMark = "...TRUNCATED" // as kube-apiserver ends a user agent that it cuts
	maxKept = 16             // entries of a list or a map
)

// shortened is what is left of an event that is too large even without its bodies: every text is cut until the whole has no
// more than limit bytes, newline and all. Nil if not even that does. A client chooses how long a URL is, and must not be able
// to keep a request out of the record by it.
func shortened(v *audit.View, limit int64) []byte {
	for _, n := range []int{4096, 512, 64} {
		var e audit.Event
		_ = e.UnmarshalFrom(v) // a time that cannot be read is left out, which is better than the event
		e.RequestObject, e.ResponseObject = nil, nil
		shorten(&e, n)
		if b := e.AppendJSON(nil); int64(len(b))+1 <= limit {
			return b
		}
	}
	return nil
}

// shorten cuts every text to n bytes.
func shorten(e *audit.Event, n int) {
	cutAll(n, &e.AuditID, &e.RequestURI, &e.Verb, &e.UserAgent)
	e.SourceIPs = cutList(e.SourceIPs, n)
	shortenUser(&e.User, n)
	if e.ImpersonatedUser != nil {
		shortenUser(e.ImpersonatedUser, n)
	}
	if m := e.AuthenticationMetadata; m != nil {
		cutAll(n, &m.ImpersonationConstraint)
	}
	if r := e.ObjectRef; r != nil {
		cutAll(n, &r.Resource, &r.Namespace, &r.Name, &r.UID, &r.APIGroup, &r.APIVersion, &r.ResourceVersion, &r.Subresource)
	}
	if s := e.ResponseStatus; s != nil {
		cutAll(n, &s.Status, &s.Message, &s.Reason)
		s.Details = nil
	}
	kept := map[string]string{truncatedKey: "true"}
	for _, key := range slices.Sorted(maps.Keys(e.Annotations)) {
		if len(kept) <= maxKept && len(key) <= n && key != truncatedKey {
			kept[key] = cut(e.Annotations[key], n)
		}
	}
	e.Annotations = kept
}

func shortenUser(u *audit.UserInfo, n int) {
	cutAll(n, &u.Username, &u.UID)
	u.Groups = cutList(u.Groups, n)
	var kept map[string][]string
	for _, key := range slices.Sorted(maps.Keys(u.Extra)) {
		if len(kept) < maxKept && len(key) <= n {
			if kept == nil {
				kept = map[string][]string{}
			}
			kept[key] = cutList(u.Extra[key], n)
		}
	}
	u.Extra = kept
}

func cutList(list []string, n int) []string {
	list = list[:min(len(list), maxKept)]
	for i := range list {
		list[i] = cut(list[i], n)
	}
	return list
}

func cutAll(n int, texts ...*string) {
	for _, s := range texts {
		*s = cut(*s, n)
	}
}

func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return strings.Clone(s[:n]) + cutMark
}
