package source

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"annals.dev/internal/disk"
)

// savedState is what a source keeps across restarts, in data/follow/<cluster>-<hash of its path>.json.
type savedState struct {
	Version int        `json:"version"`
	Path    string     `json:"path"`
	Logs    []savedLog `json:"logs"`
}

const stateVersion = 1

// savedLog is one log: the file that is written, and those that were rotated away from it.
type savedLog struct {
	Dir    string     `json:"dir"`
	Live   string     `json:"live"`
	Silent bool       `json:"silent,omitempty"` // that it fell silent is recorded, that it came back is not yet
	Gone   bool       `json:"gone,omitempty"`   // that the live file is missing is recorded
	Mode   uint32     `json:"mode,omitempty"`   // of the live file when last seen
	UID    uint32     `json:"uid"`
	GID    uint32     `json:"gid"`
	Owned  bool       `json:"owned,omitempty"` // Mode, UID and GID are known
	Files  []*tracked `json:"files"`
}

// tracked is one file of a log.
type tracked struct {
	Name    string `json:"name"`
	Dev     uint64 `json:"dev"`
	Ino     uint64 `json:"ino"`
	Size    int64  `json:"size"` // when last seen
	Changed int64  `json:"changed"`
	Offset  int64  `json:"offset"`         // what stands before is in the ledger; of a compressed file it counts nothing
	Half    int64  `json:"half,omitempty"` // from Offset to here stands a half line, which is in the ledger as such
	Done    bool   `json:"done,omitempty"` // a compressed file that was read
	Head    head   `json:"head"`

	f     *os.File
	bound bool      // it is in its directory, as of this scan
	gone  bool      // it is not, and that was dealt with; f is open still, and what comes is read
	grew  time.Time // when it was last seen to grow
}

// head is a hash of a file's first bytes that are not NUL: its content's name, whatever the file is called.
type head struct {
	At  int64  `json:"at"`
	Len int    `json:"len"`
	Sum string `json:"sum"`
}

// leastHead is how long a head has to be to tell one log from another: the first event's audit ID is in it.
const leastHead = 256

func headOf(at int64, b []byte) head {
	sum := sha256.Sum256(b)
	return head{At: at, Len: len(b), Sum: hex.EncodeToString(sum[:])}
}

func (t *tracked) close() {
	if t.f != nil {
		t.f.Close() // it was only read
		t.f = nil
	}
}

type stateFile struct {
	d    disk.FS
	name string
	path string
}

func openState(data string, src FollowSource) (stateFile, error) {
	abs, err := filepath.Abs(data)
	if err != nil {
		return stateFile{}, fmt.Errorf("follow: %w", err)
	}
	d := disk.OS(abs)
	if err := d.MkdirAll("follow"); err != nil {
		return stateFile{}, fmt.Errorf("follow: %w", err)
	}
	sum := sha256.Sum256([]byte(src.Path))
	return stateFile{d: d, name: "follow/" + src.Cluster + "-" + hex.EncodeToString(sum[:6]) + ".json", path: src.Path}, nil
}

// read gives the state as it was written last, or an empty one.
func (f stateFile) read() (savedState, error) {
	b, err := disk.ReadFile(f.d, f.name)
	if errors.Is(err, fs.ErrNotExist) {
		return savedState{}, nil
	}
	if err != nil {
		return savedState{}, fmt.Errorf("%s: %w", f.name, err)
	}
	s, err := parseState(b)
	if err != nil {
		return savedState{}, fmt.Errorf("%s: %w", f.name, err)
	}
	return s, nil
}

func parseState(b []byte) (savedState, error) {
	var s savedState
	if err := json.Unmarshal(b, &s); err != nil {
		return savedState{}, err
	}
	if s.Version != stateVersion {
		return savedState{}, fmt.Errorf("version %d, this program reads %d", s.Version, stateVersion)
	}
	for _, l := range s.Logs {
		if !filepath.IsAbs(l.Dir) || !plainName(l.Live) {
			return savedState{}, fmt.Errorf("%.100q in %.100q is not a log", l.Live, l.Dir)
		}
		for _, t := range l.Files {
			switch {
			case t == nil || !plainName(t.Name):
				return savedState{}, errors.New("a file without a name")
			case t.Offset < 0 || t.Half < 0 || t.Size < 0 || t.Head.At < 0 || t.Head.Len < 0 || t.Head.Len > headSize:
				return savedState{}, fmt.Errorf("file %.100q has an impossible place", t.Name)
			}
		}
	}
	return s, nil
}

func plainName(s string) bool {
	return s != "" && s != "." && s != ".." && filepath.Base(s) == s
}

func (f stateFile) write(s savedState) error {
	s.Version, s.Path = stateVersion, f.path
	b, err := json.MarshalIndent(s, "", " ")
	if err != nil {
		return err
	}
	return disk.WriteFile(f.d, f.name, append(b, '\n'))
}
