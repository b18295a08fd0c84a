// Package disk is the file layer under the ledger: what it asks of a file system, the operating system's answer, and a
// simulated disk (package sim beside it) that forgets whatever was not fsynced.
package disk

import (
	"io"
	"io/fs"
)

// FS is a directory tree. Names are slash-separated paths below its root. A file's content is durable after File.Sync, its
// name (created, renamed, removed) only after SyncDir of the directory that holds it. A name that leads out of the root, or is
// not in its shortest form, is fs.ErrInvalid. The root itself is ".".
type FS interface {
	Open(name string) (File, error)   // for reading
	Create(name string) (File, error) // for reading and writing; must not exist; mode 0600
	OpenRW(name string) (File, error) // an existing file, for reading and writing
	Rename(from, to string) error     // replaces to
	Remove(name string) error
	MkdirAll(name string) error // mode 0700; each level is durable when it returns
	ReadDir(name string) ([]fs.DirEntry, error)
	Stat(name string) (fs.FileInfo, error)
	SyncDir(name string) error
}

// File is an open file. WriteAt beyond the end extends it.
type File interface {
	io.Reader
	io.ReaderAt
	io.WriterAt
	io.Closer
	Truncate(size int64) error
	Sync() error
	Size() (int64, error)
}
