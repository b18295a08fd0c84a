package server

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"annals.dev/capture"
)

// account is a ResponseWriter that looks at what is given out.
type account struct {
	http.ResponseWriter
	status int
	bodies bool // whoever asks has a right to bodies, and none was seen yet
	given  bool // bodies were

	rest []byte        // of an answer that is written in pieces: the line that has no end yet
	told []byte        // the last whole line that is no item
	last [maxMark]byte // the last bytes that were written
	long bool          // the end is there, and longer than what is looked at
}

func (a *account) Unwrap() http.ResponseWriter { return a.ResponseWriter }

func (a *account) WriteHeader(status int) {
	if status >= 200 {
		a.status = status
	}
	a.ResponseWriter.WriteHeader(status)
}

func (a *account) Write(b []byte) (int, error) {
	n, err := a.ResponseWriter.Write(b)
	a.look(b[:n])
	return n, err
}

// bodyMarks are how bodies look in an answer. Within a JSON string their quotes would be escaped.
var bodyMarks = [][]byte{[]byte(`"requestObject":`), []byte(`"responseObject":`), []byte(`"raw":`)}

const (
	maxMark = 17      // of the longest, less one
	maxLine = 1 << 20 // bytes of a line that are kept
)

func (a *account) look(b []byte) {
	if a.bodies && !a.given {
		a.lookForBodies(b)
	}
	if len(a.rest) > 0 {
		a.rest = append(a.rest, b...)
		b = a.rest
	}
	end := bytes.LastIndexByte(b, '\n')
	if end >= 0 {
		lines := b[:end]
		line := lines[bytes.LastIndexByte(lines, '\n')+1:]
		if i := bytes.LastIndex(line, pieceEnd); i >= 0 && bytes.HasPrefix(line, pieceStart) {
			line = append([]byte("{"), line[i+len("],"):]...)
		}
		if !bytes.HasPrefix(line, itemStart) && len(line) <= maxLine {
			a.told = bytes.Clone(line)
		}
		a.long = a.long || len(line) > maxLine && bytes.HasPrefix(line, endStart)
	}
	a.rest = append(a.rest[:0], b[end+1:]...)
	if len(a.rest) > maxLine {
		a.rest = a.rest[:0]
	}
}

func (a *account) lookForBodies(b []byte) {
	n := min(len(b), maxMark)
	seam := append(a.last[:maxMark:maxMark], b[:n]...)
	for _, m := range bodyMarks {
		a.given = a.given || bytes.Contains(b, m) || bytes.Contains(seam, m)
	}
	if len(b) >= maxMark {
		seam = b
	}
	copy(a.last[:], seam[len(seam)-maxMark:])
}

// Of items nothing is kept. An answer in one piece has its end behind them.
var (
	itemStart  = []byte(`{"item":`)
	endStart   = []byte(`{"end":`)
	pieceStart = []byte(`{"items":`)
	pieceEnd   = []byte(`],"end":`)
)

// ending is the last line of an answer.
type ending struct {
	Error *Error `json:"error"`
	End   *struct {
		Returned *int  `json:"returned"`
		Complete *bool `json:"complete"`
		Coverage *struct {
			Returned int  `json:"returned"`
			Complete bool `json:"complete"`
		} `json:"coverage"`
	} `json:"end"`
}

// tell annotates the event.
func (a *account) tell(ctx context.Context, by *asker, r *http.Request) {
	note := func(key, value string) { capture.Annotate(ctx, key, value) }
	var e ending
	file := a.Header().Get("Trailer") != ""
	lines := !file && strings.HasPrefix(a.Header().Get("Content-Type"), "application/")
	known := lines && json.Unmarshal(a.told, &e) == nil // what has no such end says nothing
	why := http.StatusText(a.status)
	if known && e.Error != nil {
		why = fmt.Sprintf("%.500s", e.Error.Message)
	}
	switch {
	case a.status == http.StatusUnauthorized, a.status == http.StatusForbidden:
		note(decisionKey, "forbid")
		note(reasonKey, why)
		return
	case by != nil:
		note(decisionKey, "allow")
		note(reasonKey, reasonOf(by))
	}
	failed := a.status >= 400 || known && e.Error != nil
	if failed {
		note(noteFailed, why)
	}
	switch n := a.Header().Get(trailerCount); {
	case n != "":
		note(noteReturned, n)
		note(noteComplete, a.Header().Get(trailerComplete))
	case known && e.End != nil:
		if c := e.End.Coverage; c != nil {
			e.End.Returned, e.End.Complete = &c.Returned, &c.Complete
		}
		if n := e.End.Returned; n != nil {
			note(noteReturned, strconv.Itoa(*n))
		}
		if whole := e.End.Complete; whole != nil {
			note(noteComplete, strconv.FormatBool(*whole))
		}
	case a.long:
	case lines || file:
		note(noteComplete, "false") // it was cut off, or failed
	}
	if a.given || a.bodies && !failed && givesBodies(r.URL.Path) {
		note(noteBodies, "true")
	}
}

// givesBodies holds for answers that are made of bodies, or hold them in other forms than an event's own.
func givesBodies(path string) bool {
	name := strings.TrimPrefix(path, api)
	first, _, _ := strings.Cut(name, "/")
	return first == "sql" || first == "export" || first == "proof" || first == "objects"
}
