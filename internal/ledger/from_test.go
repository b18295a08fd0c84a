package ledger

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"testing"
	"time"
)

// TestFrom reads a ledger on from each of some positions, as it grows, is sealed and merged: all of what is behind the position
// comes, and nothing else, whatever the origin asked for.
func TestFrom(t *testing.T) {
	all := lines(t)[:900]
	l, _ := newLedger(t, Options{SealAfter: time.Hour, SealEvents: 1 << 20})
	origins := []string{"import/a", "import/b"}
	check := func(when string) {
		t.Helper()
		s := l.Snapshot("prod")
		defer s.Release()
		v := s.Clusters[0]
		for _, from := range []uint64{0, 1, 299, 300, 301, v.Size - 1, v.Size, v.Size + 5} {
			for o, origin := range append(origins, "") {
				var got []uint64
				take := func(_ int, e *Stored) error {
					if !bytes.Equal(e.Bytes, all[e.Position]) {
						return fmt.Errorf("position %d is another event", e.Position)
					}
					got = append(got, e.Position)
					return nil
				}
				for _, seg := range v.Segments {
					rows, err := seg.From(from, origin)
					if err == nil {
						err = seg.Read(context.Background(), rows, take)
					}
					if err != nil {
						t.Fatal(err)
					}
				}
				for _, h := range v.Hot {
					if err := h.Read(context.Background(), h.From(from, origin), take); err != nil {
						t.Fatal(err)
					}
				}
				slices.Sort(got)
				var want []uint64
				for p := from; p < v.Size; p++ {
					if origin == "" || int(p/50)%2 == o {
						want = append(want, p)
					}
				}
				if !slices.Equal(got, want) {
					t.Errorf("%s, from %d of %q: %d events, want %d", when, from, origin, len(got), len(want))
				}
			}
		}
	}
	changed := l.Changed()
	for i := 0; i < len(all); i += 50 {
		if _, err := l.Append(context.Background(), batch(t, origins[i/50%2], all[i:i+50])); err != nil {
			t.Fatal(err)
		}
		switch i {
		case 250, 550:
			check("in memory")
			if err := l.Seal(t.Context()); err != nil {
				t.Fatal(err)
			}
			check("sealed")
		}
	}
	check("at the end")
	<-changed
	select {
	case <-l.Changed():
		t.Error("nothing has changed")
	default:
	}
}
