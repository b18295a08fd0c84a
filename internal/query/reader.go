package query

import (
	"annals.dev/internal/match"
)

// Sight is what a reader may see of the events. It is enforced within the question: what lies outside Scope is neither counted
// nor looked at, and decides nothing about what is read.
type Sight struct {
	Scope  *match.Predicate // nil: every event. Its Columns leave no rest.
	Bodies bool             // requestObject and responseObject, too
}

// All is the sight of whoever may see everything.
var All = Sight{Bodies: true}

// Reader is an Engine in the hands of somebody: all questions go through one. Many goroutines may ask.
type Reader struct {
	engine *Engine
	sight  Sight
}

// As gives the questions to somebody who sees no more than sight.
func (e *Engine) As(sight Sight) *Reader { return &Reader{e, sight} }
