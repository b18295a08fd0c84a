package ledger

import (
	"slices"

	"annals.dev/internal/parquet"
)

// Changed gives a channel that is closed once something more is kept.
func (l *Ledger) Changed() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.changed == nil {
		l.changed = make(chan struct{})
	}
	return l.changed
}

// tell wakes those who wait for a change. The ledger's mutex is held.
func (l *Ledger) tell() {
	if l.changed != nil {
		close(l.changed)
		l.changed = nil
	}
}

// From gives the rows, ascending, whose position is at least that, and whose origin is the one given; "" is any.
func (h *Hot) From(position uint64, origin string) (rows []int) {
	row := 0
	if position > h.First {
		row = int(min(position-h.First, uint64(h.N)))
	}
	code := uint32(0)
	if origin != "" {
		i := slices.IndexFunc(h.Cols[cOrigin].Dict, func(s []byte) bool { return string(s) == origin })
		if i < 0 {
			return nil
		}
		code = uint32(i) + 1
	}
	for ; row < h.N; row++ {
		if code == 0 || h.Cols[cOrigin].Codes[row] == code {
			rows = append(rows, row)
		}
	}
	return rows
}

// From gives the rows, ascending, whose position is at least that, and whose origin is the one given; "" is any. It reads those
// columns alone.
func (s *Segment) From(position uint64, origin string) (rows []int, err error) {
	if position <= s.First && origin == "" {
		return allRows(s.Rows()), nil
	}
	f, err := s.fs.Open(s.name + columnsFile)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var m parquet.Memory
	for g, from := range s.groups() {
		m.Reset()
		positions, err := s.ints(&m, f, g, cPosition)
		if err != nil {
			return nil, s.damaged(err)
		}
		var dict [][]byte
		var codes []uint32
		if origin != "" {
			if dict, codes, err = m.Strings(f, s.index.Groups[g].Pages[cOrigin]); err != nil {
				return nil, s.damaged(err)
			}
		}
		for i, p := range positions {
			if uint64(p) >= position && (origin == "" || codes[i] > 0 && string(dict[codes[i]-1]) == origin) {
				rows = append(rows, from+i)
			}
		}
	}
	return rows, nil
}

// HotIDs hands the audit IDs of the unsealed rows from a position on to f, of those that are UUIDs.
func (v *ClusterView) HotIDs(from uint64, f func(hi, lo uint64)) {
	for _, h := range v.Hot {
		for _, row := range h.From(from, "") {
			f(h.Cols[cAuditID].Hi[row], h.Cols[cAuditID].Lo[row])
		}
	}
}

// readAhead is a run of the log that holds several events: to read one at a time costs as much as to look into it.
type readAhead struct {
	file uint32
	off  int64
	buf  []byte
}

// A run has so many bytes at most, unless one event has more, and so many between two events.
const maxRun, maxGap = 256 << 10, 4 << 10

// event is the bytes of the first of rows, which others follow.
func (a *readAhead) event(h *Hot, rows []int) ([]byte, error) {
	ref := h.Refs[rows[0]]
	if from := ref.Off - a.off; a.buf == nil || ref.File != a.file || from < 0 || from+int64(ref.Len) > int64(len(a.buf)) {
		end := ref.Off + int64(ref.Len)
		for _, row := range rows[1:] {
			if row < 0 || row >= h.N {
				break
			}
			r := h.Refs[row]
			to := r.Off + int64(r.Len)
			if r.File != ref.File || r.Off < end || r.Off-end > maxGap || to-ref.Off > maxRun {
				break
			}
			end = to
		}
		buf, err := h.snapshot.files.read(ref, 0, uint32(end-ref.Off), a.buf)
		if err != nil {
			return nil, err
		}
		a.file, a.off, a.buf = ref.File, ref.Off, buf
	}
	from := ref.Off - a.off
	return a.buf[from : from+int64(ref.Len) : from+int64(ref.Len)], nil
}
