package format

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/bzip2"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// opening is what is known of a file before it is opened.
type opening struct {
	node    string
	time    int64
	layers  int
	depth   int
	carrier bool // it has no offsets of its own: offset is the carrier's
	offset  int64
	foreign bool
}

// open sniffs what src is and puts a layer on the stack: an archive, or a member. Compression is peeled on the way.
func (r *Reader) open(src io.Reader, name string, o opening) error {
	m := &member{path: name, src: src, node: o.node, time: o.time, layers: o.layers, depth: o.depth, foreign: o.foreign, fix: -1, fresh: true}
	if o.carrier {
		m.fix = o.offset
	}
	if r.plain && !o.carrier {
		m.base = r.offset
		r.layers = append(r.layers, layer{member: m})
		return nil
	}
	raw := &tail{r: src}
	in := bufio.NewReaderSize(raw, 4096)
	head, err := in.Peek(512)
	kind := sniff(head)
	m.src, m.raw, m.kind = in, raw, "member"
	if kind == "" || err != nil && err != io.EOF {
		r.layers = append(r.layers, layer{member: m})
		return nil
	}
	if m.layers == MaxLayers {
		c := m.context()
		var p piece
		_, m.err = io.Copy(&p, &expanding{in, r.src})
		m.done = true
		r.layers = append(r.layers, layer{member: m})
		r.quarantinePiece(&p, ReasonLayers, fmt.Sprintf("%s in %d other containers, the most there may be", kind, MaxLayers), &c)
		return nil
	}
	m.layers, m.kind = m.layers+1, kind
	var out io.Reader
	err = nil
	switch kind {
	case "tar":
		r.layers = append(r.layers, layer{archive: &archive{m: m, next: tarMembers(tar.NewReader(in), r.src)}})
		return nil
	case "zip":
		r.openZip(m, in)
		return nil
	case "gzip":
		out, err = gzip.NewReader(in)
	case "zstd":
		out, err = zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(128<<20), zstd.WithDecoderLowmem(true))
	case "bzip2":
		out = bzip2.NewReader(in)
	case "xz":
		if err = xzWindow(head); err == nil {
			out, err = xz.NewReader(in)
		}
	}
	if err != nil {
		m.err, m.done = err, true
		r.layers = append(r.layers, layer{member: m})
		return nil
	}
	before := len(r.layers)
	o.layers = m.layers
	if err := r.open(&expanding{out, r.src}, name, o); err != nil {
		return err
	}
	if top := r.layers[before]; top.member != nil && top.member.kind == "member" {
		top.member.kind, top.member.raw = kind, raw
	}
	return nil
}

// sniff names a container by how it begins; anything else is "".
func sniff(head []byte) string {
	for magic, kind := range map[string]string{
		"\x1f\x8b\x08": "gzip", "\x28\xb5\x2f\xfd": "zstd", "\xfd7zXZ\x00": "xz", "PK\x03\x04": "zip", "PK\x05\x06": "zip",
	} {
		if strings.HasPrefix(string(head), magic) {
			return kind
		}
	}
	if len(head) >= 10 && bytes.HasPrefix(head, []byte("BZh")) && string(head[4:10]) == "1AY&SY" {
		return "bzip2"
	}
	if len(head) >= 262 && string(head[257:262]) == "ustar" {
		return "tar"
	}
	return ""
}

// xzWindow refuses a dictionary that would take more memory than a log's compressor ever asks for. It stands behind the
// stream header and two bytes of the block header, after the sizes that may be there and the filter's number.
func xzWindow(head []byte) error {
	const largest = 30 // 128 MiB
	if len(head) < 24 || head[13]&0xc0 != 0 {
		return nil
	}
	if head[14] == 0x21 && head[16] > largest {
		return fmt.Errorf("an xz dictionary of more than 128 MiB")
	}
	return nil
}

// brokenContainer quarantines the last that was read of a container before it turned out to be broken.
func (r *Reader) brokenContainer(m *member) {
	c := m.context()
	if m.raw != nil {
		c.off = m.raw.n
	}
	reason := ReasonContainer
	if errors.Is(m.err, errExpansion) {
		reason = ReasonExpansion
	}
	var p piece
	if m.raw != nil {
		p = piece{head: m.raw.b, size: int64(len(m.raw.b))}
	}
	r.quarantinePiece(&p, reason, fmt.Sprintf("%s (position before decompression): %v; these are the last bytes before", m.kind, m.err), &c)
}
