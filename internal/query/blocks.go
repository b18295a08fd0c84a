package query

import (
	"slices"
	"sort"

	"annals.dev/internal/ledger"
	"annals.dev/internal/match"
)

// blocks are the rows of a segment's blocks that may hold a match, as runs [from, to), ascending. A nil *blocks is all rows.
type blocks struct {
	runs [][2]int
	rows int
}

// blocksOf asks a segment's word index which blocks have what is needed.
func blocksOf(s *ledger.Segment, need *match.Need) (*blocks, error) {
	set, err := blockSet(s, need)
	if err != nil || set == nil {
		return nil, err
	}
	b := new(blocks)
	for i, in := range set {
		if !in {
			continue
		}
		from, to := s.BlockRows(i)
		b.rows += to - from
		if n := len(b.runs); n > 0 && b.runs[n-1][1] == from {
			b.runs[n-1][1] = to
		} else {
			b.runs = append(b.runs, [2]int{from, to})
		}
	}
	return b, nil
}

// blockSet says of each block whether it may have what is needed; nil: all may.
func blockSet(s *ledger.Segment, need *match.Need) ([]bool, error) {
	switch {
	case need == nil:
		return nil, nil
	case need.All != nil:
		var set []bool
		for _, n := range need.All {
			x, err := blockSet(s, n)
			if err != nil {
				return nil, err
			}
			switch {
			case set == nil:
				set = x
			case x != nil:
				for i := range set {
					set[i] = set[i] && x[i]
				}
			}
			if set != nil && !slices.Contains(set, true) {
				return set, nil
			}
		}
		return set, nil
	case need.Any != nil:
		set := make([]bool, s.Blocks())
		for _, n := range need.Any {
			x, err := blockSet(s, n)
			if err != nil || x == nil {
				return nil, err
			}
			for i := range set {
				set[i] = set[i] || x[i]
			}
		}
		return set, nil
	}
	list, err := s.WordBlocks(need.Word)
	if err != nil {
		return nil, err
	}
	set := make([]bool, s.Blocks())
	for _, i := range list {
		set[i] = true
	}
	return set, nil
}

// none says that no row may match.
func (b *blocks) none() bool { return b != nil && b.rows == 0 }

// has says whether a row may match.
func (b *blocks) has(row int) bool {
	if b == nil {
		return true
	}
	i := sort.Search(len(b.runs), func(i int) bool { return b.runs[i][1] > row })
	return i < len(b.runs) && b.runs[i][0] <= row
}

// all lists the rows.
func (b *blocks) all() []int {
	rows := make([]int, 0, b.rows)
	for _, r := range b.runs {
		for i := r[0]; i < r[1]; i++ {
			rows = append(rows, i)
		}
	}
	return rows
}
