package audit

import (
	"slices"
	"strconv"
	"unicode/utf8"
)

// AppendJSON appends the event as kube-apiserver's log has it, byte for byte, without the newline. A body that is not
// JSON, which makes kube-apiserver lose the event, is written as a string.
func (e *Event) AppendJSON(dst []byte) []byte {
	return e.appendMembers(append(dst, begin...), appendBody)
}

// AppendValidJSON is AppendJSON for bodies of which Span.Valid has said that they are JSON: they are not read once more to
// find out.
func (e *Event) AppendValidJSON(dst []byte) []byte {
	return e.appendMembers(append(dst, begin...), appendValid)
}

const begin = `{"kind":"Event","apiVersion":"audit.k8s.io/v1",`

// AppendItem appends the event as an item of an EventList: without kind and apiVersion.
func (e *Event) AppendItem(dst []byte) []byte {
	return e.appendMembers(append(dst, '{'), appendBody)
}

// MarshalJSON returns the event as AppendJSON writes it. It is a value's method because encoding/json would not find a
// pointer's everywhere, and leave out kind and apiVersion there.
func (e Event) MarshalJSON() ([]byte, error) { return e.AppendJSON(nil), nil }

func (e *Event) appendMembers(dst []byte, body func([]byte, Span) []byte) []byte {
	dst = appendString(append(dst, `"level":`...), string(e.Level))
	dst = appendString(append(dst, `,"auditID":`...), e.AuditID)
	dst = appendString(append(dst, `,"stage":`...), string(e.Stage))
	dst = appendString(append(dst, `,"requestURI":`...), e.RequestURI)
	dst = appendString(append(dst, `,"verb":`...), e.Verb)
	dst = e.User.appendJSON(append(dst, `,"user":`...))
	if e.ImpersonatedUser != nil {
		dst = e.ImpersonatedUser.appendJSON(append(dst, `,"impersonatedUser":`...))
	}
	if m := e.AuthenticationMetadata; m != nil {
		o := object(append(dst, `,"authenticationMetadata":`...))
		o.string("impersonationConstraint", m.ImpersonationConstraint)
		dst = o.end()
	}
	if len(e.SourceIPs) > 0 {
		dst = appendStrings(append(dst, `,"sourceIPs":`...), e.SourceIPs)
	}
	if e.UserAgent != "" {
		dst = appendString(append(dst, `,"userAgent":`...), e.UserAgent)
	}
	if e.ObjectRef != nil {
		dst = e.ObjectRef.appendJSON(append(dst, `,"objectRef":`...))
	}
	if e.ResponseStatus != nil {
		dst = e.ResponseStatus.appendJSON(append(dst, `,"responseStatus":`...))
	}
	if e.RequestObject != nil {
		dst = body(append(dst, `,"requestObject":`...), e.RequestObject)
	}
	if e.ResponseObject != nil {
		dst = body(append(dst, `,"responseObject":`...), e.ResponseObject)
	}
	dst = e.RequestReceivedTimestamp.appendJSON(append(dst, `,"requestReceivedTimestamp":`...))
	dst = e.StageTimestamp.appendJSON(append(dst, `,"stageTimestamp":`...))
	if len(e.Annotations) > 0 {
		o := object(append(dst, `,"annotations":`...))
		var keys [16]string
		for _, key := range sorted(e.Annotations, keys[:0]) {
			o.dst = appendString(o.key(key), e.Annotations[key])
		}
		dst = o.end()
	}
	return append(dst, '}')
}

func (u *UserInfo) appendJSON(dst []byte) []byte {
	o := object(dst)
	o.string("username", u.Username)
	o.string("uid", u.UID)
	if len(u.Groups) > 0 {
		o.dst = appendStrings(o.member("groups"), u.Groups)
	}
	if len(u.Extra) > 0 {
		extra := object(o.member("extra"))
		var keys [16]string
		for _, key := range sorted(u.Extra, keys[:0]) {
			extra.dst = appendStrings(extra.key(key), u.Extra[key])
		}
		o.dst = extra.end()
	}
	return o.end()
}

func (r *ObjectReference) appendJSON(dst []byte) []byte {
	o := object(dst)
	o.string("resource", r.Resource)
	o.string("namespace", r.Namespace)
	o.string("name", r.Name)
	o.string("uid", r.UID)
	o.string("apiGroup", r.APIGroup)
	o.string("apiVersion", r.APIVersion)
	o.string("resourceVersion", r.ResourceVersion)
	o.string("subresource", r.Subresource)
	return o.end()
}

func (s *Status) appendJSON(dst []byte) []byte {
	o := object(dst)
	o.dst = append(o.member("metadata"), "{}"...)
	o.string("status", s.Status)
	o.string("message", s.Message)
	o.string("reason", s.Reason)
	if s.Details != nil {
		o.dst = s.Details.appendJSON(o.member("details"))
	}
	o.number("code", s.Code)
	return o.end()
}

func (d *StatusDetails) appendJSON(dst []byte) []byte {
	o := object(dst)
	o.string("name", d.Name)
	o.string("group", d.Group)
	o.string("kind", d.Kind)
	o.string("uid", d.UID)
	if len(d.Causes) > 0 {
		o.dst = append(o.member("causes"), '[')
		for i, c := range d.Causes {
			if i > 0 {
				o.dst = append(o.dst, ',')
			}
			cause := object(o.dst)
			cause.string("reason", c.Reason)
			cause.string("message", c.Message)
			cause.string("field", c.Field)
			o.dst = cause.end()
		}
		o.dst = append(o.dst, ']')
	}
	o.number("retryAfterSeconds", d.RetryAfterSeconds)
	return o.end()
}

// objectWriter appends a JSON object's members and leaves out the empty ones.
type objectWriter struct {
	dst  []byte
	some bool
}

func object(dst []byte) objectWriter { return objectWriter{dst: append(dst, '{')} }

func (o *objectWriter) next() []byte {
	if o.some {
		o.dst = append(o.dst, ',')
	}
	o.some = true
	return o.dst
}

// key begins a member with any key.
func (o *objectWriter) key(key string) []byte { return append(appendString(o.next(), key), ':') }

// member begins one whose key stands for itself.
func (o *objectWriter) member(key string) []byte {
	return append(append(append(o.next(), '"'), key...), `":`...)
}

func (o *objectWriter) string(key, value string) {
	if value != "" {
		o.dst = appendString(o.member(key), value)
	}
}

func (o *objectWriter) number(key string, value int32) {
	if value != 0 {
		o.dst = strconv.AppendInt(o.member(key), int64(value), 10)
	}
}

func (o *objectWriter) end() []byte { return append(o.dst, '}') }

func sorted[V any](m map[string]V, keys []string) []string {
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

func appendStrings(dst []byte, list []string) []byte {
	if list == nil {
		return append(dst, "null"...)
	}
	dst = append(dst, '[')
	for i, s := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendString(dst, s)
	}
	return append(dst, ']')
}

// mustEscape has the ASCII bytes that do not stand for themselves in a string as encoding/json writes it for HTML.
var mustEscape = func() (t [utf8.RuneSelf]bool) {
	for c := range t {
		t[c] = c < ' ' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&'
	}
	return t
}()

// plainText reports whether eight bytes stand for themselves in a string as encoding/json writes it for HTML.
func plainText(x uint64) bool {
	quote, backslash, and, angle := x^ones*'"', x^ones*'\\', x^ones*'&', (x&^(ones*2))^ones*'<'
	return ((x-ones*' ')|(quote-ones)|(backslash-ones)|(and-ones)|(angle-ones)|x)&highs == 0
}

func appendString[S string | []byte](dst []byte, s S) []byte {
	dst = append(dst, '"')
	from := 0
	for i := 0; i < len(s); {
		for i+8 <= len(s) && plainText(uint64(s[i])|uint64(s[i+1])<<8|uint64(s[i+2])<<16|uint64(s[i+3])<<24|
			uint64(s[i+4])<<32|uint64(s[i+5])<<40|uint64(s[i+6])<<48|uint64(s[i+7])<<56) {
			i += 8
		}
		if i == len(s) {
			break
		}
		if c := s[i]; c < utf8.RuneSelf {
			if mustEscape[c] {
				dst = appendEscape(append(dst, s[from:i]...), c)
				from = i + 1
			}
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(string(s[i:min(i+utf8.UTFMax, len(s))]))
		switch {
		case r == utf8.RuneError && n == 1:
			dst = append(append(dst, s[from:i]...), `\ufffd`...)
			from = i + 1
		case r == '\u2028' || r == '\u2029':
			dst = append(append(dst, s[from:i]...), `\u202`...)
			dst = append(dst, '8'+byte(r-'\u2028'))
			from = i + n
		}
		i += n
	}
	return append(append(dst, s[from:]...), '"')
}

func appendEscape(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\b':
		return append(dst, '\\', 'b')
	case '\f':
		return append(dst, '\\', 'f')
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	}
	const hex = "0123456789abcdef"
	return append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
}
