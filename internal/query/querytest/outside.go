package querytest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"annals.dev/internal/format"
	"annals.dev/internal/match"
)

// maker makes events that are not in scope: some are others' with a word or two exchanged, some are full of what breaks casts
// and sums, and many are the first or last of their kind in all that can be sorted.
type maker struct {
	tb     testing.TB
	rng    *rand.Rand
	events [][]byte
	not    *match.Predicate
	n      int
}

var odd = []string{"", "0", "-1", "9223372036854775807", "not a number", "~~~~", "\\u0000", "<script>", "1e999", "!", "\\u202e", "'; --"}

func (m *maker) word() string { return odd[m.rng.IntN(len(odd))] }

// event makes one for a position. Where everything in a cluster is in scope it makes none.
func (m *maker) event(cluster string, position uint64, word string) entry {
	for range 200 {
		m.n++
		e := entry{cluster: cluster, origin: fmt.Sprint("import/", m.word(), m.n%3), raw: m.strange(word)}
		if m.rng.IntN(3) == 0 {
			e.raw = m.like(m.events[m.rng.IntN(len(m.events))], word)
		}
		if m.rng.IntN(4) == 0 {
			e.marks = []format.Marks{format.Salvaged, format.Quarantined, format.Truncated, format.Conflict | format.Redacted}[m.rng.IntN(4)]
		}
		if !e.in(m.tb, m.not, position) {
			return e
		}
	}
	return entry{}
}

func (m *maker) id() string {
	return fmt.Sprintf("%08x-%04x-4000-9000-%012x", m.rng.Uint32(), m.rng.IntN(1<<16), m.n)
}

// like is another's event with an audit ID of its own and one word exchanged.
func (m *maker) like(raw []byte, word string) []byte {
	i := bytes.Index(raw, []byte(`"auditID":"`)) + len(`"auditID":"`)
	raw = append(append(bytes.Clone(raw[:i]), m.id()...), raw[i+bytes.IndexByte(raw[i:], '"'):]...)
	for _, name := range []string{"username", "namespace", "verb", "userAgent", "resource", "name"} {
		if i := bytes.Index(raw, []byte(`"`+name+`":"`)); i >= 0 && m.rng.IntN(3) > 0 {
			i += len(name) + 4
			raw = append(append(bytes.Clone(raw[:i]), word...), raw[i+bytes.IndexByte(raw[i:], '"'):]...)
		}
	}
	return raw
}

func (m *maker) strange(word string) []byte {
	at := time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC).Add(time.Duration(m.rng.Int64N(int64(72 * time.Hour)))).Truncate(time.Microsecond)
	switch m.rng.IntN(8) {
	case 0:
		at = time.Date(1970, 1, 1, 0, 0, 1, 0, time.UTC)
	case 1:
		at = time.Date(2199, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	stamp := at.Format("2006-01-02T15:04:05.000000Z")
	return fmt.Appendf(nil, `{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"RequestResponse","auditID":"%s","stage":"ResponseComplete","requestURI":"/%[2]s/%[3]s","verb":"%[4]s","user":{"username":"%[3]s%[2]s","groups":["%[4]s"],"extra":{"%[2]s":["%[3]s"]}},"impersonatedUser":{"username":"%[2]s"},"sourceIPs":["%[4]s","10.%[5]d.0.1"],"userAgent":"%[2]s","objectRef":{"resource":"%[2]s","namespace":"%[3]s%[2]s","name":"%[4]s","apiGroup":"%[2]s.io","apiVersion":"v1","subresource":"%[3]s"},"responseStatus":{"metadata":{},"reason":"%[2]s","code":%[5]d},"requestObject":{"%[2]s":"%[3]s"},"responseObject":{"data":["%[2]s"]},"requestReceivedTimestamp":"%[6]s","stageTimestamp":"%[6]s","annotations":{"authorization.k8s.io/decision":"%[2]s","authorization.k8s.io/reason":"%[3]s","%[2]s":"%[4]s"}}`,
		m.id(), word, m.word(), m.word(), m.rng.IntN(1000), stamp)
}
