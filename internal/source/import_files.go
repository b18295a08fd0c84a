package source

import (
	"cmp"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
)

// importFile is a file to import.
type importFile struct {
	path    string // as it is opened; "-" for standard input
	name    string // as notes and origins have it
	size    int64  // of a regular file
	regular bool   // otherwise a pipe or a device that was named outright
}

// find lists the files behind the paths, each once, those of one log from the oldest. What cannot be listed is noted in
// the Summary.
func (im *Importer) find(paths []string) []importFile {
	var files []importFile
	seen := make(map[string]bool)
	for _, p := range paths {
		if p == "-" {
			files = append(files, importFile{path: p, name: cmp.Or(im.cfg.Name, "stdin")})
			continue
		}
		// What is named outright is followed, also where it is a link.
		fi, err := os.Stat(p)
		switch {
		case err != nil:
			im.sum.Failed = append(im.sum.Failed, FileError{p, err})
		case fi.IsDir():
			files = im.walk(files, seen, p)
		default:
			files = addFile(files, seen, importFile{path: p, name: filepath.Clean(p), size: fi.Size(), regular: fi.Mode().IsRegular()})
		}
	}
	return files
}

func addFile(files []importFile, seen map[string]bool, f importFile) []importFile {
	abs, err := filepath.Abs(f.path)
	if err != nil {
		abs = f.path
	}
	if seen[abs] {
		return files
	}
	seen[abs] = true
	if !f.regular {
		f.size = 0
	}
	return append(files, f)
}

// walk goes through a directory, files before the directories in it. Links, pipes and devices in it are left alone: they
// may lead anywhere, or never end.
func (im *Importer) walk(files []importFile, seen map[string]bool, dir string) []importFile {
	entries, err := os.ReadDir(dir)
	if err != nil {
		im.sum.Failed = append(im.sum.Failed, FileError{dir, err})
	}
	var names, dirs []string
	for _, e := range entries {
		switch {
		case e.IsDir():
			dirs = append(dirs, e.Name())
		case e.Type().IsRegular():
			names = append(names, e.Name())
		default:
			im.sum.NotRead[kindOf(e.Type())]++
		}
	}
	sortOlderFirst(names)
	for _, name := range names {
		path := filepath.Join(dir, name)
		fi, err := os.Lstat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist): // rotated away since
		case err != nil:
			im.sum.Failed = append(im.sum.Failed, FileError{path, err})
		case fi.Mode().IsRegular():
			files = addFile(files, seen, importFile{path: path, name: path, size: fi.Size(), regular: true})
		}
	}
	for _, name := range dirs {
		files = im.walk(files, seen, filepath.Join(dir, name))
	}
	return files
}

func kindOf(m fs.FileMode) string {
	switch {
	case m&fs.ModeSymlink != 0:
		return "symbolic link"
	case m&fs.ModeNamedPipe != 0:
		return "pipe"
	case m&fs.ModeSocket != 0:
		return "socket"
	case m&fs.ModeDevice != 0:
		return "device"
	}
	return "special file"
}

// input is a file or standard input that counts what is read of it, from whichever goroutine.
type input struct {
	file  *os.File
	from  io.Reader
	taken atomic.Int64
}

func (f importFile) open(stdin io.Reader) (*input, error) {
	if f.path == "-" {
		if stdin == nil {
			return nil, errors.New("there is no standard input")
		}
		return &input{from: stdin}, nil
	}
	file, err := os.Open(f.path)
	if err != nil {
		return nil, err
	}
	return &input{file: file, from: file}, nil
}

func (in *input) Read(b []byte) (int, error) {
	n, err := in.from.Read(b)
	in.taken.Add(int64(n))
	return n, err
}

func (in *input) close() {
	if in.file != nil {
		in.file.Close() // it was only read
	}
}

// randomInput is an input that can be read anywhere, for archives with their table of contents at the end.
type randomInput struct {
	*input
	size int64
}

func (in randomInput) ReadAt(b []byte, off int64) (int, error) {
	n, err := in.file.ReadAt(b, off)
	in.taken.Add(int64(n))
	return n, err
}

func (in randomInput) Size() int64 { return in.size }

func (in *input) reader(f importFile) io.Reader {
	if f.regular {
		return randomInput{in, f.size}
	}
	return in
}
