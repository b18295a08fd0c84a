package falco

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"

	"annals.dev/audit"
)

// member is an object's member, the first of that name; nil if there is none.
func member(s audit.Span, name string) audit.Span {
	for key, value := range s.Members {
		if key.Is(name) {
			return value
		}
	}
	return nil
}

func element(s audit.Span, index int) audit.Span {
	for e := range s.Elements {
		if index == 0 {
			return e
		}
		index--
	}
	return nil
}

func is(s audit.Span, first byte) bool { return len(s) > 0 && s[0] == first }

// all are the values that a path leads to. Through an array it leads to each element, or to the one of the index if that is not
// -1; an element where it ends early counts as nil. The path as a whole may lead nowhere.
func all(s audit.Span, index int, path ...string) ([]audit.Span, bool) {
	for i, name := range path {
		if is(s, '[') {
			if index < 0 {
				found := []audit.Span{}
				for e := range s.Elements {
					if more, ok := all(e, index, path[i:]...); ok {
						found = append(found, more...)
					} else {
						found = append(found, nil)
					}
				}
				return found, true
			}
			s = element(s, index)
		}
		if s = member(s, name); s == nil {
			return nil, false
		}
	}
	return []audit.Span{s}, s != nil
}

// render is a value as a text: a string decoded, anything else as compact JSON.
func render(s audit.Span) []byte {
	switch s[0] {
	case '"':
		return audit.Text(s[1 : len(s)-1]).Decode(nil)
	case '{', '[':
		return compact(nil, s)
	}
	return s
}

// renderAll leaves out what is absent.
func renderAll(spans []audit.Span) (texts [][]byte) {
	for _, s := range spans {
		if s != nil {
			texts = append(texts, render(s))
		}
	}
	return texts
}

// compact appends JSON as Falco's plugins do: without white space, and its strings with no more escapes than they need.
func compact(dst []byte, s audit.Span) []byte {
	switch s[0] {
	case '{':
		dst = append(dst, '{')
		for key, value := range s.Members {
			if dst[len(dst)-1] != '{' {
				dst = append(dst, ',')
			}
			dst = append(compactText(dst, key), ':')
			dst = compact(dst, value)
		}
		return append(dst, '}')
	case '[':
		dst = append(dst, '[')
		for e := range s.Elements {
			if dst[len(dst)-1] != '[' {
				dst = append(dst, ',')
			}
			dst = compact(dst, e)
		}
		return append(dst, ']')
	case '"':
		return compactText(dst, audit.Text(s[1:len(s)-1]))
	}
	return append(dst, s...)
}

func compactText(dst []byte, t audit.Text) []byte {
	from := len(dst)
	dst = t.Append(append(dst, '"'))
	for _, c := range dst[from+1:] {
		if c == '"' || c == '\\' || c < 0x20 {
			return strconv.AppendQuote(dst[:from], string(dst[from+1:]))
		}
	}
	return append(dst, '"')
}

// pointer is the value at a JSON pointer into the event, whatever form the event came in.
func pointer(v *audit.View, keys []string) []byte {
	t, s, n := top(v, keys)
	if keys = keys[n:]; t != nil && len(keys) == 0 {
		return t.Decode(nil)
	}
	for _, k := range keys {
		if is(s, '[') {
			i, err := strconv.Atoi(k)
			if err != nil || i < 0 {
				return nil
			}
			s = element(s, i)
		} else {
			s = member(s, k)
		}
	}
	if s == nil {
		return nil
	}
	return render(s)
}

// top is what the first keys name: a text or a span, and how many keys that were.
func top(v *audit.View, keys []string) (audit.Text, audit.Span, int) {
	second := ""
	if len(keys) > 1 {
		second = keys[1]
	}
	switch keys[0] {
	case "level":
		return v.Level, nil, 1
	case "auditID":
		return v.AuditID, nil, 1
	case "stage":
		return v.Stage, nil, 1
	case "requestURI":
		return v.RequestURI, nil, 1
	case "verb":
		return v.Verb, nil, 1
	case "userAgent":
		return v.UserAgent, nil, 1
	case "user":
		return topUser(&v.User, second)
	case "impersonatedUser":
		return topUser(&v.ImpersonatedUser, second)
	case "sourceIPs":
		return nil, v.SourceIPs, 1
	case "objectRef":
		return topObject(&v.ObjectRef, second)
	case "responseStatus":
		switch second {
		case "code":
			return code(v), nil, 2
		case "reason":
			return v.ResponseStatus.Reason, nil, 2
		case "status":
			return v.ResponseStatus.Status, nil, 2
		case "message":
			return v.ResponseStatus.Message, nil, 2
		}
		return nil, v.ResponseStatus.Raw, 1
	case "requestObject":
		return nil, v.RequestObject, 1
	case "responseObject":
		return nil, v.ResponseObject, 1
	case "requestReceivedTimestamp":
		return v.RequestReceivedTimestamp, nil, 1
	case "stageTimestamp":
		return v.StageTimestamp, nil, 1
	case "annotations":
		switch second {
		case decision:
			return v.Decision, nil, 2
		case reason:
			return v.Reason, nil, 2
		}
		return nil, v.Annotations, 1
	}
	return nil, v.Raw, 0
}

const (
	decision = "authorization.k8s.io/decision"
	reason   = "authorization.k8s.io/reason"
)

func topUser(u *audit.UserView, second string) (audit.Text, audit.Span, int) {
	switch second {
	case "username":
		return u.Username, nil, 2
	case "uid":
		return u.UID, nil, 2
	case "groups":
		return nil, u.Groups, 2
	case "extra":
		return nil, u.Extra, 2
	}
	return nil, u.Raw, 1
}

func topObject(o *audit.ObjectRefView, second string) (audit.Text, audit.Span, int) {
	switch second {
	case "resource":
		return o.Resource, nil, 2
	case "namespace":
		return o.Namespace, nil, 2
	case "name":
		return o.Name, nil, 2
	case "uid":
		return o.UID, nil, 2
	case "apiGroup":
		return o.APIGroup, nil, 2
	case "apiVersion":
		return o.APIVersion, nil, 2
	case "resourceVersion":
		return o.ResourceVersion, nil, 2
	case "subresource":
		return o.Subresource, nil, 2
	}
	return nil, o.Raw, 1
}

// keysOf splits a JSON pointer.
func keysOf(pointer string) []string {
	keys := strings.Split(strings.TrimPrefix(pointer, "/"), "/")
	for i, k := range keys {
		keys[i] = strings.ReplaceAll(strings.ReplaceAll(k, "~1", "/"), "~0", "~")
	}
	return keys
}

func code(v *audit.View) audit.Text {
	if v.ResponseStatus.Code == 0 {
		return nil
	}
	return strconv.AppendInt(nil, int64(v.ResponseStatus.Code), 10)
}

func indented(s []byte) []byte {
	var b bytes.Buffer
	if json.Indent(&b, s, "", "  ") != nil {
		return nil
	}
	return b.Bytes()
}
