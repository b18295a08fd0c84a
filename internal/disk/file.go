package disk

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"path"
	"syscall"
)

// WriteFile puts data under a name, durably, in the place of what was there: after a power cut at any moment the name
// holds the old content or the new, whole. This is the one way to replace a file.
func WriteFile(d FS, name string, data []byte) error { return Replace(d, name, bytes.NewReader(data)) }

// Replace is WriteFile with the content read from r. It writes name+".tmp" first; one that is left over from a crash is
// removed, never written into: after a rename half done it may be the same file as name.
func Replace(d FS, name string, r io.Reader) error {
	tmp := name + ".tmp"
	f, err := d.Create(tmp)
	if errors.Is(err, fs.ErrExist) {
		if err := d.Remove(tmp); err != nil {
			return err
		}
		f, err = d.Create(tmp)
	}
	if err != nil {
		return err
	}
	_, err = io.Copy(io.NewOffsetWriter(f, 0), r)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = d.Rename(tmp, name)
	}
	if err != nil {
		_ = d.Remove(tmp) // it may be a full disk that failed us: leave nothing behind if we can help it
		return err
	}
	return d.SyncDir(path.Dir(name))
}

// ReadFile reads a whole file.
func ReadFile(d FS, name string) ([]byte, error) {
	f, err := d.Open(name)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(f)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return data, err
}

// IsFull says whether an error means that the disk, or the quota on it, is full: once there is room it may be tried again.
func IsFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}
