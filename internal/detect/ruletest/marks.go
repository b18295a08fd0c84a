package ruletest

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"annals.dev/internal/format"
)

// marks are what a ledger notes of an event; a case says with marks: which of them its event has.
var marks = map[string]format.Marks{
	"salvaged": format.Salvaged, "quarantined": format.Quarantined, "truncated": format.Truncated, "conflict": format.Conflict,
	"redacted": format.Redacted, "duplicate-member": format.DuplicateMember,
}

func marksOf(v any) (all format.Marks, err error) {
	if v == nil {
		return 0, nil
	}
	names, err := texts("marks", v)
	if err != nil {
		return 0, err
	}
	for _, name := range names {
		bit, ok := marks[name]
		if !ok {
			return 0, fmt.Errorf("no event has the mark %q; there are %s", name, strings.Join(slices.Sorted(maps.Keys(marks)), ", "))
		}
		all |= bit
	}
	return all, nil
}
