//go:build unix

package logfile

import (
	"io/fs"
	"os"
	"syscall"
)

// inherit gives a new file the mode and owner of the old one: whoever may read the log goes on reading it.
func inherit(path string, old fs.FileInfo) error {
	now, err := os.Stat(path)
	if err != nil {
		return err
	}
	if now.Mode().Perm() != old.Mode().Perm() {
		if err := os.Chmod(path, old.Mode().Perm()); err != nil {
			return err
		}
	}
	was, ok1 := old.Sys().(*syscall.Stat_t)
	is, ok2 := now.Sys().(*syscall.Stat_t)
	if ok1 && ok2 && (was.Uid != is.Uid || was.Gid != is.Gid) {
		return os.Chown(path, int(was.Uid), int(was.Gid))
	}
	return nil
}
