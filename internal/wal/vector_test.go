package wal

import (
	"bytes"
	"encoding/hex"
	"hash/crc32"
	"os"
	"strings"
	"testing"

	"annals.dev/internal/disk"
	"annals.dev/internal/disk/sim"
)

// The document's example, byte for byte: what it shows is what is written, and is read as it says.
func TestDocument(t *testing.T) {
	doc, err := os.ReadFile("../../docs/wal.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(doc), "```hex\n")
	dump, _, found := strings.Cut(rest, "```")
	if !found {
		t.Fatal("docs/wal.md has no hex block")
	}
	var documented []byte
	for line := range strings.Lines(dump) {
		digits, _, _ := strings.Cut(line, "#")
		b, err := hex.DecodeString(strings.Join(strings.Fields(digits), ""))
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		documented = append(documented, b...)
	}

	h := header{file: 7, first: 1000}
	for i := range h.id {
		h.id[i] = byte(i)
	}
	written := h.encode()
	for _, f := range []struct {
		index   uint32
		seq     uint64
		payload string
	}{{0, 1000, "hello"}, {0, 1001, ""}, {1, 1002, "annals"}} {
		at := len(written)
		written = append(written, make([]byte, headSize)...)
		written = append(written, f.payload...)
		sum := crc32.Checksum([]byte(f.payload), castagnoli)
		head{uint32(len(f.payload)), f.index, f.seq, sum}.put(written[at:], h.key())
	}
	if !bytes.Equal(documented, written) {
		t.Fatalf("the document has\n%x\nand this is written\n%x", documented, written)
	}

	d := sim.New(1)
	if err := d.MkdirAll("log"); err != nil {
		t.Fatal(err)
	}
	if err := disk.WriteFile(d, "log/"+fileName(7), documented); err != nil {
		t.Fatal(err)
	}
	var got []string
	report, err := Check(d, "log", func(e Entry) error {
		got = append(got, string(e.Payload))
		return nil
	})
	if err != nil || strings.Join(got, "|") != "hello||annals" || report.ID != h.id || report.Next != 1003 || report.TornFile != 0 {
		t.Fatalf("read as %q, %+v, %v", got, report, err)
	}
}
