package parquet

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	pq "github.com/parquet-go/parquet-go"
)

var columns = []Column{
	{"n", Int64, false}, {"maybe", Int64, true}, {"t", Timestamp, false}, {"id", UUID, true},
	{"s", String, true}, {"u", String, true}, {"body", String, true}, {"blob", Blob, true},
}

// table is the test's own idea of a file's content.
type table struct {
	n, maybe, t []int64
	hi, lo      []uint64
	s, u        []string // "\x00" is null
	body, blob  [][]byte // nil is null
}

func random(r *rand.Rand, rows int) table {
	var t table
	for i := range rows {
		t.n = append(t.n, r.Int64N(1<<(1+r.IntN(62)))-int64(r.IntN(1000)))
		m := int64(r.IntN(5) * 100)
		if r.IntN(3) == 0 {
			m = Null
		}
		t.maybe = append(t.maybe, m)
		t.t = append(t.t, int64(i/7))
		hi, lo := r.Uint64(), r.Uint64()
		if r.IntN(9) == 0 {
			hi, lo = 0, 0
		}
		t.hi, t.lo = append(t.hi, hi), append(t.lo, lo)
		s := fmt.Sprint("value-", r.IntN(1+rows/(1+r.IntN(40))))
		if r.IntN(4) == 0 {
			s = "\x00"
		} else if r.IntN(10) == 0 {
			s = ""
		}
		t.s = append(t.s, s)
		t.u = append(t.u, fmt.Sprint("unique-", i, "-é"))
		var body []byte
		if r.IntN(3) > 0 {
			body = bytes.Repeat([]byte("b"), r.IntN(300))
		}
		t.body = append(t.body, body)
		t.blob = append(t.blob, []byte{0xff, byte(i)})
	}
	return t
}

func (t table) write(tb testing.TB, groups ...int) ([]byte, []Group) {
	var buf bytes.Buffer
	w, err := NewWriter(&buf, columns)
	if err != nil {
		tb.Fatal(err)
	}
	from := 0
	for _, rows := range groups {
		to := from + rows
		w.Begin(rows)
		w.Ints(t.n[from:to])
		w.Ints(t.maybe[from:to])
		w.Ints(t.t[from:to])
		w.UUIDs(t.hi[from:to], t.lo[from:to])
		for _, s := range [][]string{t.s, t.u} {
			var dict [][]byte
			var codes []uint32
			seen := map[string]uint32{"\x00": 0}
			for _, v := range s[from:to] {
				code, ok := seen[v]
				if !ok {
					dict = append(dict, []byte(v))
					code = uint32(len(dict))
					seen[v] = code
				}
				codes = append(codes, code)
			}
			w.Strings(dict, codes)
		}
		var bounds []int
		for b := 50; b < rows; b += 50 {
			bounds = append(bounds, b)
		}
		bounds = append(bounds, rows)
		for _, v := range [][][]byte{t.body, t.blob} {
			var b []byte
			var end []int
			var has []bool
			for _, x := range v[from:to] {
				b = append(b, x...)
				end, has = append(end, len(b)), append(has, x != nil)
			}
			w.Bytes(bounds, b, end, has)
		}
		from = to
	}
	g, err := w.Close()
	if err != nil {
		tb.Fatal(err)
	}
	return buf.Bytes(), g
}

func TestRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, rows := range []int{1, 7, 8, 9, 127, 129, 1000, 5000} {
		t.Run(fmt.Sprint(rows), func(t *testing.T) {
			want := random(r, rows)
			file, groups := want.write(t, rows-rows/3, rows/3)
			if rows/3 == 0 {
				groups = groups[:1]
			}
			var got table
			f := bytes.NewReader(file)
			var m Memory
			for _, g := range groups {
				ints := func(k int) []int64 {
					v, err := m.Ints(f, g.Chunks[k].Pages, columns[k].Optional)
					if err != nil {
						t.Fatal(columns[k].Name, err)
					}
					return v
				}
				got.n, got.maybe, got.t = append(got.n, ints(0)...), append(got.maybe, ints(1)...), append(got.t, ints(2)...)
				hi, lo, err := m.UUIDs(f, g.Chunks[3].Pages)
				if err != nil {
					t.Fatal(err)
				}
				got.hi, got.lo = append(got.hi, hi...), append(got.lo, lo...)
				for k, into := range map[int]*[]string{4: &got.s, 5: &got.u} {
					dict, codes, err := m.Strings(f, g.Chunks[k].Pages)
					if err != nil {
						t.Fatal(err)
					}
					for _, c := range codes {
						v := "\x00"
						if c > 0 {
							v = string(dict[c-1])
						}
						*into = append(*into, v)
					}
				}
				for k, into := range map[int]*[][]byte{6: &got.body, 7: &got.blob} {
					for _, p := range g.Chunks[k].Pages {
						v, err := m.Bytes(f, p)
						if err != nil {
							t.Fatal(err)
						}
						*into = append(*into, v...)
					}
				}
			}
			if d := cmp.Diff(want, got, cmp.AllowUnexported(table{})); d != "" {
				t.Fatal(d)
			}
		})
	}
}

// TestOtherReader has parquet-go read the same file: the format is Parquet's, not only ours.
func TestOtherReader(t *testing.T) {
	want := random(rand.New(rand.NewPCG(3, 4)), 3000)
	file, _ := want.write(t, 2000, 1000)
	f, err := pq.OpenFile(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	i := 0
	for _, g := range f.RowGroups() {
		rows := g.Rows()
		buf := make([]pq.Row, 100)
		for {
			n, err := rows.ReadRows(buf)
			for _, row := range buf[:n] {
				if row[0].Int64() != want.n[i] || row[2].Int64() != want.t[i] {
					t.Fatalf("row %d: %v, want %d", i, row, want.n[i])
				}
				if row[1].IsNull() != (want.maybe[i] == Null) || !row[1].IsNull() && row[1].Int64() != want.maybe[i] {
					t.Fatalf("row %d: %v, want %d", i, row[1], want.maybe[i])
				}
				if row[4].IsNull() != (want.s[i] == "\x00") || !row[4].IsNull() && string(row[4].ByteArray()) != want.s[i] {
					t.Fatalf("row %d: %q, want %q", i, row[4], want.s[i])
				}
				if string(row[5].ByteArray()) != want.u[i] || row[6].IsNull() != (want.body[i] == nil) || !bytes.Equal(row[6].ByteArray(), want.body[i]) || !bytes.Equal(row[7].ByteArray(), want.blob[i]) {
					t.Fatalf("row %d: %v", i, row)
				}
				i++
			}
			if err != nil {
				break
			}
		}
		rows.Close()
	}
	if i != 3000 {
		t.Fatalf("%d rows of 3000", i)
	}
}

func FuzzPages(f *testing.F) {
	var m Memory
	file, groups := random(rand.New(rand.NewPCG(5, 6)), 200).write(f, 200)
	for k := range columns {
		for _, p := range groups[0].Chunks[k].Pages {
			b, err := m.raw(bytes.NewReader(file), p)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(b, uint16(p.Rows))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte, rows uint16) {
		var m Memory
		m.split(b, int(rows), true)
		decodeDelta(nil, b, int(rows))
		decodeHybrid(nil, b, int(rows), 7)
		m.byteValues(Page{Rows: uint32(rows)}, b)
		m.dictionaryCodes(b, int(rows), 10)
	})
}
