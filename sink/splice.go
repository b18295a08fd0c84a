package sink

import (
	"bytes"

	"annals.dev/audit"
)

const (
	truncatedKey    = "audit.k8s.io/truncated"
	truncatedMember = `"` + truncatedKey + `":"true"`
)

// member is where one stands in its object: from the quote of its key to the end of its value.
type member struct {
	key             audit.Text
	from, value, to int
}

func membersOf(object audit.Span) (all []member) {
	at := bytes.IndexByte(object, '{') + 1
	for key, value := range object.Members {
		m := member{key: key}
		m.from = at + bytes.IndexByte(object[at:], '"') // only white space and a comma lie between
		at = m.from + len(`"`) + len(key) + len(`"`)
		for at++; object[at-1] != ':'; at++ {
		}
		for ; object[at] <= ' '; at++ {
		}
		m.value, m.to = at, at+len(value)
		at = m.to
		all = append(all, m)
	}
	return all
}

// withoutBodies is a copy of the event without requestObject and responseObject and with the annotation; every other byte is as
// it was.
func withoutBodies(v *audit.View) []byte {
	raw := audit.Span(v.Raw)
	dst := make([]byte, 0, max(0, len(raw)-len(v.RequestObject)-len(v.ResponseObject))+64)
	at, kept, annotated := bytes.IndexByte(raw, '{')+1, false, false
	dst = append(dst, raw[:at]...)
	for _, m := range membersOf(raw) {
		if m.key.Is("requestObject") || m.key.Is("responseObject") {
			at = m.to
			continue
		}
		if !kept {
			at = m.from // without the comma of one that is gone
		}
		kept = true
		dst = append(dst, raw[at:m.value]...)
		if m.key.Is("annotations") {
			annotated = true
			dst = appendAnnotated(dst, raw[m.value:m.to])
		} else {
			dst = append(dst, raw[m.value:m.to]...)
		}
		at = m.to
	}
	if !annotated {
		if kept {
			dst = append(dst, ',')
		}
		dst = append(dst, `"annotations":{`+truncatedMember+`}`...)
	}
	return append(dst, raw[at:]...)
}

// appendAnnotated appends the annotations with the one more, where its key sorts to: that is where kube-apiserver has it.
func appendAnnotated(dst []byte, value audit.Span) []byte {
	if value[0] != '{' {
		return append(dst, `{`+truncatedMember+`}`...)
	}
	all := membersOf(value)
	at, there := 0, false
	for _, m := range all {
		if m.key.Is(truncatedKey) {
			dst = append(append(dst, value[at:m.value]...), `"true"`...)
			at, there = m.to, true
		}
	}
	if there {
		return append(dst, value[at:]...)
	}
	for _, m := range all {
		if m.key.String() > truncatedKey {
			dst = append(append(dst, value[:m.from]...), truncatedMember+","...)
			return append(dst, value[m.from:]...)
		}
	}
	separator := ""
	if at = 1; len(all) > 0 {
		at, separator = all[len(all)-1].to, ","
	}
	dst = append(append(append(dst, value[:at]...), separator...), truncatedMember...)
	return append(dst, value[at:]...)
}
