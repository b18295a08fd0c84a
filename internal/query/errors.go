package query

import (
	"errors"
	"fmt"
	"strings"
)

// ErrClosed says that the engine was closed.
var ErrClosed = errors.New("the query engine is closed")

// QuestionError says what is wrong with a question, and what to ask instead.
type QuestionError struct{ Message string }

func (e *QuestionError) Error() string { return e.Message }

func wrongQuestion(format string, args ...any) error {
	return &QuestionError{fmt.Sprintf(format, args...)}
}

// Error is what DuckDB said of a statement.
type Error struct{ Message string }

func (e *Error) Error() string { return strings.TrimSpace(e.Message) }

// RefusedError says what a statement held that is not allowed in one.
type RefusedError struct{ What string }

func (e *RefusedError) Error() string {
	return fmt.Sprintf("%s is refused: a statement is one SELECT over the view events, and calls only functions that compute", e.What)
}

// MemoryError says that a statement needs more memory than it may have.
type MemoryError struct{ Limit string }

func (e *MemoryError) Error() string {
	return fmt.Sprintf("the statement needs more than the %s it may have: ask for fewer columns or a shorter time, or group and limit", e.Limit)
}
