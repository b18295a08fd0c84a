package audit_test

import (
	"encoding/json"
	"slices"
	"testing"

	"annals.dev/audit"
)

func TestSpanValid(t *testing.T) {
	for _, s := range []string{"", " ", "{}", " {} ", "[]", "null", "1", "-", "01", "1.0e3", `"a"`, `"a`, "{}{}", `{"a":}`, "tru", "true", " [1, 2 ] \n", "\xff", "\"\xff\""} {
		if got, want := audit.Span(s).Valid(), json.Valid([]byte(s)); got != want {
			t.Errorf("%q is valid: %v, want %v", s, got, want)
		}
	}
}

func TestSpanElements(t *testing.T) {
	var got []string
	for e := range audit.Span(` [ {"a":1} , 2,"x" ] `).Elements {
		got = append(got, string(e))
	}
	if want := []string{`{"a":1}`, "2", `"x"`}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	for e := range audit.Span(`{"a":1}`).Elements {
		t.Errorf("an object has the element %s", e)
	}
}
