package format

import (
	"fmt"
	"io"
	"strings"
	"testing"
)

// A reader that is used again gives what a new one would, whatever state it was left in.
func TestListReaderReset(t *testing.T) {
	body := func(from, to int) string {
		var b strings.Builder
		b.WriteString(`{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{},"items":[`)
		for n := from; n < to; n++ {
			if n > from {
				b.WriteByte(',')
			}
			fmt.Fprintf(&b, `{"level":"Metadata","auditID":"id-%d","stage":"ResponseComplete","verb":"get","userAgent":%q}`, n, strings.Repeat("x", 3000))
		}
		b.WriteString("]}\n")
		return b.String()
	}
	buf := make([]byte, 256<<10)
	l := NewListReader(strings.NewReader(body(0, 10)), 1<<20)
	for round, left := range []int{1000, 1, 0, 500} { // how many Next calls before it is reset
		for n := 0; n < left; n++ {
			if _, err := l.Next(0); err != nil {
				break
			}
		}
		from, to := 100*round, 100*round+900
		l.Reset(strings.NewReader(body(from, to)), 16<<20, buf)
		for n := from; ; {
			events, err := l.Next(0)
			if err == io.EOF {
				if n != to {
					t.Fatalf("round %d ended at %d, want %d", round, n, to)
				}
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			for i := range events {
				e := &events[i]
				if want := fmt.Sprintf("id-%d", n); string(e.View.AuditID) != want || e.Marks != 0 || e.Note != "" || e.Dialect != V1 {
					t.Fatalf("round %d: got %q %v %q, want %q", round, e.View.AuditID, e.Marks, e.Note, want)
				}
				n++
			}
		}
		if c := l.Counts(); c.Events != int64(to-from) {
			t.Errorf("round %d: counts %+v", round, c)
		}
	}
}
