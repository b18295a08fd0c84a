package ledger

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/tlog"

	"annals.dev/audit"
	"annals.dev/internal/disk/sim"
	"annals.dev/internal/format"
)

// The writer gives recorded events back in both of their forms.
func TestWriterOnRecordedEvents(t *testing.T) {
	all := lines(t)
	for form, want := range map[int64]string{formLine: "lines of the log", formItem: "items of the webhook"} {
		r := newRows(0)
		same := 0
		for i, line := range all {
			if form == formItem {
				line = append([]byte("{"), line[1+len(lineHead):]...)
			}
			e := event(t, line)
			r.add(&e, arrival{position: uint64(i), origin: "import/a"})
			if bytes.Equal(r.appendWritten(nil, i, form, e.View.RequestObject, e.View.ResponseObject), line) {
				same++
			}
		}
		if same < len(all)*99/100 {
			t.Errorf("%d of %d %s are not given back", len(all)-same, len(all), want)
		}
	}
}

func TestMicros(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	from, to := time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(9999, 12, 31, 23, 59, 59, 999_999_000, time.UTC)
	check := func(at time.Time) {
		t.Helper()
		const layout = "2006-01-02T15:04:05.000000Z"
		if got := audit.AppendMicros(nil, at.UnixMicro()); string(got) != at.UTC().Format(layout) {
			t.Fatalf("%s, want %s", got, at.UTC().Format(layout))
		}
	}
	check(from)
	check(to)
	for day := from; day.Before(to); day = day.AddDate(0, 0, 1+rng.IntN(3)) {
		check(day.Add(-time.Microsecond).Add(time.Microsecond * time.Duration(rng.IntN(2))).Add(time.Microsecond))
	}
	for range 100_000 {
		check(time.UnixMicro(from.UnixMicro() + rng.Int64N(to.UnixMicro()-from.UnixMicro())))
	}
	for year := 0; year < 10_000; year++ { // each turn of a year and of a leap day
		for _, day := range []time.Time{time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(year, 3, 1, 0, 0, 0, 0, time.UTC)} {
			check(day)
			if year > 0 {
				check(day.Add(-time.Microsecond))
			}
		}
	}
	audit.AppendMicros(nil, -1<<63) // years that no event has are no reason to panic
	audit.AppendMicros(nil, 1<<63-1)
}

func TestUUID(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 1000 {
		hi, lo := rng.Uint64(), rng.Uint64()
		text := appendUUID(nil, hi, lo)
		if h, l, ok := parseUUID(text); !ok || h != hi || l != lo {
			t.Fatalf("%s: %x %x %v", text, h, l, ok)
		}
	}
	for _, bad := range []string{"", "x", "00000000-0000-0000-0000-000000000000", "0F5A2C1E-0000-4000-8000-00000000BEEF",
		"0f5a2c1e-0000-4000-8000-00000000bee", "0f5a2c1e-0000-4000-8000-00000000beefa", "0f5a2c1e00000-4000-8000-00000000beef",
		"0f5a2c1e-0000-4000-8000-00000000beeg", "0f5a2c1e-0000-4000-8000-00000000be\xffe"} {
		if _, _, ok := parseUUID([]byte(bad)); ok {
			t.Errorf("%q is taken for a UUID", bad)
		}
	}
}

// storedHashes is tlog's own tree.
type storedHashes []tlog.Hash

func (s storedHashes) ReadHashes(at []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(at))
	for i, x := range at {
		hashes[i] = s[x]
	}
	return hashes, nil
}

// The frontier, the whole subtrees, the tiles and what is read from them are tlog's tree.
func TestTreeIsTlogs(t *testing.T) {
	const size = 3*tileWidth + 77
	var f frontier
	var stored storedHashes
	var leaves, whole []tlog.Hash
	for n := range int64(size) {
		record := binary.BigEndian.AppendUint64(nil, uint64(n))
		leaf := tlog.RecordHash(record)
		more, err := tlog.StoredHashesForRecordHash(n, leaf, stored)
		if err != nil {
			t.Fatal(err)
		}
		stored, leaves = append(stored, more...), append(leaves, leaf)
		f.add(leaf, func(h tlog.Hash) { whole = append(whole, h) })
		want, err := tlog.TreeHash(n+1, stored)
		if err != nil {
			t.Fatal(err)
		}
		if f.root() != want || f.root() != treeHash(leaves) {
			t.Fatalf("another root at size %d", n+1)
		}
	}
	if empty := (&frontier{}); empty.root() != treeHash(nil) {
		t.Error("another root of nothing")
	}
	view := &treeView{size: size, whole: whole, total: size / tileWidth, leaves: func(from, to uint64) ([]tlog.Hash, error) { return leaves[from:to], nil }}
	for _, p := range []int64{0, 1, 255, 256, 700, size - 1} {
		proof, err := tlog.ProveRecord(size, p, view)
		if err != nil {
			t.Fatal(err)
		}
		if err := tlog.CheckRecord(proof, size, f.root(), p, leaves[p]); err != nil {
			t.Errorf("position %d: %v", p, err)
		}
	}
	for _, old := range []int64{1, 255, 256, 300, size} {
		proof, err := tlog.ProveTree(size, old, view)
		if err != nil {
			t.Fatal(err)
		}
		if err := tlog.CheckTree(proof, size, f.root(), old, treeHash(leaves[:old])); err != nil {
			t.Errorf("size %d: %v", old, err)
		}
	}
}

// Tiles are complete and right however many subtrees a seal brings, over the borders of two levels.
func TestTiles(t *testing.T) {
	const total = tileWidth*tileWidth + 2*tileWidth + 9
	all := make([]tlog.Hash, total)
	for i := range all {
		all[i] = sha256.Sum256(binary.BigEndian.AppendUint64(nil, uint64(i)))
	}
	d := sim.New(0)
	rng := rand.New(rand.NewPCG(1, 3))
	var left []tlog.Hash
	for done := 0; done < total; {
		n := min(total-done, 1+rng.IntN(3*tileWidth))
		if done > 1000 && rng.IntN(2) == 0 {
			n = min(total-done, 20*tileWidth)
		}
		left = append(slices.Clone(left), all[done:done+n]...)
		done += n
		var err error
		if left, err = writeTiles(d, "prod", uint64(done), left); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(left, all[done/tileWidth*tileWidth:done]) {
			t.Fatalf("%d are left over of %d", len(left), done)
		}
	}
	var above []tlog.Hash
	for n := range total / tileWidth {
		tile, err := readTile(d, "prod", 1, uint64(n))
		if err != nil || !slices.Equal(tile, all[n*tileWidth:(n+1)*tileWidth]) {
			t.Fatalf("tile %d of level 1: %v", n, err)
		}
		above = append(above, treeHash(tile))
	}
	tile, err := readTile(d, "prod", 2, 0)
	if err != nil || !slices.Equal(tile, above[:tileWidth]) {
		t.Fatalf("tile 0 of level 2: %v", err)
	}
	if _, err := readTile(d, "prod", 2, 1); err == nil {
		t.Error("a tile of level 2 too many")
	}
	view := &treeView{fs: d, cluster: "prod", size: total * tileWidth, whole: left, total: total}
	for _, n := range []uint64{0, 255, 256, tileWidth*tileWidth - 1, tileWidth * tileWidth, total - 10, total - 9, total - 1} {
		if h, err := view.subtree(n); err != nil || h != all[n] {
			t.Errorf("subtree %d: %v", n, err)
		}
	}
	if h, err := view.node(24, 0); err != nil || h != treeHash(above[:tileWidth]) {
		t.Errorf("the subtree of 2^24 leaves: %v", err)
	}
	if _, err := view.subtree(total); err == nil {
		t.Error("a subtree too many")
	}
}

func TestBloom(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 4))
	for _, n := range []int{1, 40, 41, 5000, 100_000} {
		b := newBloom(n)
		ids := make([]uint64, n)
		for i := range ids {
			ids[i] = idHash(rng.Uint64(), rng.Uint64())
			if i%2 == 0 {
				ids[i] = textHash(fmt.Appendf(nil, "request-%d", i))
			}
			b.add(ids[i])
		}
		holds := func(h uint64) bool { return mayHold(b[bloomAt(h, int64(len(b))):][:bloomBlock], h) }
		for _, h := range ids {
			if !holds(h) {
				t.Fatalf("of %d, %x is missed", n, h)
			}
		}
		wrong := 0
		for range 20_000 {
			if holds(idHash(rng.Uint64(), rng.Uint64())) {
				wrong++
			}
		}
		if wrong > 20_000/100 {
			t.Errorf("of %d: %d look-ups of 20000 are wrong", n, wrong)
		}
	}
}

func TestWordIndex(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 5))
	for _, words := range []int{0, 1, 63, 64, 65, 5000} {
		const blocks = 300
		want := make(map[uint32]map[uint32]bool) // by the hash's upper bits
		var w wordPairs
		hashes := make([]uint32, words)
		for i := range hashes {
			hashes[i] = rng.Uint32()
			if i%7 == 3 {
				hashes[i] = hashes[i-1] ^ uint32(rng.IntN(200)) // the same upper bits
			}
		}
		if words > 2 {
			hashes[0], hashes[1] = 0, 1<<32-1
		}
		add := func(h uint32) {
			w.add(h)
			if want[h>>8] == nil {
				want[h>>8] = make(map[uint32]bool)
			}
			want[h>>8][w.block] = true
		}
		for ; w.block < blocks; w.block++ {
			for range min(words, 40) {
				add(hashes[rng.IntN(words)])
			}
			if words > 2 && (w.block < 5 || w.block > 100 && w.block < 200) {
				add(hashes[2])
			}
		}
		b := w.encode()
		for _, h := range append(slices.Clone(hashes), 7, 1<<31, 1<<32-2) {
			got, err := wordBlocks(b, h, blocks)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(slices.Sorted(maps.Keys(want[h>>8])), got); d != "" {
				t.Fatalf("of %d words, %x: %s", words, h, d)
			}
		}
		for n := range min(len(b), 200) { // an index that ends early is an error, or says too little, and never panics
			for _, h := range []uint32{0, 1 << 31, 1<<32 - 1} {
				_, _ = wordBlocks(b[:n], h, blocks)
			}
		}
	}
}

func TestIndexThatDoesNotAddUp(t *testing.T) {
	seg, _ := segmentOf(t, []format.Event{event(t, lines(t)[0]), event(t, lines(t)[1])})
	sections := seg.index.Words + seg.index.IDs
	if err := seg.index.check(sections); err != nil {
		t.Fatal(err)
	}
	for what, change := range map[string]func(x *index){
		"no groups":          func(x *index) { x.Groups = nil },
		"a column less":      func(x *index) { x.Groups[0].Pages = x.Groups[0].Pages[1:] },
		"too many rows":      func(x *index) { x.Groups[0].Rows = 1 << 40 },
		"a page of too many": func(x *index) { x.Groups[0].Pages[3][len(x.Groups[0].Pages[3])-1].Rows++ },
		"blocks that wrap":   func(x *index) { x.Blocks = []int{1 << 62, 1 << 62, 1 << 62, 1<<62 + 2} },
		"another last":       func(x *index) { x.Last++ },
		"sections":           func(x *index) { x.Words++ },
		"half a filter":      func(x *index) { x.IDs--; x.Words++ },
	} {
		s, _ := segmentOf(t, []format.Event{event(t, lines(t)[0]), event(t, lines(t)[1])})
		change(s.index)
		if err := s.index.check(sections); err == nil {
			t.Errorf("%s: taken", what)
		}
	}
}

func TestDictionary(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 6))
	var d dictionary
	want := make(map[string]uint32)
	var before [][]byte
	for i := range 50_000 {
		v := []byte(strings.Repeat("x", rng.IntN(30)) + fmt.Sprint(rng.IntN(4000)))
		if rng.IntN(1000) == 0 {
			v = bytes.Repeat(v, 5000)
		}
		code := d.code(v)
		if known, ok := want[string(v)]; ok && known != code || !ok && int(code) != len(want)+1 {
			t.Fatalf("%.40q has code %d, and had %d (%v)", v, code, known, ok)
		}
		want[string(v)] = code
		v[0] ^= 1 // it keeps nothing of what it was given
		if i == 20_000 {
			before = d.values
		}
	}
	if d.code(nil) != 0 || d.code([]byte{}) == 0 {
		t.Error("null and empty are the same")
	}
	for v, code := range want {
		if string(d.values[code-1]) != v || int(code) <= len(before) && string(before[code-1]) != v {
			t.Fatalf("code %d is %.40q, want %.40q", code, d.values[code-1], v)
		}
	}
}

// known is held against the plain reading of the same-event rule.
func TestKnown(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 7))
	type entry struct {
		id     identity
		server uint32
	}
	k := newKnown()
	var plain []entry
	for range 20_000 {
		e := entry{identity{uint64(rng.IntN(40)), uint64(rng.IntN(9))}, uint32(rng.IntN(3))}
		same, conflict, at := false, false, 0
		for i, p := range plain {
			if p.id.key == e.id.key {
				conflict = conflict || p.server == e.server
				if p.id.digest == e.id.digest {
					same, at = true, i
				}
			}
		}
		position, gotSame, gotConflict := k.find(e.id, e.server)
		if gotSame != same || same && position != uint64(at) || !same && gotConflict != conflict {
			t.Fatalf("%+v: %d %v %v, want %d %v %v", e, position, gotSame, gotConflict, at, same, conflict)
		}
		switch {
		case !same:
			k.add(e.id, uint64(len(plain)), e.server)
			plain = append(plain, e)
		case rng.IntN(20) == 0:
			n := rng.IntN(len(plain) + 1)
			k.truncate(n)
			plain = plain[:n]
		}
	}
	if len(plain) == 0 {
		t.Error("nothing is known")
	}
}

// The same-event rule sets a leading kind and apiVersion aside, and nothing else.
func TestSameEvent(t *testing.T) {
	ids := newIdentifier()
	of := func(text string, auditID string) identity {
		e := format.Event{Bytes: []byte(text)}
		if auditID != "" {
			e.View.AuditID, e.View.Stage = []byte(auditID), []byte("Panic")
		}
		id, _ := ids.of(&e, nil)
		return id
	}
	if of("{"+lineHead+`"a":1}`, "x") != of(`{"a":1}`, "x") {
		t.Error("a line and an item of one event are two")
	}
	texts := []string{"", "{", "x", "y", "{x", "{{x", "xx", "{" + lineHead, lineHead, "x" + lineHead + "y", `{"a":1}`, `["a":1}`, `"a":1}`}
	for i, a := range texts {
		for _, b := range texts[:i] {
			if of(a, "") == of(b, "") || of(a, "x").digest == of(b, "x").digest {
				t.Errorf("%q and %q are the same", a, b)
			}
		}
	}
	if of("{}", "a").key == of("{}", "b").key {
		t.Error("two audit IDs have one key")
	}
}

func TestServerOf(t *testing.T) {
	for _, same := range [][2]string{
		{"webhook/cp-1", "file/cp-1:/var/log/kubernetes/audit.log"}, {"file/cp-1:/a", "file/cp-1:/b"}, {"webhook/cp-1", "webhook/cp-1"},
	} {
		if serverOf(same[0]) != serverOf(same[1]) {
			t.Errorf("%q and %q are two servers", same[0], same[1])
		}
	}
	for _, other := range [][2]string{{"webhook/cp-1", "webhook/cp-2"}, {"file/cp-1:/a", "import/cp-1:/a"}} {
		if serverOf(other[0]) == serverOf(other[1]) {
			t.Errorf("%q and %q are one server", other[0], other[1])
		}
	}
}
