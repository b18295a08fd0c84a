package access

import (
	"syscall"

	"annals.dev/internal/disk"
)

// fileStamp tells whether a file is still the one that was read. The zero stamp is a missing file.
type fileStamp struct {
	ino         uint64
	size, mtime int64
}

func stampOf(d disk.FS, name string) (fileStamp, error) {
	fi, err := d.Stat(name)
	if err != nil {
		return fileStamp{}, err
	}
	st := fileStamp{size: fi.Size(), mtime: fi.ModTime().UnixNano()}
	if sys, ok := fi.Sys().(*syscall.Stat_t); ok {
		st.ino = sys.Ino
	}
	return st, nil
}
