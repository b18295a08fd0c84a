package ledger

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"

	"annals.dev/internal/match"
	"annals.dev/internal/parquet"
)

// Bounds of a row group and of a block. A block is what a search prunes by, and what its bodies are compressed in.
const (
	groupRows  = 32 << 10
	groupBytes = 64 << 20
	blockRows  = 4 << 10
	blockBytes = 1 << 20
)

// wordColumns are the columns that hold the words of an event, bodies aside: match.EventText, column by column.
var wordColumns = []int{
	cLevel, cStage, cVerb, cRequestURI, cUsername, cUserUID, cGroups, cUserExtra, cImpersonatedUsername, cImpersonatedUser,
	cSourceIPs, cUserAgent, cResource, cNamespace, cName, cObjectUID, cAPIGroup, cAPIVersion, cResourceVersion, cSubresource,
	cResponseStatus, cDecision, cReason, cAnnotations, cAuthenticationMetadata,
}

// builder writes rows as a segment. It reads each event's bytes once, in the segment's order.
type builder struct {
	rows  *rows
	event func(row int, buf []byte) ([]byte, error)
	w     *parquet.Writer
	index index

	words    wordPairs
	valueOf  [columnCount][][]uint32 // the words of a dictionary's values, made when first met
	blockOf  [columnCount][]uint32   // the last block, plus one, that a value's words were added to
	hashes   []uint32
	raw, out []byte

	// the row group being made
	bodies, surrounds   []byte
	bodyEnd, surrEnd    []int // ends within those two; equal ends are null
	hasBody, hasSurr    []bool
	forms               []int64
	bounds              []int
	groupSize, blockHas int
}

// build writes the rows to w and returns the index.
func build(w *parquet.Writer, r *rows, event func(row int, buf []byte) ([]byte, error)) (*index, []byte, []byte, error) {
	b := &builder{rows: r, event: event, w: w}
	b.index = index{Version: indexVersion, Writer: writerVersion, First: r.first, Last: r.first + uint64(r.n) - 1, Bytes: r.bytes}
	for _, c := range wordColumns {
		b.valueOf[c] = make([][]uint32, len(r.dict[c]))
		b.blockOf[c] = make([]uint32, len(r.dict[c]))
	}
	order := r.order()
	filter := newBloom(r.n)
	b.index.MinTime, b.index.MaxTime = r.ints[cTime][0], r.ints[cTime][0]
	for _, row := range order {
		t := r.ints[cTime][row]
		b.index.MinTime, b.index.MaxTime = min(b.index.MinTime, t), max(b.index.MaxTime, t)
		b.index.count(r.ints[cMarks][row])
		if hi, lo := r.hi[row], r.lo[row]; hi|lo != 0 {
			filter.add(idHash(hi, lo))
		} else if id := r.text(cAuditIDText, int(row)); id != nil {
			filter.add(textHash(id))
		}
	}
	for from := 0; from < len(order); {
		n, err := b.collect(order[from:])
		if err != nil {
			return nil, nil, nil, err
		}
		b.write(order[from:from+n], int64(from))
		from += n
	}
	groups, err := w.Close()
	if err != nil {
		return nil, nil, nil, err
	}
	for _, g := range groups {
		ig := indexGroup{Rows: g.Rows}
		for _, c := range g.Chunks {
			ig.Pages = append(ig.Pages, c.Pages)
		}
		b.index.Groups = append(b.index.Groups, ig)
	}
	return &b.index, b.words.encode(), filter, nil
}

// collect takes rows into the next row group: bodies, surrounds, forms, words. It returns how many.
func (b *builder) collect(order []uint32) (int, error) {
	b.bodies, b.surrounds, b.bodyEnd, b.surrEnd = b.bodies[:0], b.surrounds[:0], b.bodyEnd[:0], b.surrEnd[:0]
	b.hasBody, b.hasSurr, b.forms, b.bounds = b.hasBody[:0], b.hasSurr[:0], b.forms[:0], b.bounds[:0]
	b.groupSize, b.blockHas = 0, 0
	blockFrom, n := 0, 0
	closeBlock := func() {
		b.bounds = append(b.bounds, n)
		b.index.Blocks = append(b.index.Blocks, n-blockFrom)
		blockFrom, b.blockHas = n, 0
		b.words.block++
	}
	for _, row := range order {
		if n == groupRows || n > 0 && b.groupSize+int(b.rows.refs[row].Len) > groupBytes {
			break
		}
		if n > blockFrom && (n-blockFrom == blockRows || b.blockHas+int(b.rows.refs[row].Len) > blockBytes) {
			closeBlock()
		}
		if err := b.row(int(row)); err != nil {
			return 0, err
		}
		n++
	}
	closeBlock()
	return n, nil
}

// row takes one row's event: whether the writer gives it back, and which words it has.
func (b *builder) row(row int) error {
	r := b.rows
	ref := &r.refs[row]
	raw, err := b.event(row, b.raw)
	if err != nil {
		return fmt.Errorf("position %d: %w", r.first+uint64(row), err)
	}
	b.raw = raw[:0]
	b.groupSize += len(raw)
	b.blockHas += len(raw)
	var req, resp []byte
	bodyFrom := len(b.bodies)
	switch {
	case ref.Extra != 0:
		b.bodies = append(b.bodies, r.extra[ref.Extra-1]...)
	case ref.Req[1] != 0 || ref.Resp[1] != 0:
		req, resp = raw[ref.Req[0]:][:ref.Req[1]], raw[ref.Resp[0]:][:ref.Resp[1]]
		b.bodies = appendBodies(b.bodies, req, resp)
	}
	form := int64(formItem)
	if len(raw) > len(lineHead) && string(raw[1:1+len(lineHead)]) == lineHead {
		form = formLine
	}
	b.out = r.appendWritten(b.out[:0], row, form, req, resp)
	same := ref.Extra == 0 && bytes.Equal(b.out, raw)
	if !same {
		if ref.Extra != 0 {
			b.surrounds, form = append(b.surrounds, raw...), formWhole
		} else {
			b.surrounds, form = cutBodies(b.surrounds, raw, ref.Req, ref.Resp)
		}
	}
	b.bodyEnd = append(b.bodyEnd, len(b.bodies))
	b.hasBody = append(b.hasBody, len(b.bodies) > bodyFrom)
	b.surrEnd = append(b.surrEnd, len(b.surrounds))
	b.hasSurr = append(b.hasSurr, !same)
	b.forms = append(b.forms, form)

	for _, c := range wordColumns {
		code := r.codes[c][row]
		if code == 0 || b.blockOf[c][code-1] == b.words.block+1 {
			continue
		}
		b.blockOf[c][code-1] = b.words.block + 1
		w := b.valueOf[c][code-1]
		if w == nil {
			w = match.AppendWords([]uint32{}, r.dict[c][code-1])
			b.valueOf[c][code-1] = w
		}
		for _, h := range w {
			b.words.add(h)
		}
	}
	b.hashes = match.AppendWords(b.hashes[:0], b.bodies[bodyFrom:])
	for _, h := range b.hashes {
		b.words.add(h)
	}
	return nil
}

// write writes the collected rows as a row group.
func (b *builder) write(order []uint32, firstRow int64) {
	r, w := b.rows, b.w
	n := len(order)
	w.Begin(n)
	ints := make([]int64, n)
	value := func(from []byte, end []int, has []bool) func([]byte, int) ([]byte, bool) {
		return func(dst []byte, i int) ([]byte, bool) {
			at := 0
			if i > 0 {
				at = end[i-1]
			}
			return append(dst, from[at:end[i]]...), has[i]
		}
	}
	for c, def := range Columns {
		switch {
		case c == cRow:
			for i := range ints {
				ints[i] = firstRow + int64(i)
			}
			w.Ints(ints)
		case c == cForm:
			w.Ints(b.forms)
		case c == cBodies:
			w.Bytes(n, b.bounds, value(b.bodies, b.bodyEnd, b.hasBody))
		case c == cSurround:
			w.Bytes(n, b.bounds, value(b.surrounds, b.surrEnd, b.hasSurr))
		case def.Kind == UUID:
			w.UUIDs(n, func(i int) (uint64, uint64) { return r.hi[order[i]], r.lo[order[i]] })
		case def.Kind == String:
			codes := r.codes[c]
			w.Strings(r.dict[c], n, func(i int) uint32 { return codes[order[i]] })
		default:
			for i, row := range order {
				ints[i] = r.ints[c][row]
			}
			w.Ints(ints)
		}
	}
}

// order is the rows by object (resource, namespace, name), then time, then position: an object's history lies side by
// side, and four times smaller than in order of arrival.
func (t *table) order() []uint32 {
	objectColumns := [...]int{cResource, cNamespace, cName}
	var rank [len(objectColumns)][]uint32
	for k, c := range objectColumns {
		rank[k] = ranks(t.dict[c])
	}
	type key struct {
		object         [len(objectColumns)]uint32
		time, position int64
		row            uint32
	}
	keys := make([]key, t.n)
	for i := range keys {
		keys[i].time, keys[i].position, keys[i].row = t.ints[cTime][i], t.ints[cPosition][i], uint32(i)
		for k, c := range objectColumns {
			keys[i].object[k] = rank[k][t.codes[c][i]]
		}
	}
	slices.SortFunc(keys, func(a, b key) int {
		for k := range a.object {
			if a.object[k] != b.object[k] {
				return int(a.object[k]) - int(b.object[k])
			}
		}
		if a.time != b.time {
			return cmp.Compare(a.time, b.time)
		}
		return cmp.Compare(a.position, b.position)
	})
	order := make([]uint32, t.n)
	for i := range keys {
		order[i] = keys[i].row
	}
	return order
}

// ranks gives each code its place in the order of the values; null comes first.
func ranks(values [][]byte) []uint32 {
	codes := make([]uint32, len(values))
	for i := range codes {
		codes[i] = uint32(i)
	}
	slices.SortFunc(codes, func(a, b uint32) int { return bytes.Compare(values[a], values[b]) })
	r := make([]uint32, len(values)+1)
	for place, i := range codes {
		r[i+1] = uint32(place + 1)
	}
	return r
}
