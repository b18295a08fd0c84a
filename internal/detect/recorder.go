package detect

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"

	"annals.dev/internal/format"
	"annals.dev/internal/ledger"
)

// recorder is the Output that appends to cluster annals, each finding once. The watcher's goroutine owns it.
type recorder struct {
	ledger *ledger.Ledger
	log    *slog.Logger
	queue  []output
	told   func(Recorded)

	// IDs are the audit IDs of cluster annals from a position on; older ones are looked up in segments.
	ids   map[ID]struct{}
	first uint64 // of the positions that ids is about
	next  uint64
	count uint64 // recorded since the start
}

// output is one of the two.
type output struct {
	find     *Finding
	withdraw *Withdrawal
}

const (
	maxIDs      = 1 << 20 // held in memory before the sealed ones are forgotten
	maxQueue    = 50_000  // before what is found is recorded in the middle of a segment
	recordBatch = 1000
	recordBytes = 16 << 20
	maxRecord   = 1 << 20 // bytes of one
)

func newRecorder(l *ledger.Ledger, log *slog.Logger, told func(Recorded)) *recorder {
	return &recorder{ledger: l, log: log, told: told, ids: make(map[ID]struct{}), first: ^uint64(0)}
}

func (r *recorder) Find(f *Finding)        { r.queue = append(r.queue, output{find: f}) }
func (r *recorder) Withdraw(w *Withdrawal) { r.queue = append(r.queue, output{withdraw: w}) }

// known says whether an event with this audit ID is in cluster annals.
func (r *recorder) known(v *ledger.ClusterView, id ID) (bool, error) {
	if _, ok := r.ids[id]; ok {
		return true, nil
	}
	if v == nil {
		return false, nil
	}
	text := id.UUID()
	for _, s := range v.Segments {
		if s.First >= r.first {
			break
		}
		may, err := s.MayHaveID(text)
		if err != nil {
			return false, err
		}
		if !may {
			continue
		}
		rows, err := s.FindID(context.Background(), text)
		if err != nil || len(rows) > 0 {
			return len(rows) > 0, err
		}
	}
	return false, nil
}

// learn brings ids up to the snapshot.
func (r *recorder) learn(v *ledger.ClusterView) error {
	hot := v.Size
	if len(v.Hot) > 0 {
		hot = v.Hot[0].First
	}
	if r.next < hot || len(r.ids) > maxIDs { // sealed before they were looked at: forget, they are found in the segments
		clear(r.ids)
		r.first, r.next = hot, hot
	}
	v.HotIDs(r.next, func(hi, lo uint64) { r.ids[idOf(hi, lo)] = struct{}{} })
	r.next = v.Size
	return nil
}

func idOf(hi, lo uint64) (id ID) {
	for i := range 8 {
		id[i], id[8+i] = byte(hi>>(56-8*i)), byte(lo>>(56-8*i))
	}
	return id
}

// flush records what was found, in the order of the events that it was found at where sorted, and forgets it.
func (r *recorder) flush(ctx context.Context, sorted bool) error {
	if len(r.queue) == 0 {
		return nil
	}
	if sorted {
		slices.SortStableFunc(r.queue, func(a, b output) int { return cmp.Compare(a.position(), b.position()) })
	}
	s := r.ledger.Snapshot(ledger.Own)
	defer s.Release()
	var v *ledger.ClusterView
	if len(s.Clusters) > 0 {
		v = s.Clusters[0]
		if err := r.learn(v); err != nil {
			return err
		}
	}
	var batch ledger.Batch
	var recs []Recorded
	var keys []ID
	size := 0
	send := func() error {
		if len(batch.Events) == 0 {
			return nil
		}
		batch.Cluster, batch.Origin = ledger.Own, Origin
		if _, err := r.ledger.Append(ctx, batch); err != nil {
			for _, id := range keys {
				delete(r.ids, id)
			}
			return fmt.Errorf("what was found is not recorded yet: %w", err)
		}
		r.count += uint64(len(recs))
		if r.told != nil {
			for _, rec := range recs {
				r.told(rec)
			}
		}
		batch.Events, recs, keys = batch.Events[:0], recs[:0], keys[:0]
		size = 0
		return nil
	}
	for _, o := range r.queue {
		raw, id, err := r.event(v, o)
		if err != nil {
			return err
		}
		if raw == nil {
			continue
		}
		e := format.Event{Bytes: raw}
		if err := e.View.Parse(raw); err != nil || len(raw) > maxRecord {
			// What one rule makes of an event must not keep all others from being recorded.
			r.log.Error("a finding cannot be recorded", "rule", o.rule(), "bytes", len(raw), "err", err)
			continue
		}
		r.ids[id] = struct{}{}
		keys = append(keys, id)
		batch.Events = append(batch.Events, e)
		recs = append(recs, Recorded{Finding: o.find, Withdrawal: o.withdraw})
		if size += len(raw); len(batch.Events) == recordBatch || size > recordBytes {
			if err := send(); err != nil {
				return err
			}
		}
	}
	err := send()
	if err == nil {
		clear(r.queue)
		r.queue = r.queue[:0]
	}
	return err
}

func (o output) rule() string {
	if o.find != nil {
		return o.find.Rule
	}
	return o.withdraw.Rule
}

func (o output) position() uint64 {
	if o.find != nil && len(o.find.Positions) == 1 {
		return o.find.Positions[0]
	}
	return ^uint64(0)
}

// event is what records o: nil if it is recorded as it is already.
func (r *recorder) event(v *ledger.ClusterView, o output) (raw []byte, key ID, err error) {
	text := ""
	if o.find != nil {
		text = o.find.ID
	} else {
		text = o.withdraw.ID
	}
	id, ok := ParseID(text)
	if !ok {
		r.log.Error("a finding's id is 32 hexadecimal digits", "rule", o.rule(), "id", text)
		return nil, id, nil
	}
	for n := 0; ; n++ {
		key = auditID(id, "again", n)
		found, err := r.known(v, key)
		if err != nil {
			return nil, key, err
		}
		if !found {
			if o.find == nil {
				return nil, key, nil // it does not stand
			}
			if raw, err = o.find.Event(n); err != nil {
				r.log.Error("a finding cannot be recorded", "rule", o.rule(), "err", err)
			}
			return raw, key, nil
		}
		key = auditID(id, "withdrawn", n)
		withdrawn, err := r.known(v, key)
		if err != nil {
			return nil, key, err
		}
		if !withdrawn {
			if o.find != nil {
				return nil, key, nil // it stands
			}
			raw, err = o.withdraw.Event(n)
			return raw, key, err
		}
	}
}
