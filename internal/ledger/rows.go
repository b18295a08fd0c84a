package ledger

import (
	"bytes"
	"slices"
	"unicode/utf8"
	"unsafe"

	"annals.dev/audit"
	"annals.dev/internal/format"
)

// table is rows as columns: the ones that grow in memory, a row group read back from a segment, or the rows of a merge.
type table struct {
	n      int
	ints   [columnCount][]int64
	codes  [columnCount][]uint32
	dict   [columnCount][][]byte // what codes stand for
	hi, lo []uint64              // auditID
}

// text is the value of a String column; nil is null.
func (t *table) text(column, row int) []byte {
	if code := t.codes[column][row]; code > 0 {
		return t.dict[column][code-1]
	}
	return nil
}

// rows is a run of consecutive positions in memory. One goroutine adds to it; snapshots copy its slice headers under the
// ledger's mutex and go on reading what was there.
type rows struct {
	table
	first  uint64
	bytes  int64 // of the events
	dicts  [columnCount]*dictionary
	refs   []BodyRef
	extra  [][]byte
	leaves [][32]byte

	scratch []byte
}

func newRows(first uint64) *rows {
	r := &rows{first: first}
	for i, c := range Columns {
		if c.Kind == String {
			r.dicts[i] = &dictionary{}
		}
	}
	return r
}

// arrival is what the ledger adds to an event.
type arrival struct {
	position uint64
	origin   string
	received int64
	marks    format.Marks
	leaf     [32]byte
	file     uint32 // where the event's bytes lie in the log
	off      int64
}

// add appends an event. In memory positions follow one another; a merge takes them in the order of its segments.
func (r *rows) add(e *format.Event, a arrival) {
	if r.n == cap(r.refs) {
		r.grow()
	}
	v := &e.View
	valid := utf8.Valid(e.Bytes) && e.Dialect == format.V1
	num := func(column int, x int64) { r.ints[column] = append(r.ints[column], x) }
	put := func(column int, s []byte) { r.codes[column] = append(r.codes[column], r.dicts[column].code(s)) }
	text := func(column int, s audit.Text) {
		if !s.Plain() {
			s = s.Decode(r.scratch[:0])
			if cap(s) > cap(r.scratch) {
				r.scratch = s[:0]
			}
		}
		put(column, s)
	}
	span := func(column int, s audit.Span) {
		if !valid && s != nil {
			s = bytes.ToValidUTF8(s, replacement)
		}
		put(column, s)
	}

	num(cPosition, int64(a.position))
	num(cRow, int64(r.n))
	put(cOrigin, stringBytes(a.origin))
	num(cReceived, a.received)
	time, latency, code := v.Time, int64(NullInt), int64(NullInt)
	if v.Time != 0 && v.RequestTime != 0 {
		latency = v.Time - v.RequestTime
	}
	if time == 0 {
		time = a.received
	}
	if v.ResponseStatus.Code != 0 {
		code = int64(v.ResponseStatus.Code)
	}
	num(cTime, time)
	num(cLatency, latency)
	text(cLevel, v.Level)
	text(cStage, v.Stage)
	text(cVerb, v.Verb)
	text(cRequestURI, v.RequestURI)
	text(cUsername, v.User.Username)
	text(cUserUID, v.User.UID)
	span(cGroups, v.User.Groups)
	span(cUserExtra, v.User.Extra)
	text(cImpersonatedUsername, v.ImpersonatedUser.Username)
	span(cImpersonatedUser, v.ImpersonatedUser.Raw)
	span(cSourceIPs, v.SourceIPs)
	text(cUserAgent, v.UserAgent)
	o := &v.ObjectRef
	text(cResource, o.Resource)
	text(cNamespace, o.Namespace)
	text(cName, o.Name)
	text(cObjectUID, o.UID)
	text(cAPIGroup, o.APIGroup)
	text(cAPIVersion, o.APIVersion)
	text(cResourceVersion, o.ResourceVersion)
	text(cSubresource, o.Subresource)
	num(cCode, code)
	span(cResponseStatus, v.ResponseStatus.Raw)
	text(cDecision, v.Decision)
	text(cReason, v.Reason)
	span(cAnnotations, v.Annotations)
	span(cAuthenticationMetadata, v.AuthenticationMetadata)
	id := v.AuditID
	if !id.Plain() {
		id = id.Append(nil)
	}
	hi, lo, ok := parseUUID(id)
	r.hi, r.lo = append(r.hi, hi), append(r.lo, lo)
	if ok {
		put(cAuditIDText, nil)
	} else {
		put(cAuditIDText, id)
	}
	num(cDialect, int64(e.Dialect))
	num(cMarks, int64(a.marks))
	var note []byte
	if e.Note != "" {
		note = stringBytes(e.Note)
	}
	put(cNote, note)

	ref := BodyRef{File: a.file, Off: a.off, Len: uint32(len(e.Bytes))}
	if v.RequestObject != nil || v.ResponseObject != nil {
		var ok [2]bool
		if valid {
			ref.Req, ok[0] = within(e.Bytes, v.RequestObject)
			ref.Resp, ok[1] = within(e.Bytes, v.ResponseObject)
		}
		if !ok[0] || !ok[1] {
			ref.Req, ref.Resp = [2]uint32{}, [2]uint32{}
			ref.Extra = uint32(len(r.extra)) + 1
			r.extra = append(r.extra, bytes.ToValidUTF8(appendBodies(nil, v.RequestObject, v.ResponseObject), replacement))
		}
	}
	r.refs = append(r.refs, ref)
	r.leaves = append(r.leaves, a.leaf)
	r.bytes += int64(len(e.Bytes))
	for i, d := range r.dicts {
		if d != nil {
			r.dict[i] = d.values
		}
	}
	num(cForm, r.form(&ref, r.n, e.Bytes))
	r.n++
}

// grow makes room for as many rows again. Go's own growth, by a quarter, would copy each value five times.
func (r *rows) grow() {
	n := max(r.n, 256)
	for c, def := range Columns {
		switch def.Kind {
		case Int64, Timestamp:
			r.ints[c] = slices.Grow(r.ints[c], n)
		case String:
			r.codes[c] = slices.Grow(r.codes[c], n)
		}
	}
	r.hi, r.lo, r.refs, r.leaves = slices.Grow(r.hi, n), slices.Grow(r.lo, n), slices.Grow(r.refs, n), slices.Grow(r.leaves, n)
}

// form finds how the event of a row is given back: it is written from the row's columns, and compared.
func (r *rows) form(ref *BodyRef, row int, raw []byte) int64 {
	if ref.Extra != 0 {
		return formWhole
	}
	form := int64(formItem)
	if len(raw) > len(lineHead) && string(raw[1:1+len(lineHead)]) == lineHead {
		form = formLine
	}
	r.scratch = r.appendHead(r.scratch[:0], row, form)
	rest, ok := bytes.CutPrefix(raw, r.scratch)
	for _, body := range [...]struct {
		name []byte
		at   [2]uint32
	}{{requestName, ref.Req}, {responseName, ref.Resp}} {
		if ok && body.at[1] > 0 {
			rest, ok = bytes.CutPrefix(rest, body.name)
			ok = ok && len(raw)-len(rest) == int(body.at[0])
			if ok {
				rest = rest[body.at[1]:]
			}
		}
	}
	if ok {
		r.scratch = r.appendTail(r.scratch[:0], row)
		if bytes.Equal(rest, r.scratch) {
			return form
		}
	}
	return surroundForm(raw, ref.Req, ref.Resp)
}

var replacement = []byte("\uFFFD")

// bodySeparator stands between the two bodies of the Body column. JSON holds no such byte.
const bodySeparator = 0x1E

func appendBodies(dst []byte, request, response []byte) []byte {
	dst = append(dst, request...)
	dst = append(dst, bodySeparator)
	return append(dst, response...)
}

// within is where span lies in b, if it is a piece of it.
func within(b []byte, span audit.Span) (at [2]uint32, ok bool) {
	if len(span) == 0 {
		return at, true
	}
	off := uintptr(unsafe.Pointer(unsafe.SliceData(span))) - uintptr(unsafe.Pointer(unsafe.SliceData(b)))
	if off > uintptr(len(b)) || uintptr(len(span)) > uintptr(len(b))-off {
		return at, false
	}
	return [2]uint32{uint32(off), uint32(len(span))}, true
}

func stringBytes(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }

// parseUUID reads a UUID in its canonical lower-case form, other than the one of all zeros.
func parseUUID(b []byte) (hi, lo uint64, ok bool) {
	if len(b) != 36 || b[8] != '-' || b[13] != '-' || b[18] != '-' || b[23] != '-' {
		return 0, 0, false
	}
	var bad byte
	digits := func(from, to int, x uint64) uint64 {
		for _, c := range b[from:to] {
			v := hexValue[c]
			bad |= v
			x = x<<4 | uint64(v&15)
		}
		return x
	}
	hi = digits(14, 18, digits(9, 13, digits(0, 8, 0)))
	lo = digits(24, 36, digits(19, 23, 0))
	if bad&0xf0 != 0 || hi|lo == 0 {
		return 0, 0, false
	}
	return hi, lo, true
}

var hexValue = func() (t [256]byte) {
	for i := range t {
		t[i] = 0xff
	}
	for i := range 10 {
		t['0'+i] = byte(i)
	}
	for i := range 6 {
		t['a'+i] = byte(10 + i)
	}
	return t
}()

const hexDigits = "0123456789abcdef"

func appendUUID(dst []byte, hi, lo uint64) []byte {
	for i, x := range [2]uint64{hi, lo} {
		for k := 60; k >= 0; k -= 4 {
			if i == 0 && (k == 28 || k == 12) || i == 1 && (k == 60 || k == 44) {
				dst = append(dst, '-')
			}
			dst = append(dst, hexDigits[x>>k&15])
		}
	}
	return dst
}
