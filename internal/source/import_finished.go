package source

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"annals.dev/internal/disk"
)

// fileMark is how a finished file is known again: by where it lies, and by what can be seen of it without reading it all.
type fileMark struct {
	Path    string `json:"path"` // absolute
	Size    int64  `json:"size"`
	Changed int64  `json:"changed"` // nanoseconds since 1970
	Head    string `json:"head"`    // SHA-256 of its first KiB
}

const headSize = 1 << 10

func markOf(path string, f *os.File) (fileMark, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return fileMark{}, err
	}
	fi, err := f.Stat()
	if err != nil {
		return fileMark{}, err
	}
	var head [headSize]byte
	n, err := f.ReadAt(head[:], 0)
	if err != nil && err != io.EOF {
		return fileMark{}, err
	}
	sum := sha256.Sum256(head[:n])
	return fileMark{Path: abs, Size: fi.Size(), Changed: fi.ModTime().UnixNano(), Head: hex.EncodeToString(sum[:])}, nil
}

// finished is the files that imports into one cluster have read to their end: data/import/<cluster>.jsonl, a line each,
// the last for a path counts. To lose a line costs only the time to read a file again.
type finished struct {
	mu    sync.Mutex
	marks map[string]fileMark // by path
	file  *os.File            // nil: nothing is kept
}

func openFinished(data, cluster string) (*finished, error) {
	f := &finished{marks: make(map[string]fileMark)}
	if data == "" {
		return f, nil
	}
	abs, err := filepath.Abs(data)
	if err != nil {
		return nil, fmt.Errorf("finished imports: %w", err)
	}
	d, name := disk.OS(abs), "import/"+cluster+".jsonl"
	if err := d.MkdirAll("import"); err != nil {
		return nil, fmt.Errorf("finished imports: %w", err)
	}
	old, err := disk.ReadFile(d, name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("finished imports: %w", err)
	}
	lines := parseFinished(old, f.marks)
	if lines > 2*len(f.marks)+1000 || len(old) > 0 && old[len(old)-1] != '\n' {
		if err := disk.WriteFile(d, name, f.encode()); err != nil {
			return nil, fmt.Errorf("finished imports: %w", err)
		}
	}
	f.file, err = os.OpenFile(filepath.Join(abs, name), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("finished imports: %w", err)
	}
	return f, nil
}

// parseFinished reads the lines that can be read and counts all.
func parseFinished(b []byte, marks map[string]fileMark) (lines int) {
	sc := bufio.NewScanner(bytes.NewReader(b))
	sc.Buffer(nil, 1<<20)
	for sc.Scan() {
		lines++
		var m fileMark
		if json.Unmarshal(sc.Bytes(), &m) == nil && m.Path != "" {
			marks[m.Path] = m
		}
	}
	return lines
}

func (f *finished) encode() []byte {
	var out []byte
	for _, m := range f.marks {
		line, err := json.Marshal(m)
		if err == nil {
			out = append(append(out, line...), '\n')
		}
	}
	return out
}

func (f *finished) has(m fileMark) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	known, ok := f.marks[m.Path]
	return ok && known == m
}

func (f *finished) add(m fileMark) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.marks[m.Path] = m
	if f.file == nil {
		return nil
	}
	line, err := json.Marshal(m)
	if err == nil {
		_, err = f.file.Write(append(line, '\n'))
	}
	if err != nil {
		return fmt.Errorf("finished imports: %w", err)
	}
	return nil
}

func (f *finished) close() error {
	if f.file == nil {
		return nil
	}
	err := f.file.Sync()
	return errors.Join(err, f.file.Close())
}
