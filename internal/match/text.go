package match

import "annals.dev/audit"

// EventText hands each span of an event's searchable text to f, in a fixed order: all of it that Words reads, and that words
// and phrases are looked for in. A span is a string, decoded, or JSON as it stands; no phrase runs from one into the next. What
// f gets is valid until it returns.
//
// The envelope, the audit ID and the two timestamps are not part of it: they have fields, and every event has them.
func EventText(v *audit.View, f func(span []byte)) {
	var scratch []byte
	viewText(v, &scratch, func(span []byte, _ bool) bool {
		f(span)
		return true
	})
}

// viewText yields the spans and whether each is JSON, until yield returns false. scratch is for decoding.
func viewText(v *audit.View, scratch *[]byte, yield func(span []byte, json bool) bool) {
	text := func(t audit.Text) bool {
		if len(t) == 0 {
			return true
		}
		if !t.Plain() {
			*scratch = t.Append((*scratch)[:0])
			t = *scratch
		}
		return yield(t, false)
	}
	json := func(s audit.Span) bool { return len(s) == 0 || yield(valid(s), true) }
	// Of an event that was cut, the members of these two may be known although the whole is not.
	impersonated := func() bool {
		if v.ImpersonatedUser.Raw != nil {
			return json(v.ImpersonatedUser.Raw)
		}
		return text(v.ImpersonatedUser.Username)
	}
	annotations := func() bool {
		if v.Annotations != nil {
			return json(v.Annotations)
		}
		return text(v.Decision) && text(v.Reason)
	}
	o := &v.ObjectRef
	_ = text(v.Level) && text(v.Stage) && text(v.Verb) && text(v.RequestURI) &&
		text(v.User.Username) && text(v.User.UID) && json(v.User.Groups) && json(v.User.Extra) &&
		impersonated() && json(v.SourceIPs) && text(v.UserAgent) &&
		text(o.Resource) && text(o.Namespace) && text(o.Name) && text(o.UID) &&
		text(o.APIGroup) && text(o.APIVersion) && text(o.ResourceVersion) && text(o.Subresource) &&
		json(v.ResponseStatus.Raw) && annotations() && json(v.AuthenticationMetadata) &&
		json(v.RequestObject) && json(v.ResponseObject)
}

// textColumns are the ledger's columns that hold the searchable text: JSON or a string. Unless is the index of a column that,
// where it is not empty, holds the same.
var textColumns = [...]struct {
	name   string
	json   bool
	unless int
}{
	{name: "level"}, {name: "stage"}, {name: "verb"}, {name: "requestURI"},
	{name: "username"}, {name: "userUID"}, {name: "groups", json: true}, {name: "userExtra", json: true},
	{name: "impersonatedUsername", unless: impersonatedColumn}, impersonatedColumn: {name: "impersonatedUser", json: true},
	{name: "sourceIPs", json: true}, {name: "userAgent"},
	{name: "resource"}, {name: "namespace"}, {name: "name"}, {name: "objectUID"},
	{name: "apiGroup"}, {name: "apiVersion"}, {name: "resourceVersion"}, {name: "subresource"},
	{name: "responseStatus", json: true},
	{name: "decision", unless: annotationsColumn}, {name: "reason", unless: annotationsColumn},
	annotationsColumn: {name: "annotations", json: true},
	{name: "authenticationMetadata", json: true}, {name: bodies, json: true},
}

const impersonatedColumn, annotationsColumn = 9, 23
