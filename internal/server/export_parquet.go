package server

import (
	"bytes"
	"encoding/json"
	"io"
	"math"
	"strings"

	"annals.dev/internal/parquet"
	"annals.dev/internal/query"
)

// Of a Parquet file a row group is held in memory until it is written.
const (
	groupRows  = 20_000
	groupBytes = 16 << 20
)

// parquetColumns are the columns of a Parquet file: those of a CSV file, but with numbers and times as such, and behind them what
// the event holds, as JSON text. What is absent is null.
var parquetColumns = func() (all []parquet.Column) {
	for _, c := range csvColumns {
		col := parquet.Column{Name: c.name, Type: parquet.String, Optional: true}
		switch c.name {
		case "time", "received":
			col.Type = parquet.Timestamp
		case "position", "code":
			col.Type = parquet.Int64
		case "latencySeconds":
			col = parquet.Column{Name: "latencyMicroseconds", Type: parquet.Int64, Optional: true}
		}
		all = append(all, col)
	}
	for _, name := range []string{"groups", "annotations", "responseStatus", "requestObject", "responseObject"} {
		all = append(all, parquet.Column{Name: name, Type: parquet.String, Optional: true})
	}
	return all
}()

// parquetFile writes events into a Parquet file, group by group.
type parquetFile struct {
	to     *watched
	w      *parquet.Writer
	ints   map[string][]int64
	texts  []dictionary // of each column of strings, but the last two
	bodies [2]struct {
		b   []byte
		end []int
		has []bool
	}
	rows, size int
}

// watched remembers that nobody reads any more.
type watched struct {
	io.Writer
	err error
}

func (w *watched) Write(b []byte) (int, error) {
	n, err := w.Writer.Write(b)
	if err != nil {
		w.err = err
	}
	return n, err
}

// dictionary is a column of strings whose values recur.
type dictionary struct {
	codes  []uint32 // 0: null
	values [][]byte
	code   map[string]uint32
}

func (d *dictionary) add(s string) (size int) {
	if s == "" {
		d.codes = append(d.codes, 0)
		return 0
	}
	k, ok := d.code[s]
	if !ok {
		// A string that is no text would make the file unreadable.
		v := []byte(strings.ToValidUTF8(s, "\uFFFD"))
		d.values = append(d.values, v)
		k, size = uint32(len(d.values)), len(v)
		if d.code == nil {
			d.code = make(map[string]uint32)
		}
		d.code[s] = k
	}
	d.codes = append(d.codes, k)
	return size
}

func newParquetFile(w io.Writer) (rowFile, error) {
	f := &parquetFile{to: &watched{Writer: w}, ints: make(map[string][]int64), texts: make([]dictionary, len(parquetColumns)-2)}
	var err error
	if f.w, err = parquet.NewWriter(f.to, parquetColumns); err != nil {
		return nil, err
	}
	return f, f.to.err
}

func (f *parquetFile) row(e query.Event) error {
	of := struct {
		User struct {
			Groups json.RawMessage `json:"groups"`
		} `json:"user"`
		Annotations    json.RawMessage `json:"annotations"`
		ResponseStatus json.RawMessage `json:"responseStatus"`
		RequestObject  json.RawMessage `json:"requestObject"`
		ResponseObject json.RawMessage `json:"responseObject"`
	}{}
	if len(e.Event) > 0 {
		// Of an event that has other things in their places, what could be read counts.
		_ = json.Unmarshal(e.Event, &of)
	}
	code, latency := int64(parquet.Null), int64(parquet.Null)
	if e.Code != 0 {
		code = e.Code
	}
	if e.Latency != nil {
		latency = int64(math.Round(*e.Latency * 1e6))
	}
	for name, v := range map[string]int64{
		"time": e.Time.UnixMicro(), "received": e.Received.UnixMicro(), "position": int64(e.Position), "code": code, "latencyMicroseconds": latency,
	} {
		f.ints[name] = append(f.ints[name], v)
	}
	for i, c := range csvColumns {
		if parquetColumns[i].Type == parquet.String {
			f.size += f.texts[i].add(c.of(&e))
		}
	}
	for i, text := range []json.RawMessage{of.User.Groups, of.Annotations, of.ResponseStatus} {
		f.size += f.texts[len(csvColumns)+i].add(string(text))
	}
	for i, text := range []json.RawMessage{of.RequestObject, of.ResponseObject} {
		b := &f.bodies[i]
		b.b = append(b.b, bytes.ToValidUTF8(text, []byte("\uFFFD"))...)
		b.end, b.has = append(b.end, len(b.b)), append(b.has, len(text) > 0)
		f.size += len(text)
	}
	if f.rows++; f.rows == groupRows || f.size >= groupBytes {
		f.flush()
	}
	return f.to.err
}

// flush writes a row group.
func (f *parquetFile) flush() {
	if f.rows == 0 {
		return
	}
	f.w.Begin(f.rows)
	for i, c := range parquetColumns {
		switch {
		case c.Type != parquet.String:
			f.w.Ints(f.ints[c.Name])
			f.ints[c.Name] = f.ints[c.Name][:0]
		case i < len(f.texts):
			f.w.Strings(f.texts[i].values, f.texts[i].codes)
			f.texts[i] = dictionary{codes: f.texts[i].codes[:0]}
		default:
			b := &f.bodies[i-len(f.texts)]
			f.w.Bytes([]int{f.rows}, b.b, b.end, b.has)
			b.b, b.end, b.has = b.b[:0], b.end[:0], b.has[:0]
		}
	}
	f.rows, f.size = 0, 0
}

func (f *parquetFile) close() error {
	f.flush()
	_, err := f.w.Close()
	return err
}
