package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/gzip"
)

// corpusFiles are the recorded logs, in the order in which they are delivered. The first is what the large ledgers are made of.
var corpusFiles = []string{"normal-full.log.gz", "normal-gce.log.gz", "normal-metadata.log.gz"}

// unpack writes recorded logs one after the other.
func (c *config) unpack(w io.Writer, names ...string) error {
	for _, name := range names {
		path := filepath.Join(c.corpus, name)
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		z, err := gzip.NewReader(f)
		if err == nil {
			_, err = io.Copy(w, z)
		}
		f.Close()
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return nil
}

// unpackTo writes recorded logs to a file.
func (c *config) unpackTo(path string, names ...string) (size int64, err error) {
	f, err := os.Create(path)
	if err != nil {
		return 0, err
	}
	if err := c.unpack(f, names...); err != nil {
		f.Close()
		return 0, err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return 0, err
	}
	return info.Size(), f.Close()
}
