//go:build !unix

package logfile

import (
	"io/fs"
	"os"
)

// inherit gives a new file the mode of the old one.
func inherit(path string, old fs.FileInfo) error { return os.Chmod(path, old.Mode().Perm()) }
