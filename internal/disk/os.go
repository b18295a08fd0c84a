package disk

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// OS is the operating system's files below root, an absolute path. No name leads out of it, but for a symbolic link that
// stands inside: who may write the data directory is trusted with it. Its files also have Fd() uintptr.
func OS(root string) FS { return osFS(root) }

type osFS string

func (r osFS) path(op, name string) (string, error) {
	if !filepath.IsAbs(string(r)) {
		return "", &fs.PathError{Op: op, Path: string(r), Err: errors.New("the root must be an absolute path")}
	}
	if !fs.ValidPath(name) {
		return "", &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	return filepath.Join(string(r), filepath.FromSlash(name)), nil
}

func (r osFS) open(name string, flag int) (File, error) {
	p, err := r.path("open", name)
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(p, flag, 0o600)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

func (r osFS) Open(name string) (File, error)   { return r.open(name, os.O_RDONLY) }
func (r osFS) Create(name string) (File, error) { return r.open(name, os.O_RDWR|os.O_CREATE|os.O_EXCL) }
func (r osFS) OpenRW(name string) (File, error) { return r.open(name, os.O_RDWR) }

func (r osFS) Rename(from, to string) error {
	f, err := r.path("rename", from)
	if err != nil {
		return err
	}
	t, err := r.path("rename", to)
	if err != nil {
		return err
	}
	return os.Rename(f, t)
}

func (r osFS) Remove(name string) error {
	p, err := r.path("remove", name)
	if err != nil {
		return err
	}
	return os.Remove(p)
}

// MkdirAll makes the root too, if it is missing.
func (r osFS) MkdirAll(name string) error {
	p, err := r.path("mkdir", name)
	if err != nil {
		return err
	}
	return mkdirAll(string(r), p)
}

// mkdirAll syncs the parent of a level that is there already, too: whoever made it may have been killed before the sync. What
// lies above the root belongs to others and may not be ours to open, so there only what is made is synced.
func mkdirAll(root, p string) error {
	inside := len(p) > len(filepath.Clean(root))
	if inside {
		if err := mkdirAll(root, filepath.Dir(p)); err != nil {
			return err
		}
	}
	err := os.Mkdir(p, 0o700)
	if !inside && errors.Is(err, fs.ErrNotExist) && filepath.Dir(p) != p {
		if err := mkdirAll(root, filepath.Dir(p)); err != nil {
			return err
		}
		err = os.Mkdir(p, 0o700)
	}
	if errors.Is(err, fs.ErrExist) {
		info, serr := os.Stat(p)
		if serr != nil || !info.IsDir() {
			return err
		}
		if !inside {
			return nil
		}
		err = nil
	}
	if err != nil {
		return err
	}
	return syncDir(filepath.Dir(p))
}

func (r osFS) ReadDir(name string) ([]fs.DirEntry, error) {
	p, err := r.path("readdir", name)
	if err != nil {
		return nil, err
	}
	return os.ReadDir(p)
}

func (r osFS) Stat(name string) (fs.FileInfo, error) {
	p, err := r.path("stat", name)
	if err != nil {
		return nil, err
	}
	return os.Stat(p)
}

func (r osFS) SyncDir(name string) error {
	p, err := r.path("syncdir", name)
	if err != nil {
		return err
	}
	return syncDir(p)
}

func syncDir(p string) error {
	d, err := os.Open(p)
	if err != nil {
		return err
	}
	err = d.Sync()
	if cerr := d.Close(); err == nil {
		err = cerr
	}
	return err
}

type osFile struct{ *os.File }

// Sync leaves the time stamps out where the system can: what is read back is durable, and the journal has less to write.
func (f osFile) Sync() error {
	if err := fdatasync(f.File); err != nil {
		return fmt.Errorf("fsync %s: %w", f.Name(), err)
	}
	return nil
}

func (f osFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}
