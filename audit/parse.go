package audit

import "fmt"

// SyntaxError says where bytes stop being JSON.
type SyntaxError struct {
	Offset int // of the byte that is wrong, or the length of the input where it ends too early
	Msg    string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("audit event: %s at byte %d", e.Msg, e.Offset)
}

// Parse reads b, which holds one JSON object and nothing else but white space. A member of the wrong type is as good as
// absent; only bytes that are not JSON are an error. After an error v holds what stood before it.
func (v *View) Parse(b []byte) error {
	end, err := v.ParsePrefix(b)
	if err != nil {
		return err
	}
	if rest := space(b, end); rest < len(b) {
		return syntaxError(b, fault(rest))
	}
	return nil
}

// ParsePrefix reads the event that b begins with and returns the position after it: so the items of a list are walked
// without being read twice.
func (v *View) ParsePrefix(b []byte) (n int, err error) {
	if n = v.parse(b); n < 0 {
		return 0, syntaxError(b, n)
	}
	return n, nil
}

// ParseCut reads an event whose end is missing, or no JSON. What stood whole before the cut is kept, inside user,
// impersonatedUser, objectRef, responseStatus and annotations too: there the fields are set but the Span that should hold
// all of the object is nil. Cut says that something is missing, and Raw is then all of b; where the event is whole and
// something else follows it, Raw is the event. It is an error only if b does not begin as an object.
func (v *View) ParseCut(b []byte) error {
	end := v.parse(b)
	if end >= 0 {
		return nil
	}
	from := space(b, 0)
	if from >= len(b) || b[from] != '{' {
		return syntaxError(b, end)
	}
	v.Raw, v.Cut = trim(b), true
	return nil
}

func (v *View) parse(b []byte) int {
	*v = View{}
	p := space(b, 0)
	if p >= len(b) || b[p] != '{' {
		return fault(p)
	}
	var old older
	end := v.event(b, p, &old)
	if end >= 0 {
		v.Raw = b[p:end:end]
	}
	v.RequestTime, v.Time = micros(v.RequestReceivedTimestamp), micros(v.StageTimestamp)
	if v.RequestTime == 0 {
		v.RequestTime = micros(old.timestamp)
	}
	if v.Time == 0 {
		for key, value := range old.metadata.Members {
			if key.Is("creationTimestamp") {
				v.Time = micros(value.text())
			}
		}
	}
	if v.Time == 0 {
		v.Time = micros(old.timestamp)
	}
	return end
}

// older is where events before v1 say when they happened.
type older struct {
	metadata  Span
	timestamp Text
}

func micros(t Text) int64 {
	if t == nil {
		return 0
	}
	var scratch [64]byte
	m, ok := Micros(t.Decode(scratch[:]))
	if !ok {
		return 0
	}
	return m
}

func trim(b []byte) []byte {
	from, to := space(b, 0), len(b)
	for to > from && (b[to-1] == ' ' || b[to-1] == '\n' || b[to-1] == '\t' || b[to-1] == '\r') {
		to--
	}
	return b[from:to:to]
}

func syntaxError(b []byte, code int) error {
	if code < tooDeep/2 {
		return &SyntaxError{code - tooDeep, fmt.Sprintf("brackets nested deeper than %d", maxDepth)}
	}
	off := ^code
	switch {
	case off >= len(b):
		return &SyntaxError{len(b), "unexpected end of JSON"}
	case b[off] < ' ':
		return &SyntaxError{off, fmt.Sprintf("unexpected control character %#02x", b[off])}
	}
	return &SyntaxError{off, fmt.Sprintf("unexpected %q", b[off])}
}
