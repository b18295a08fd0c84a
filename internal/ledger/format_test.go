package ledger

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"annals.dev/internal/disk"
	"annals.dev/internal/disk/sim"
	"annals.dev/internal/format"
	"annals.dev/internal/match"
)

// document is docs/format.md: what it gives as examples is tested against the code.
type document struct {
	t    *testing.T
	text string
}

func readDocument(t *testing.T) document {
	b, err := os.ReadFile("../../docs/format.md")
	if err != nil {
		t.Fatal(err)
	}
	return document{t, string(b)}
}

// block is the content of the fenced block of that kind and name.
func (d document) block(name string) string {
	d.t.Helper()
	_, rest, ok := strings.Cut(d.text, "\n```"+name+"\n")
	content, _, closed := strings.Cut(rest, "\n```")
	if !ok || !closed {
		d.t.Fatalf("docs/format.md has no example %q", name)
	}
	return content + "\n"
}

func (d document) hex(name string) []byte {
	d.t.Helper()
	var digits strings.Builder
	for line := range strings.Lines(d.block("hex " + name)) {
		line, _, _ = strings.Cut(line, "#")
		digits.WriteString(strings.Join(strings.Fields(line), ""))
	}
	b, err := hex.DecodeString(digits.String())
	if err != nil {
		d.t.Fatalf("example %q: %v", name, err)
	}
	return b
}

// rows are the cells of the lines of a block, which stand two spaces apart.
func (d document) rows(name string) (rows [][]string) {
	d.t.Helper()
	for line := range strings.Lines(d.block("text " + name)) {
		rows = append(rows, regexp.MustCompile(`  +`).Split(strings.TrimSpace(line), -1))
	}
	return rows
}

func (d document) same(name string, got []byte) {
	d.t.Helper()
	if want := d.hex(name); !bytes.Equal(got, want) {
		d.t.Errorf("%s is\n%x\nand the document says\n%x", name, got, want)
	}
}

var documentReceived = time.Date(2026, 11, 21, 8, 0, 0, 5_000_000, time.UTC).UnixMicro()

func TestFormatLeaf(t *testing.T) {
	d := readDocument(t)
	event := strings.TrimSuffix(d.block("json event"), "\n")
	lf := leaf{cluster: "prod", origin: "webhook/cp-1", received: documentReceived, length: uint64(len(event)), sum: sha256.Sum256([]byte(event))}
	d.same("leaf", lf.append(nil))
	h, _ := lf.hash(nil)
	d.same("leaf-hash", h[:])
	if tlog.RecordHash(d.hex("leaf")) != h {
		t.Error("it is not RFC 6962's leaf hash")
	}
}

func TestFormatTree(t *testing.T) {
	d := readDocument(t)
	var f frontier
	want := make(map[string]string)
	for _, row := range d.rows("tree") {
		want[row[0]] = row[1]
	}
	got := make(map[string]string)
	for i := range 3 {
		leaf := tlog.RecordHash([]byte{byte(i)})
		got[fmt.Sprint("leaf ", i)] = leaf.String()
		f.add(leaf, nil)
		if i == 1 {
			got["0 and 1"] = f.root().String()
		}
	}
	got["root of 3"] = f.root().String()
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestFormatNotes(t *testing.T) {
	d := readDocument(t)
	fs := sim.New(0)
	for name, block := range map[string]string{descriptionFile: descriptionFile, headsFile: headsFile, "clusters/prod/manifest": manifestFile, "clusters/prod/checkpoint": checkpointFile} {
		if err := fs.MkdirAll("clusters/prod"); err != nil {
			t.Fatal(err)
		}
		if err := disk.WriteFile(fs, name, []byte(d.block("text "+block))); err != nil {
			t.Fatal(err)
		}
	}
	desc, err := describe(fs)
	if err != nil {
		t.Fatal(err)
	}
	v, err := desc.Verifier()
	if err != nil {
		t.Fatal(err)
	}
	heads, err := readHeads(fs, desc, v)
	if err != nil || heads["prod"] != 3 || heads["a.b"] != 1 || len(heads) != 2 {
		t.Errorf("heads: %v, %v", heads, err)
	}
	c, err := readCheckpoint(fs, desc, v, "prod")
	if err != nil || c.Size != 3 {
		t.Fatalf("checkpoint: %+v, %v", c, err)
	}
	m, err := readManifest(fs, "prod", desc.origin("prod"), v)
	if err != nil {
		t.Fatal(err)
	}
	if m.sealed.root() != c.Root || len(m.segments) != 2 || m.seen != infoOf(d.hex("seen")) || m.ledger != infoOf([]byte(d.block("text ledger.json"))) {
		t.Errorf("manifest: %+v", m)
	}
	n, err := note.Open([]byte(d.block("text manifest")), note.VerifierList(v))
	if err != nil || m.text(desc.origin("prod")) != n.Text {
		t.Errorf("the manifest is written\n%s\nand the document says\n%s (%v)", m.text(desc.origin("prod")), n.Text, err)
	}
}

func TestFormatFrame(t *testing.T) {
	d := readDocument(t)
	f := frame{cluster: "prod", origin: "webhook/cp-1", received: documentReceived, first: 300, again: []uint64{7, 8, 290}}
	f.events = []framed{{bytes: []byte("{}")}, {dialect: format.Unreadable, marks: format.Quarantined, note: "cut", bytes: []byte(`{"a`)}}
	d.same("frame", append(f.head(nil), `{}{"a`...))
	got, err := parseFrame(d.hex("frame"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range got.events {
		got.events[i].at = 0
	}
	if d := cmp.Diff(f, got, cmp.AllowUnexported(frame{}, framed{})); d != "" {
		t.Error(d)
	}
}

func TestFormatTiles(t *testing.T) {
	for _, row := range readDocument(t).rows("tiles") {
		var n uint64
		if _, err := fmt.Sscan(row[0], &n); err != nil {
			t.Fatal(err)
		}
		if got := tilePath("prod", 1, n); got != "clusters/prod/"+row[1] {
			t.Errorf("tile %d is %s, and the document says %s", n, got, row[1])
		}
	}
}

func TestFormatSeen(t *testing.T) {
	d := readDocument(t)
	fs := sim.New(0)
	b := d.hex("seen")
	if err := fs.MkdirAll("clusters/prod"); err != nil {
		t.Fatal(err)
	}
	if err := disk.WriteFile(fs, "clusters/prod/"+seenName(infoOf(b)), b); err != nil {
		t.Fatal(err)
	}
	seen, err := readSeen(fs, "prod", infoOf(b))
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string][]uint64)
	for origin, positions := range seen {
		got[origin] = positions.ToArray()
	}
	if d := cmp.Diff(map[string][]uint64{"file/cp-1:/a.log": {3, 4, 5}, "import/a": {1 << 32}}, got); d != "" {
		t.Error(d)
	}
	again, err := encodeSeen(seen)
	if err != nil {
		t.Fatal(err)
	}
	d.same("seen", again)
}

func TestFormatWords(t *testing.T) {
	d := readDocument(t)
	for _, row := range d.rows("words") {
		if got := fmt.Sprintf("%08x", match.HashWord([]byte(row[0]))); got != row[1] {
			t.Errorf("%s is %s, and the document says %s", row[0], got, row[1])
		}
		if h := match.AppendWords(nil, []byte(row[0])); len(h) != 1 || h[0] != match.HashWord([]byte(row[0])) {
			t.Errorf("%s is not one word", row[0])
		}
	}
	want := map[string][]uint32{"secrets": {0}, "curl": {2}, "prod": {0, 1, 2, 5}, "other": nil}
	var w wordPairs
	for w.block = range 6 {
		for word, blocks := range want {
			if slices.Contains(blocks, w.block) {
				w.add(match.HashWord([]byte(word)))
			}
		}
	}
	d.same("word-index", w.encode())
	for word, blocks := range want {
		got, err := wordBlocks(d.hex("word-index"), match.HashWord([]byte(word)), 6)
		if err != nil || !slices.Equal(got, blocks) {
			t.Errorf("%s is in blocks %v, %v", word, got, err)
		}
	}
}

func TestFormatFilter(t *testing.T) {
	d := readDocument(t)
	b := newBloom(2)
	for _, row := range d.rows("ids") {
		h := hashID(row[0])
		if got := fmt.Sprintf("%016x", h); got != row[1] {
			t.Errorf("%s is %s, and the document says %s", row[0], got, row[1])
		}
		b.add(h)
		if !mayHold(d.hex("filter"), h) {
			t.Errorf("the document's filter misses %s", row[0])
		}
	}
	d.same("filter", b)
}

// The forms of the document's events, which come back from a segment of them all; its columns and description are those of the
// document's tables.
func TestFormatSegment(t *testing.T) {
	d := readDocument(t)
	var all []format.Event
	var forms []int64
	for line := range strings.Lines(d.block("text forms")) {
		form, text, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		all = append(all, event(t, []byte(text)))
		forms = append(forms, int64(form[0]-'0'))
	}
	s, fs := segmentOf(t, all)
	err := s.read(context.Background(), allRows(s.Rows()), func(table *table, i, _ int, raw []byte, _ *reading) error {
		at := table.ints[cPosition][i] - 5
		if !bytes.Equal(raw, all[at].Bytes) || table.ints[cForm][i] != forms[at] {
			t.Errorf("form %d, and the document says %d: %s", table.ints[cForm][i], forms[at], raw)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	e := &all[2]
	req, _ := within(e.Bytes, e.View.RequestObject)
	resp, _ := within(e.Bytes, e.View.ResponseObject)
	surround := strings.NewReplacer("\x1c", "`, 1C, `", "\x1d", "`, 1D, `").Replace(string(cutBodies(nil, e.Bytes, req, resp)))
	if !strings.Contains(d.text, "`"+surround+"`") {
		t.Errorf("the document does not say that the third one's surround is `%s`", surround)
	}

	kinds := map[Kind]string{Int64: "number", Timestamp: "time", UUID: "id", String: "text", Body: "body", Blob: "bytes"}
	var columns []string
	for _, c := range Columns {
		kind := kinds[c.Kind]
		if c.Optional {
			kind += " or null"
		}
		columns = append(columns, "| "+c.Name+" | "+kind+" |")
	}
	_, table, _ := strings.Cut(d.text, "\n| column | kind | what |\n|---|---|---|\n")
	var said []string
	for line := range strings.Lines(table) {
		cells := strings.SplitN(line, "|", 4)
		if len(cells) < 4 {
			break
		}
		said = append(said, "|"+cells[1]+"|"+cells[2]+"|")
	}
	if d := cmp.Diff(columns, said); d != "" {
		t.Errorf("the columns, and those of the document: %s", d)
	}

	_, table, _ = strings.Cut(d.text, "The description's members:\n\n| member | what |\n|---|---|\n")
	table, _, _ = strings.Cut(table, "\n\n")
	var members, inDocument []string
	for f := range reflect.TypeFor[index]().Fields() {
		members = append(members, f.Name)
	}
	for line := range strings.Lines(table) {
		names, _, _ := strings.Cut(strings.TrimPrefix(line, "| "), " |")
		inDocument = append(inDocument, strings.Split(names, ", ")...)
	}
	slices.Sort(members)
	slices.Sort(inDocument)
	if d := cmp.Diff(members, inDocument); d != "" {
		t.Errorf("the description's members, and those of the document: %s", d)
	}
	b, err := disk.ReadFile(fs, s.name+indexFile)
	if err != nil {
		t.Fatal(err)
	}
	n := binary.LittleEndian.Uint32(b[16:])
	if string(b[:16]) != "annals index 1\n\n" || int64(len(b)) != 20+int64(n)+s.index.Words+s.index.IDs || s.words != 20+int64(n) {
		t.Error("the index is not laid out as the document says")
	}
}
