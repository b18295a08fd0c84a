package format

import (
	"archive/tar"
	"archive/zip"
	"bufio"
	"bytes"
	"compress/bzip2"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// source is the input, and the measure of how far it expands.
type source struct {
	r       io.Reader
	at      io.ReaderAt // with size, if the input can be read at random
	size    int64
	in, out int64
	err     error // of the input itself
}

func newSource(r io.Reader) *source {
	s := &source{r: r}
	at, ok := r.(io.ReaderAt)
	if !ok {
		return s
	}
	switch sized := r.(type) {
	case interface{ Size() int64 }:
		s.at, s.size = at, sized.Size()
	case interface{ Stat() (fs.FileInfo, error) }:
		if info, err := sized.Stat(); err == nil && info.Mode().IsRegular() {
			s.at, s.size = at, info.Size()
		}
	}
	return s
}

func (s *source) Read(b []byte) (int, error) {
	n, err := s.r.Read(b)
	return n, s.count(n, err)
}

func (s *source) ReadAt(b []byte, off int64) (int, error) {
	n, err := s.at.ReadAt(b, off)
	return n, s.count(n, err)
}

func (s *source) count(n int, err error) error {
	s.in += int64(n)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return err
}

// tail remembers the last bytes that went through, to show where a container broke.
type tail struct {
	r io.Reader
	n int64
	b []byte
}

const tailSize = 512

func (t *tail) Read(b []byte) (int, error) {
	n, err := t.r.Read(b)
	t.n += int64(n)
	t.b = append(t.b, b[max(0, n-tailSize):n]...)
	t.b = t.b[max(0, len(t.b)-tailSize):]
	return n, err
}

var errExpansion = errors.New("decompressed size out of proportion")

// expanding counts what comes out of a container, and stops when it is out of proportion to what went into the first.
type expanding struct {
	r io.Reader
	s *source
}

func (x *expanding) Read(b []byte) (int, error) {
	n, err := x.r.Read(b)
	if x.s.out += int64(n); x.s.out > freeOutput && x.s.out/maxRatio > x.s.in {
		return n, fmt.Errorf("%w: %d bytes out of %d", errExpansion, x.s.out, x.s.in)
	}
	return n, err
}

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
	switch kind {
	case "tar":
		r.layers = append(r.layers, layer{archive: &archive{m: m, next: tarMembers(tar.NewReader(in))}})
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

// archive yields members.
type archive struct {
	m    *member // the archive itself: its path, its layers
	next func() (io.Reader, string, string, error)
}

// tarMembers yields a tar's members: the content and the name, or the name and the kind of what is not followed.
func tarMembers(t *tar.Reader) func() (io.Reader, string, string, error) {
	return func() (io.Reader, string, string, error) {
		h, err := t.Next()
		if err != nil {
			return nil, "", "", err
		}
		switch h.Typeflag {
		case tar.TypeReg, tar.TypeRegA, tar.TypeGNUSparse, tar.TypeCont:
			return t, h.Name, "", nil
		case tar.TypeDir:
			return nil, h.Name, "directory", nil
		case tar.TypeLink, tar.TypeSymlink:
			return nil, h.Name, "link in an archive", nil
		}
		return nil, h.Name, "device, pipe or the like in an archive", nil
	}
}

func (r *Reader) openZip(m *member, in io.Reader) {
	r.layers = append(r.layers, layer{member: m}) // if it cannot be read
	m.done = true
	var at io.ReaderAt = r.src
	size := r.src.size
	if m.layers > 1 || m.depth > 0 || r.src.at == nil {
		b, err := io.ReadAll(io.LimitReader(in, maxZip+1))
		if err != nil {
			m.err = err
			return
		}
		if len(b) > maxZip {
			m.err = fmt.Errorf("a zip of more than %d bytes that is not a file by itself: unpack it first", maxZip)
			return
		}
		at, size = bytes.NewReader(b), int64(len(b))
	}
	z, err := zip.NewReader(at, size)
	if err != nil {
		m.err = err
		return
	}
	i := 0
	var open io.Closer
	next := func() (io.Reader, string, string, error) {
		if open != nil {
			open.Close()
			open = nil
		}
		if i == len(z.File) {
			return nil, "", "", io.EOF
		}
		f := z.File[i]
		i++
		switch mode := f.Mode(); {
		case mode.IsDir():
			return nil, f.Name, "directory", nil
		case mode&fs.ModeSymlink != 0:
			return nil, f.Name, "link in an archive", nil
		case !mode.IsRegular():
			return nil, f.Name, "device, pipe or the like in an archive", nil
		}
		content, err := f.Open()
		if err != nil {
			return failing{err}, f.Name, "", nil
		}
		open = content
		return &expanding{content, r.src}, f.Name, "", nil
	}
	r.layers[len(r.layers)-1] = layer{archive: &archive{m: m, next: next}}
}

// failing is a member that cannot be opened.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// nextMember goes on to the next member of an archive.
func (r *Reader) nextMember(a *archive) error {
	content, name, kind, err := a.next()
	if err != nil {
		r.pop()
		if err != io.EOF {
			a.m.err = err
			r.brokenContainer(a.m)
		}
		return nil
	}
	name = strings.TrimPrefix(path.Clean("/"+name), "/")
	full := a.m.path + "!" + name
	if kind == "" {
		kind = skippedName(name)
	}
	if kind == "directory" {
		return nil
	}
	if kind != "" {
		r.skip(kind, nil, &context{m: &member{path: full, fix: -1}})
		return nil
	}
	node := nodeOf("/" + name)
	if node == "" {
		node = a.m.node
	}
	return r.open(content, full, opening{node: node, layers: a.m.layers, depth: a.m.depth, foreign: !strings.Contains(strings.ToLower(name), "audit")})
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
