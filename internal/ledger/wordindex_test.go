package ledger

import (
	"slices"
	"testing"

	"annals.dev/internal/match"
)

// TestEveryWordIsFound holds the word index against the words of every event: a block that is not named for a word that stands in
// it would hide events.
func TestEveryWordIsFound(t *testing.T) {
	l, _ := newLedger(t, Options{})
	appendAll(t, l, lines(t))
	if err := l.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	s := l.Snapshot("prod")
	defer s.Release()
	for _, seg := range s.Clusters[0].Segments {
		found := make(map[uint32][]uint32)
		block, words := 0, 0
		err := seg.Read(t.Context(), allRows(seg.Rows()), func(row int, e *Stored) error {
			for row >= seg.blockEnd[block] {
				block++
			}
			match.EventText(&e.View, func(span []byte) {
				match.Words(span, func(h uint32) {
					blocks, ok := found[h]
					if !ok {
						var err error
						if blocks, err = seg.WordBlocks(h); err != nil {
							t.Fatal(err)
						}
						found[h] = blocks
					}
					if !slices.Contains(blocks, uint32(block)) {
						t.Fatalf("row %d: a word of %.200s is not in block %d of the index", row, span, block)
					}
					words++
				})
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if block+1 != seg.Blocks() || words == 0 {
			t.Errorf("%d of %d blocks, %d words", block+1, seg.Blocks(), words)
		}
	}
}
