package kube

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sort"
	"strings"
)

// Log reads the audit log as it stands: each rotated file, oldest first, then the live one, line by line, without newlines.
// To be sure of the whole, stop the server first.
func (s *Server) Log() ([][]byte, error) { return ReadLog(s.AuditLog) }

// ReadLog is Log for any log that is written as kube-apiserver writes it.
func ReadLog(path string) ([][]byte, error) {
	dir, ext := filepath.Dir(path), filepath.Ext(path)
	rotated, err := filepath.Glob(filepath.Join(dir, strings.TrimSuffix(filepath.Base(path), ext)+"-*"))
	if err != nil {
		return nil, err
	}
	sort.Strings(rotated) // their names hold the time
	var lines [][]byte
	for i, name := range rotated {
		if plain, ok := strings.CutSuffix(name, ".gz"); ok && i > 0 && rotated[i-1] == plain {
			continue // being compressed: the whole of it still stands beside
		}
		if lines, err = appendLines(lines, name); err != nil {
			return nil, err
		}
	}
	return appendLines(lines, path)
}

func appendLines(lines [][]byte, name string) ([][]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var r io.Reader = f
	if strings.HasSuffix(name, ".gz") {
		if r, err = gzip.NewReader(f); err != nil {
			return nil, err
		}
	}
	for br := bufio.NewReaderSize(r, 1<<20); ; {
		line, err := br.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			if len(line) > 0 {
				return nil, errors.New(name + ": the last line has no end")
			}
			return lines, nil
		}
		if err != nil {
			return nil, err
		}
		lines = append(lines, bytes.TrimSuffix(line, []byte("\n")))
	}
}
