package ledger

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"

	"annals.dev/internal/match"
	"annals.dev/internal/parquet"
)

// Bounds of a row group and of a block. A block is what a search prunes by, and what its bodies are compressed in. They belong to
// writerVersion, as the order of the rows does: verify seals events again and compares.
const (
	groupRows  = 32 << 10
	groupBytes = 32 << 20
	blockRows  = 4 << 10
	blockBytes = 1 << 20
)

// wordColumns are the columns that hold the words of an event, bodies aside: match.EventText, column by column.
var wordColumns = []int{
	cLevel, cStage, cVerb, cRequestURI, cUsername, cUserUID, cGroups, cUserExtra, cImpersonatedUsername, cImpersonatedUser,
	cSourceIPs, cUserAgent, cResource, cNamespace, cName, cObjectUID, cAPIGroup, cAPIVersion, cResourceVersion, cSubresource,
	cResponseStatus, cDecision, cReason, cAnnotations, cAuthenticationMetadata,
}

// builder writes rows as a segment, in the segment's order.
type builder struct {
	rows  *rows
	event reader
	w     *parquet.Writer
	index index

	words   wordPairs
	valueOf [columnCount][][]uint32 // the words of a dictionary's values, made when first met
	blockOf [columnCount][]uint32   // the last block, plus one, that a value's words were added to
	hashes  []uint32
	raw     []byte

	// the row group being made
	group             table // its columns, in the segment's order
	bodies, surrounds values
	bounds            []int
	blockHas          int
	lastFrom          int    // where the last row's bodies begin,
	lastBlock         uint32 // and its block plus one
	nextRow           int64  // the next group's first row in the segment
}

// reader gives n bytes at off of a row's event, in buf or in memory of its own.
type reader func(row int, off, n uint32, buf []byte) ([]byte, error)

// values are the values of a column of large values, one after another.
type values struct {
	b   []byte
	end []int // of each row's value in b
	has []bool
}

func (v *values) reset() { v.b, v.end, v.has = v.b[:0], v.end[:0], v.has[:0] }

func (v *values) close(has bool) {
	v.end = append(v.end, len(v.b))
	v.has = append(v.has, has)
}

// build writes the rows to w and returns the index.
func build(w *parquet.Writer, r *rows, event reader) (*index, []byte, []byte, error) {
	b := &builder{rows: r, event: event, w: w}
	b.index = index{Version: indexVersion, Writer: writerVersion, First: r.first, Last: r.first + uint64(r.n) - 1, Bytes: r.bytes}
	b.bodies.b = make([]byte, 0, min(r.bytes, groupBytes)+blockBytes) // else growing it costs as much as filling it
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
		b.write()
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
	b.bodies.reset()
	b.lastBlock = 0
	b.surrounds.reset()
	b.bounds, b.blockHas = b.bounds[:0], 0
	b.permute(order[:b.groupLen(order)])
	order = order[:b.group.n]
	blockFrom, n := 0, 0
	closeBlock := func() {
		b.bounds = append(b.bounds, n)
		b.index.Blocks = append(b.index.Blocks, n-blockFrom)
		blockFrom, b.blockHas = n, 0
		b.words.block++
	}
	for _, row := range order {
		if n > blockFrom && (n-blockFrom == blockRows || b.blockHas+int(b.rows.refs[row].Len) > blockBytes) {
			closeBlock()
		}
		if err := b.row(int(row), n); err != nil {
			return 0, err
		}
		n++
	}
	closeBlock()
	return n, nil
}

// groupLen is how many of the rows go into the next row group.
func (b *builder) groupLen(order []uint32) int {
	size := 0
	for n, row := range order {
		size += int(b.rows.refs[row].Len)
		if n == groupRows || n > 0 && size > groupBytes {
			return n
		}
	}
	return len(order)
}

// permute brings the columns of the rows into the segment's order, column by column, so that what follows reads them in order.
func (b *builder) permute(order []uint32) {
	g, r := &b.group, b.rows
	from := b.nextRow
	g.n = len(order)
	b.nextRow += int64(g.n)
	g.dict = r.dict
	for c, def := range Columns {
		switch {
		case c == cRow:
			g.ints[c] = g.ints[c][:0]
			for i := range order {
				g.ints[c] = append(g.ints[c], from+int64(i))
			}
		case def.Kind == UUID:
			g.hi, g.lo = gather(g.hi, r.hi, order), gather(g.lo, r.lo, order)
		case def.Kind == String:
			g.codes[c] = gather(g.codes[c], r.codes[c], order)
		case def.Kind == Int64 || def.Kind == Timestamp:
			g.ints[c] = gather(g.ints[c], r.ints[c], order)
		}
	}
}

func gather[T any](dst, from []T, order []uint32) []T {
	dst = dst[:0]
	for _, row := range order {
		dst = append(dst, from[row])
	}
	return dst
}

// row takes the bodies of a row, the i-th of the group, what of its bytes the columns do not give back, and its words.
func (b *builder) row(row, i int) error {
	r := b.rows
	ref := &r.refs[row]
	b.blockHas += int(ref.Len)
	form := b.group.ints[cForm][i]
	from, to := ref.bodies()
	if form == formSurround || form == formWhole {
		from, to = 0, ref.Len
	}
	var raw []byte
	if to > from {
		var err error
		if raw, err = b.event(row, from, to-from, b.raw); err != nil {
			return fmt.Errorf("position %d: %w", r.first+uint64(row), err)
		}
		b.raw = raw[:0]
	}
	bodyFrom := len(b.bodies.b)
	switch {
	case ref.Extra != 0:
		b.bodies.b = append(b.bodies.b, r.extra[ref.Extra-1]...)
	case ref.Req[1] != 0 || ref.Resp[1] != 0:
		b.bodies.b = appendBodies(b.bodies.b, cut(raw, ref.Req, from), cut(raw, ref.Resp, from))
	}
	b.bodies.close(len(b.bodies.b) > bodyFrom)
	switch form {
	case formWhole:
		b.surrounds.b = append(b.surrounds.b, raw...)
	case formSurround:
		b.surrounds.b = cutBodies(b.surrounds.b, raw, ref.Req, ref.Resp)
	}
	b.surrounds.close(form == formWhole || form == formSurround)

	for _, c := range wordColumns {
		code := b.group.codes[c][i]
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
	b.hashes = match.AppendWords(b.hashes[:0], b.fresh(bodyFrom))
	for _, h := range b.hashes {
		b.words.add(h)
	}
	return nil
}

// fresh is the part of the last row's bodies, which begin at from, whose words may be new to the block: versions of an object lie
// one after another, and begin and end alike. It is cut behind a comma, where no word and no escape goes on.
func (b *builder) fresh(from int) []byte {
	body := b.bodies.b[from:]
	lastFrom, lastBlock := b.lastFrom, b.lastBlock
	b.lastFrom, b.lastBlock = from, b.words.block+1
	if lastBlock != b.words.block+1 {
		return body
	}
	before := b.bodies.b[lastFrom:from]
	n := commonPrefix(before, body)
	start := bytes.LastIndexByte(body[:n], ',') + 1
	before, body = before[start:], body[start:]
	end := len(body) - commonSuffix(before, body)
	if i := bytes.IndexByte(body[end:], ','); i >= 0 {
		body = body[:end+i]
	}
	return body
}

func commonPrefix(a, b []byte) int {
	n := min(len(a), len(b))
	i := 0
	for ; i+8 <= n; i += 8 {
		if x := binary.LittleEndian.Uint64(a[i:]) ^ binary.LittleEndian.Uint64(b[i:]); x != 0 {
			return i + bits.TrailingZeros64(x)/8
		}
	}
	for i < n && a[i] == b[i] {
		i++
	}
	return i
}

func commonSuffix(a, b []byte) int {
	n := min(len(a), len(b))
	i := 0
	for ; i+8 <= n; i += 8 {
		if x := binary.LittleEndian.Uint64(a[len(a)-i-8:]) ^ binary.LittleEndian.Uint64(b[len(b)-i-8:]); x != 0 {
			return i + bits.LeadingZeros64(x)/8
		}
	}
	for i < n && a[len(a)-1-i] == b[len(b)-1-i] {
		i++
	}
	return i
}

// cut is a piece of an event of which b begins at from.
func cut(b []byte, piece [2]uint32, from uint32) []byte {
	if piece[1] == 0 {
		return nil
	}
	return b[piece[0]-from:][:piece[1]]
}

// write writes the collected rows as a row group.
func (b *builder) write() {
	g, w := &b.group, b.w
	w.Begin(g.n)
	for c, def := range Columns {
		switch {
		case c == cBodies:
			w.Bytes(b.bounds, b.bodies.b, b.bodies.end, b.bodies.has)
		case c == cSurround:
			w.Bytes(b.bounds, b.surrounds.b, b.surrounds.end, b.surrounds.has)
		case def.Kind == UUID:
			w.UUIDs(g.hi, g.lo)
		case def.Kind == String:
			w.Strings(g.dict[c], g.codes[c])
		default:
			w.Ints(g.ints[c])
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
