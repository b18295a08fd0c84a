package query

import "time"

// What follows are answers as people are given them.

// Hits is a histogram of a whole range, counted exactly: every event of the range is in one bucket of one series.
type Hits struct {
	From    time.Time   `json:"from"` // of the first bucket
	To      time.Time   `json:"to"`   // end of the last
	Step    float64     `json:"step"` // seconds
	Total   int         `json:"total"`
	By      string      `json:"by,omitempty"` // the field that the series are values of
	Series  []HitSeries `json:"series"`       // the most frequent first; the last may be the others together
	Cover   *Coverage   `json:"coverage"`
	Nearest *Nearest    `json:"nearest,omitempty"` // if Total is 0
}

// HitSeries is the counts of one value.
type HitSeries struct {
	Value  string `json:"value"` // "" where the field is absent
	Others bool   `json:"others,omitempty"`
	Total  int    `json:"total"`
	Counts []int  `json:"counts"` // one for each bucket from From to To
}

// Nearest is where the closest matches outside an empty range lie.
type Nearest struct {
	Before time.Time `json:"before,omitzero"`
	After  time.Time `json:"after,omitzero"`
}

// Facet is the values of a field and how many events of a range have them, counted exactly.
type Facet struct {
	Field    string  `json:"field"`
	Values   []Value `json:"values"`
	Distinct int     `json:"distinct"`          // values in all, absence not counted
	AtLeast  bool    `json:"atLeast,omitempty"` // there are more values than could be held: Distinct and Values are of the first that were met, whose counts are exact
	Absent   int     `json:"absent"`            // events without the field
}

// Group is how many events have these values of several fields.
type Group struct {
	Values []string `json:"values"` // "" where a field is absent
	Count  int      `json:"count"`
}

// Neighbours are the events around one: of the same actor, of the same object, or of the same time.
type Neighbours struct {
	By     string    `json:"by"`
	Search string    `json:"search"` // what finds them all
	Before []Event   `json:"before"` // the nearest last
	After  []Event   `json:"after"`  // the nearest first
	Cover  *Coverage `json:"coverage"`
}

// Seven are the seven questions that every event answers.
type Seven struct {
	What     string `json:"what"`     // what happened
	When     string `json:"when"`     // and when
	Who      string `json:"who"`      // who initiated it
	OnWhat   string `json:"onWhat"`   // on what it happened
	Observed string `json:"observed"` // where it was observed
	From     string `json:"from"`     // from where it was initiated
	To       string `json:"to"`       // to where it was going
}
