package ledger

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/zstd"

	"annals.dev/internal/format"
	"annals.dev/internal/parquet"
)

// index is what the file beside a segment's columns says of them, as JSON; behind it lie the word index and the id filter.
type index struct {
	Version, Writer  int
	First, Last      uint64
	MinTime, MaxTime int64
	Bytes            int64 // of the events
	Salvaged         int
	Quarantined      int
	Truncated        int
	Conflicts        int
	Redacted         int
	Blocks           []int // rows of each block
	Groups           []indexGroup
	Words, IDs       int64 // sizes of the two sections
}

type indexGroup struct {
	Rows  int
	Pages [][]parquet.Page // by column
}

const (
	indexVersion = 1
	indexMagic   = "annals index 1\n\n"
	maxGroupRows = 1 << 20 // what a reader has to make room for at most
)

var errIndex = errors.New("the index cannot be read")

func (x *index) count(marks int64) {
	m := format.Marks(marks)
	for _, k := range []struct {
		mark format.Marks
		n    *int
	}{{format.Salvaged, &x.Salvaged}, {format.Quarantined, &x.Quarantined}, {format.Truncated, &x.Truncated}, {format.Conflict, &x.Conflicts}, {format.Redacted, &x.Redacted}} {
		if m&k.mark != 0 {
			*k.n++
		}
	}
}

var indexCoder = sync.OnceValues(func() (*zstd.Encoder, error) { return zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1)) })

// encode is the whole file: magic, length of the description, the description, words, ids.
func (x *index) encode(words, ids []byte) ([]byte, error) {
	x.Words, x.IDs = int64(len(words)), int64(len(ids))
	text, err := json.Marshal(x)
	if err != nil {
		return nil, err
	}
	enc, err := indexCoder()
	if err != nil {
		return nil, err
	}
	packed := enc.EncodeAll(text, nil)
	b := append([]byte(indexMagic), 0, 0, 0, 0)
	binary.LittleEndian.PutUint32(b[len(indexMagic):], uint32(len(packed)))
	b = append(b, packed...)
	b = append(b, words...)
	return append(b, ids...), nil
}

// readIndex reads the description, and tells where the words begin.
func readIndex(r io.ReaderAt, size int64) (x *index, words int64, err error) {
	var head [len(indexMagic) + 4]byte
	if _, err := r.ReadAt(head[:], 0); err != nil {
		return nil, 0, fmt.Errorf("%w: %w", errIndex, err)
	}
	if string(head[:len(indexMagic)]) != indexMagic {
		return nil, 0, fmt.Errorf("%w: it begins with %q", errIndex, head[:len(indexMagic)])
	}
	n := int64(binary.LittleEndian.Uint32(head[len(indexMagic):]))
	if n > size-int64(len(head)) {
		return nil, 0, fmt.Errorf("%w: it ends early", errIndex)
	}
	packed := make([]byte, n)
	if _, err := r.ReadAt(packed, int64(len(head))); err != nil {
		return nil, 0, fmt.Errorf("%w: %w", errIndex, err)
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(256<<20))
	if err != nil {
		return nil, 0, err
	}
	defer dec.Close()
	text, err := dec.DecodeAll(packed, nil)
	if err != nil {
		return nil, 0, fmt.Errorf("%w: %w", errIndex, err)
	}
	x = &index{}
	if err := json.Unmarshal(text, x); err != nil {
		return nil, 0, fmt.Errorf("%w: %w", errIndex, err)
	}
	if x.Version != indexVersion || x.Writer != writerVersion {
		return nil, 0, fmt.Errorf("%w: version %d, writer %d; this program knows version %d, writer %d: use a newer annals", errIndex, x.Version, x.Writer, indexVersion, writerVersion)
	}
	words = int64(len(head)) + n
	return x, words, x.check(size - words)
}

// check holds what the description says of itself together, so that nothing after it can run out of bounds.
func (x *index) check(sections int64) error {
	rows := 0
	for _, g := range x.Groups {
		if g.Rows <= 0 || g.Rows > maxGroupRows || len(g.Pages) != columnCount {
			return fmt.Errorf("%w: a row group of %d rows and %d columns", errIndex, g.Rows, len(g.Pages))
		}
		for _, pages := range g.Pages {
			n := 0
			for _, p := range pages {
				if !p.Dictionary {
					n += int(p.Rows)
				}
			}
			if n != g.Rows {
				return fmt.Errorf("%w: pages of %d rows in a group of %d", errIndex, n, g.Rows)
			}
		}
		rows += g.Rows
	}
	blocks := 0
	for _, n := range x.Blocks {
		if n <= 0 || n > rows-blocks {
			return fmt.Errorf("%w: a block of %d rows", errIndex, n)
		}
		blocks += n
	}
	if rows == 0 || blocks != rows || uint64(rows) != x.Last-x.First+1 {
		return fmt.Errorf("%w: %d rows in groups, %d in blocks, positions %d to %d", errIndex, rows, blocks, x.First, x.Last)
	}
	if x.Words < 4 || x.IDs < bloomBlock || x.IDs%bloomBlock != 0 || x.Words+x.IDs != sections {
		return fmt.Errorf("%w: sections of %d and %d bytes in %d", errIndex, x.Words, x.IDs, sections)
	}
	return nil
}
