package ledger

import (
	"bytes"
	"fmt"
	"unicode/utf8"

	"annals.dev/audit"
)

// An event's bytes are given back from its columns, by the one way in which kube-apiserver writes its fields. The form says
// how. Rows that this writer would not give back byte for byte keep what surrounds their bodies as it came; which they are is
// found by writing each row and comparing, when it comes. The writer is frozen: segments name its version, and another
// writer gets another version.
const writerVersion = 1

const (
	formSurround = 0 // the Surround column holds the bytes, with a mark in the place of each body
	formItem     = 1 // an item of a webhook's EventList: no kind, no apiVersion
	formLine     = 2 // a line of the log: kind and apiVersion first
	formWhole    = 3 // the Surround column holds the bytes, bodies and all
)

const lineHead = `"kind":"Event","apiVersion":"audit.k8s.io/v1",`

// Marks in the Surround column for a body that stands in the Body column. JSON holds neither byte; an event that does is kept
// whole.
const (
	requestMark  = 0x1C
	responseMark = 0x1D
)

// appendEvent appends the event of a row. request and response are its bodies, from the Body column.
func (t *table) appendEvent(dst []byte, row int, form int64, surround, request, response []byte) ([]byte, error) {
	switch form {
	case formWhole:
		return append(dst, surround...), nil
	case formSurround:
		return appendSurround(dst, surround, request, response), nil
	case formItem, formLine:
		return t.appendWritten(dst, row, form, request, response), nil
	}
	return nil, fmt.Errorf("form %d is not known to this version", form)
}

// surroundForm is the form of an event that is kept as it came.
func surroundForm(b []byte, req, resp [2]uint32) int64 {
	if req[1] == 0 && resp[1] == 0 || bytes.IndexByte(b, requestMark) >= 0 || bytes.IndexByte(b, responseMark) >= 0 {
		return formWhole
	}
	return formSurround
}

// cutBodies is the Surround value of such an event: b with each body replaced by its mark.
func cutBodies(dst, b []byte, req, resp [2]uint32) []byte {
	type cut struct {
		at   [2]uint32
		mark byte
	}
	cuts := []cut{{req, requestMark}, {resp, responseMark}}
	if resp[1] != 0 && (req[1] == 0 || resp[0] < req[0]) {
		cuts[0], cuts[1] = cuts[1], cuts[0]
	}
	from := uint32(0)
	for _, c := range cuts {
		if c.at[1] == 0 {
			continue
		}
		dst = append(dst, b[from:c.at[0]]...)
		dst = append(dst, c.mark)
		from = c.at[0] + c.at[1]
	}
	return append(dst, b[from:]...)
}

func appendSurround(dst, surround, request, response []byte) []byte {
	for _, c := range surround {
		switch c {
		case requestMark:
			dst = append(dst, request...)
		case responseMark:
			dst = append(dst, response...)
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

var requestName, responseName = []byte(`,"requestObject":`), []byte(`,"responseObject":`)

// appendWritten writes the row as kube-apiserver writes it.
func (t *table) appendWritten(dst []byte, row int, form int64, request, response []byte) []byte {
	dst = t.appendHead(dst, row, form)
	if len(request) > 0 {
		dst = append(append(dst, requestName...), request...)
	}
	if len(response) > 0 {
		dst = append(append(dst, responseName...), response...)
	}
	return t.appendTail(dst, row)
}

// appendHead writes what stands before the bodies.
func (t *table) appendHead(dst []byte, row int, form int64) []byte {
	dst = append(dst, '{')
	if form == formLine {
		dst = append(dst, lineHead...)
	}
	dst = t.str(dst, `"level":`, cLevel, row)
	dst = append(dst, `,"auditID":"`...)
	if hi, lo := t.hi[row], t.lo[row]; hi|lo != 0 {
		dst = appendUUID(dst, hi, lo)
	} else {
		dst = appendEscaped(dst, t.text(cAuditIDText, row))
	}
	dst = append(dst, '"')
	dst = t.str(dst, `,"stage":`, cStage, row)
	dst = t.str(dst, `,"requestURI":`, cRequestURI, row)
	dst = t.str(dst, `,"verb":`, cVerb, row)
	dst = append(dst, `,"user":{`...)
	at := len(dst)
	dst = t.str(dst, `,"username":`, cUsername, row)
	dst = t.str(dst, `,"uid":`, cUserUID, row)
	dst = t.json(dst, `,"groups":`, cGroups, row)
	dst = t.json(dst, `,"extra":`, cUserExtra, row)
	dst = append(withoutComma(dst, at), '}')
	dst = t.json(dst, `,"impersonatedUser":`, cImpersonatedUser, row)
	dst = t.json(dst, `,"authenticationMetadata":`, cAuthenticationMetadata, row)
	dst = t.json(dst, `,"sourceIPs":`, cSourceIPs, row)
	dst = t.str(dst, `,"userAgent":`, cUserAgent, row)
	dst = append(dst, `,"objectRef":{`...)
	at = len(dst)
	dst = t.str(dst, `,"resource":`, cResource, row)
	dst = t.str(dst, `,"namespace":`, cNamespace, row)
	dst = t.str(dst, `,"name":`, cName, row)
	dst = t.str(dst, `,"uid":`, cObjectUID, row)
	dst = t.str(dst, `,"apiGroup":`, cAPIGroup, row)
	dst = t.str(dst, `,"apiVersion":`, cAPIVersion, row)
	dst = t.str(dst, `,"resourceVersion":`, cResourceVersion, row)
	dst = t.str(dst, `,"subresource":`, cSubresource, row)
	if len(dst) == at {
		dst = dst[:at-len(`,"objectRef":{`)]
	} else {
		dst = append(withoutComma(dst, at), '}')
	}
	return t.json(dst, `,"responseStatus":`, cResponseStatus, row)
}

// appendTail writes what stands behind them.
func (t *table) appendTail(dst []byte, row int) []byte {
	time, latency := t.ints[cTime][row], t.ints[cLatency][row]
	if latency != NullInt {
		dst = append(dst, `,"requestReceivedTimestamp":"`...)
		dst = audit.AppendMicros(dst, time-latency)
		dst = append(dst, `","stageTimestamp":"`...)
		dst = audit.AppendMicros(dst, time)
		dst = append(dst, '"')
	}
	dst = t.json(dst, `,"annotations":`, cAnnotations, row)
	return append(dst, '}')
}

// withoutComma removes the comma that the first member of an object, written at at, begins with.
func withoutComma(dst []byte, at int) []byte {
	if len(dst) == at {
		return dst
	}
	return append(dst[:at], dst[at+1:]...)
}

func (t *table) str(dst []byte, name string, column, row int) []byte {
	v := t.text(column, row)
	if v == nil {
		return dst
	}
	dst = append(append(dst, name...), '"')
	return append(appendEscaped(dst, v), '"')
}

func (t *table) json(dst []byte, name string, column, row int) []byte {
	v := t.text(column, row)
	if v == nil {
		return dst
	}
	return append(append(dst, name...), v...)
}

// appendEscaped writes the content of a JSON string as Go's encoder does, with HTML's characters escaped.
func appendEscaped(dst, s []byte) []byte {
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if plainByte[c] {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRune(s[i:])
			if r == '\u2028' || r == '\u2029' {
				dst = append(dst, s[from:i]...)
				dst = append(dst, `\u202`...)
				dst = append(dst, hexDigits[r&15])
				from = i + size
			}
			i += size
			continue
		}
		dst = append(dst, s[from:i]...)
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\b':
			dst = append(dst, `\b`...)
		case '\f':
			dst = append(dst, `\f`...)
		case '\n':
			dst = append(dst, `\n`...)
		case '\r':
			dst = append(dst, `\r`...)
		case '\t':
			dst = append(dst, `\t`...)
		default:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
		i++
		from = i
	}
	return append(dst, s[from:]...)
}

var plainByte = func() (t [256]bool) {
	for c := 0x20; c < utf8.RuneSelf; c++ {
		t[c] = c != '"' && c != '\\' && c != '<' && c != '>' && c != '&'
	}
	return t
}()
