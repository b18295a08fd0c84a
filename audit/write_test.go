package audit

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"testing"
	"time"
)

func TestTimesAreWrittenAsPackageTimeDoes(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	zone := time.FixedZone("", -5*3600-1800)
	for range 200_000 {
		at := time.Unix(r.Int64N(400_000_000_000)-100_000_000_000, r.Int64N(1e9)).In(zone)
		if r.IntN(50) == 0 {
			at = time.Unix(r.Int64()-r.Int64(), r.Int64N(1e9)) // years that no layout was made for
		}
		if got, want := string(MicroTime{at}.appendJSON(nil)), `"`+at.UTC().Format(microLayout)+`"`; got != want {
			t.Fatalf("%d.%09d is written as %s, want %s", at.Unix(), at.Nanosecond(), got, want)
		}
	}
}

// randomJSON is a value with white space wherever it may stand, and strings that are full of what bodies are searched for.
func randomJSON(r *rand.Rand, depth int) string {
	blank := func() string {
		if r.IntN(3) > 0 {
			return ""
		}
		return []string{" ", "  ", "\n", "\t ", "\r\n"}[r.IntN(5)]
	}
	text := func() string {
		parts := []string{"a", "hello", " ", ", ", ": ", "] ", " }", `\"`, `\\`, `\u003c`, "<", ">", "&", "\u2028", "\u2029", "\u20ac", "é", "\xe2", "\xff", "eight888", "%", "1, 2"}
		s := `"`
		for range r.IntN(6) {
			s += parts[r.IntN(len(parts))]
		}
		return s + `"`
	}
	b := blank()
	switch kind := r.IntN(6); {
	case kind == 0 || depth == 0:
		b += []string{"0", "-1.50e+3", "true", "false", "null"}[r.IntN(5)]
	case kind < 3:
		b += text()
	case kind == 3:
		b += "["
		for i := range r.IntN(4) {
			if i > 0 {
				b += ","
			}
			b += randomJSON(r, depth-1)
		}
		b += blank() + "]"
	default:
		b += "{"
		for i := range r.IntN(4) {
			if i > 0 {
				b += ","
			}
			b += blank() + text() + blank() + ":" + randomJSON(r, depth-1)
		}
		b += blank() + "}"
	}
	return b + blank()
}

func TestBodiesAreWrittenAsEncodingJSONDoes(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for range 50_000 {
		checkBody(t, []byte(randomJSON(r, 4)))
	}
}

func FuzzBody(f *testing.F) {
	f.Add([]byte(`{"a" : "b c, d" , "<": [ 1, 2 ]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		appendValid(nil, body) // whatever it is, nothing panics
		if json.Valid(body) {
			checkBody(t, body)
		}
	})
}

func checkBody(t *testing.T, body []byte) {
	t.Helper()
	var compact, want bytes.Buffer
	if err := json.Compact(&compact, body); err != nil {
		t.Fatalf("%q: %v", body, err)
	}
	json.HTMLEscape(&want, compact.Bytes())
	for _, append := range []func([]byte, Span) []byte{appendBody, appendValid} {
		if got := append([]byte("x"), body); string(got[1:]) != want.String() || got[0] != 'x' {
			t.Fatalf("%q\nis written as %q\n       want %q", body, got[1:], want.Bytes())
		}
	}
}

func TestStringsAreWrittenAsEncodingJSONDoes(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	odd := []byte("\"\\<>&\x00\x1f\x7f\x80\xe2\xff\n\u2028é")
	for range 100_000 {
		b := make([]byte, r.IntN(40))
		for i := range b {
			if b[i] = byte('a' + r.IntN(26)); r.IntN(12) == 0 {
				b[i] = odd[r.IntN(len(odd))]
			}
		}
		s := string(b)
		want, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		if got := appendString(nil, s); !bytes.Equal(got, want) {
			t.Fatalf("%q is written as %s, want %s", s, got, want)
		}
	}
}
