package match

import (
	"bytes"
	"fmt"
	"sync"
	"sync/atomic"
)

// Function is a scalar function that a query engine gives to DuckDB, for what SQL() calls. All its parameters are VARCHAR and
// may be NULL, so it wants DuckDB's special handling of NULL; its result is a BOOLEAN and never NULL. It depends on nothing but
// its arguments, and may be called from many goroutines.
type Function struct {
	Name   string
	Params int
	Call   func(args []any) (bool, error) // each a string, a []byte or nil
}

const (
	testFunction  = "annals_test"
	wordsFunction = "annals_words"
)

// Functions are all that SQL() calls. annals_test(query, column) does one test of a JSON column; annals_words(query, columns…)
// looks for a word or a phrase in the columns that hold the searchable text.
var Functions = []Function{
	{testFunction, 2, callTest},
	{wordsFunction, 1 + len(textColumns), callWords},
}

func callTest(args []any) (bool, error) {
	n, err := parsed(args[0])
	if err != nil {
		return false, err
	}
	column := argument(args[1])
	if d, ok := n.(*derivedTest); ok {
		return d.in(column), nil
	}
	t, ok := n.(*jsonTest)
	if !ok {
		return false, fmt.Errorf("%s: %q is not a test of a JSON column", testFunction, argument(args[0]))
	}
	if t.field.column == bodies {
		request, response, _ := bytes.Cut(column, []byte{bodySeparator})
		if column = request; t.field.name == "responseObject" {
			column = response
		}
	}
	var scratch []byte
	return t.in(column, &scratch), nil
}

const bodySeparator = 0x1e

func callWords(args []any) (bool, error) {
	n, err := parsed(args[0])
	if err != nil {
		return false, err
	}
	p, ok := n.(*phrase)
	if !ok {
		return false, fmt.Errorf("%s: %q is not a word or a phrase", wordsFunction, argument(args[0]))
	}
	for i, c := range textColumns {
		if c.unless != 0 && len(argument(args[1+c.unless])) > 0 {
			continue
		}
		text, more := argument(args[1+i]), []byte(nil)
		if c.name == bodies {
			text, more, _ = bytes.Cut(text, []byte{bodySeparator})
		}
		if p.in(text, c.json) || p.in(more, c.json) {
			return true, nil
		}
	}
	return false, nil
}

func argument(a any) []byte {
	switch a := a.(type) {
	case string:
		return []byte(a)
	case []byte:
		return a
	}
	return nil
}

// tests holds what parsed has parsed: a statement asks for the same few again with every row.
var (
	tests sync.Map
	held  atomic.Int64
)

func parsed(query any) (node, error) {
	text := argument(query)
	if n, ok := tests.Load(string(text)); ok {
		return n.(node), nil
	}
	p, err := Parse(string(text))
	if err != nil {
		return nil, err
	}
	if held.Add(1) > 1000 {
		tests.Clear()
		held.Store(0)
	}
	tests.Store(string(text), p.root)
	return p.root, nil
}
