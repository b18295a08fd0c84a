package ledger

import (
	"context"

	"annals.dev/internal/format"
)

// ReadIf is Read without the events that keep turns down by their bytes, which are not looked into any further. Of other
// dialects than V1, whose bytes are not what their view says, all are read.
func (s *Segment) ReadIf(ctx context.Context, rows []int, keep func(raw []byte) bool, f func(row int, e *Stored) error) error {
	return s.read(ctx, rows, func(t *table, i, row int, raw []byte, scratch *reading) error {
		if format.Dialect(t.ints[cDialect][i]) == format.V1 && !keep(raw) {
			return nil
		}
		if err := scratch.stored(s.cluster, t, i, raw); err != nil {
			return s.damaged(err)
		}
		return f(row, &scratch.event)
	})
}

// ReadIf does for unsealed rows what Segment.ReadIf does.
func (h *Hot) ReadIf(ctx context.Context, rows []int, keep func(raw []byte) bool, f func(row int, e *Stored) error) error {
	var buf []byte
	var kept []int
	for _, row := range rows {
		if err := ctx.Err(); err != nil {
			return err
		}
		if format.Dialect(h.Cols[cDialect].I64[row]) == format.V1 {
			raw, err := h.snapshot.files.read(h.Refs[row], 0, h.Refs[row].Len, buf)
			if err != nil {
				return err
			}
			if buf = raw; !keep(raw) {
				continue
			}
		}
		kept = append(kept, row)
	}
	return h.Read(ctx, kept, f)
}
