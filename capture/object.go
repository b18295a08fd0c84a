package capture

import (
	"bytes"
	"encoding/json"

	"annals.dev/audit"
)

type answer int

const (
	no answer = iota
	yes
	unknown // until more is read
)

var protobufStatus = []byte("k8s\x00\n\x0c\n\x02v1\x12\x06Status")

// beginsAsStatus reports whether a body begins as a v1 Status does: kind and apiVersion stand first, in any order.
func beginsAsStatus(b []byte) answer {
	if len(b) > 0 && b[0] == 'k' {
		switch n := min(len(b), len(protobufStatus)); {
		case !bytes.Equal(b[:n], protobufStatus[:n]):
			return no
		case n < len(protobufStatus):
			return unknown
		}
		return yes
	}
	b, found := punctuation(b, '{')
	for seen := 0; ; {
		if found != yes {
			return found
		}
		var key, value []byte
		if b, key, found = shortString(b); found != yes {
			return found
		}
		if b, found = punctuation(b, ':'); found != yes {
			return found
		}
		if b, value, found = shortString(b); found != yes {
			return found
		}
		switch {
		case string(key) == "kind" && string(value) == "Status":
			seen |= 1
		case string(key) == "apiVersion" && string(value) == "v1":
			seen |= 2
		default:
			return no
		}
		if seen == 3 {
			return yes
		}
		b, found = punctuation(b, ',')
	}
}

func punctuation(b []byte, c byte) ([]byte, answer) {
	b = bytes.TrimLeft(b, " \t\r\n")
	switch {
	case len(b) == 0:
		return nil, unknown
	case b[0] != c:
		return nil, no
	}
	return b[1:], yes
}

// shortString reads a string that has no escapes and is no longer than those that matter here.
func shortString(b []byte) (rest, s []byte, found answer) {
	if b, found = punctuation(b, '"'); found != yes {
		return nil, nil, found
	}
	const longest = len("apiVersion")
	end := bytes.IndexByte(b[:min(len(b), longest+1)], '"')
	switch {
	case end >= 0:
		return b[end+1:], b[:end], yes
	case len(b) <= longest:
		return nil, nil, unknown
	}
	return nil, nil, no
}

// readStatus fills status, all but the code, if the body is a v1 Status.
func readStatus(body audit.Span, status *audit.Status) bool {
	var kind, version bool
	for key, value := range body.Members {
		switch {
		case key.Is("kind"):
			if kind = string(value) == `"Status"`; !kind {
				return false // as nearly all, at the first member
			}
		case key.Is("apiVersion"):
			version = string(value) == `"v1"`
		}
	}
	if !kind || !version {
		return false
	}
	var s audit.Status
	if json.Unmarshal(body, &s) != nil {
		return false
	}
	s.Code = status.Code
	*status = s
	return true
}

// nameObject fills what is missing in ref from the body's metadata. Of members that stand twice the last counts, as it
// does for whoever decodes the body: otherwise the event would name another object than the one that was made.
func nameObject(ref *audit.ObjectReference, body audit.Span) {
	var name, namespace, uid, version audit.Text
	for key, value := range body.Members {
		if !key.Is("metadata") {
			continue
		}
		for key, value := range value.Members {
			if value[0] != '"' {
				continue
			}
			text := audit.Text(value[1 : len(value)-1])
			switch {
			case key.Is("name"):
				name = text
			case key.Is("namespace"):
				namespace = text
			case key.Is("uid"):
				uid = text
			case key.Is("resourceVersion"):
				version = text
			}
		}
	}
	fill(&ref.Name, name)
	fill(&ref.Namespace, namespace)
	fill(&ref.UID, uid)
	fill(&ref.ResourceVersion, version)
}

func fill(field *string, text audit.Text) {
	if *field == "" {
		*field = text.String()
	}
}

// withoutManagedFields is the body without metadata.managedFields: an object's, those of a list's items and of the objects
// in a Table's rows.
func withoutManagedFields(body audit.Span) audit.Span {
	if !bytes.Contains(body, []byte("managedFields")) {
		return body
	}
	return rewrite(make([]byte, 0, len(body)), body, func(dst []byte, key audit.Text, value audit.Span) []byte {
		switch {
		case key.Is("items"):
			return eachElement(dst, value, stripObject)
		case key.Is("rows"):
			return eachElement(dst, value, stripRow)
		}
		return stripMetadata(dst, key, value)
	})
}

func stripObject(dst []byte, object audit.Span) []byte { return rewrite(dst, object, stripMetadata) }

func stripRow(dst []byte, row audit.Span) []byte {
	return rewrite(dst, row, func(dst []byte, key audit.Text, value audit.Span) []byte {
		if key.Is("object") {
			return stripObject(dst, value)
		}
		return append(dst, value...)
	})
}

func stripMetadata(dst []byte, key audit.Text, value audit.Span) []byte {
	if !key.Is("metadata") {
		return append(dst, value...)
	}
	return rewrite(dst, value, func(dst []byte, key audit.Text, value audit.Span) []byte {
		if key.Is("managedFields") {
			return nil
		}
		return append(dst, value...)
	})
}

// rewrite appends a value; if it is an object, with each member's value as edit appends it, and without those of which
// edit returns nil.
func rewrite(dst []byte, object audit.Span, edit func(dst []byte, key audit.Text, value audit.Span) []byte) []byte {
	if len(bytes.TrimLeft(object, " \t\r\n")) == 0 || bytes.TrimLeft(object, " \t\r\n")[0] != '{' {
		return append(dst, object...)
	}
	dst = append(dst, '{')
	before := len(dst)
	for key, value := range object.Members {
		start := len(dst)
		if start > before {
			dst = append(dst, ',')
		}
		dst = append(append(append(dst, '"'), key...), '"', ':')
		if edited := edit(dst, key, value); edited != nil {
			dst = edited
		} else {
			dst = dst[:start]
		}
	}
	return append(dst, '}')
}

func eachElement(dst []byte, array audit.Span, edit func([]byte, audit.Span) []byte) []byte {
	if len(array) == 0 || array[0] != '[' {
		return append(dst, array...)
	}
	dst = append(dst, '[')
	before := len(dst)
	for element := range array.Elements {
		if len(dst) > before {
			dst = append(dst, ',')
		}
		dst = edit(dst, element)
	}
	return append(dst, ']')
}
