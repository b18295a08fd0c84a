package server

import "annals.dev/internal/query"

// What answers are made of is the query package's.
type (
	Row      = query.Event
	Detail   = query.Detail
	Coverage = query.Coverage
)

const (
	Summary  = query.Summary
	Whole    = query.Whole
	Evidence = query.Evidence
)
