package format

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
)

// archive yields members.
type archive struct {
	m    *member // the archive itself: its path, its layers
	next func() (io.Reader, string, string, error)
	torn bool // a member ended too early
}

// tarMembers yields a tar's members: the content and the name, or the name and the kind of what is not followed.
func tarMembers(t *tar.Reader, s *source) func() (io.Reader, string, string, error) {
	return func() (io.Reader, string, string, error) {
		h, err := t.Next()
		if err != nil {
			return nil, "", "", err
		}
		switch h.Typeflag {
		case tar.TypeReg, tar.TypeRegA, tar.TypeGNUSparse, tar.TypeCont:
			return &expanding{t, s}, h.Name, "", nil // a sparse member expands
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
		if err != io.EOF && !(a.torn && err == io.ErrUnexpectedEOF) {
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
	return r.open(content, full, opening{node: node, layers: a.m.layers, depth: a.m.depth, foreign: !strings.Contains(strings.ToLower(full), "audit")})
}
