package format

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// manyLines is the five events again and again, each with an audit ID of its own.
func manyLines(t testing.TB, n int) (lines, ids []string) {
	t.Helper()
	_, five := theFive(t)
	for i := range n {
		line := five[i%5]
		id := line[strings.Index(line, `"auditID":"`)+11:][:36]
		ids = append(ids, fmt.Sprintf("%08d%s", i, id[8:]))
		lines = append(lines, strings.Replace(line, id, ids[i], 1))
	}
	return lines, ids
}

func quoted(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// framing writes lines as a file has them, and returns it in pieces: one for each line, between others.
type framing struct {
	before, between, after string
	wrap                   func(i int, line string) string
	byLine                 bool // records end where lines do: then a bad one can hide no other, however bad it is
}

var framings = map[string]framing{
	"lines":        {between: "\n", after: "\n", byLine: true},
	"concatenated": {},
	"array":        {before: "[", between: ",", after: "]"},
	"EventList": {
		before: `{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{},"items":[`, between: ",", after: "]}\n",
		wrap: func(_ int, line string) string {
			return "{" + strings.TrimPrefix(line, `{"kind":"Event","apiVersion":"audit.k8s.io/v1",`)
		},
	},
	"pretty": {before: "[\n", between: ",\n", after: "\n]\n", wrap: func(_ int, line string) string {
		var b bytes.Buffer
		b.WriteString("  ")
		if err := json.Indent(&b, []byte(line), "  ", " "); err != nil {
			panic(err)
		}
		return b.String()
	}},
	"docker": {between: "\n", after: "\n", byLine: true, wrap: func(_ int, line string) string {
		return `{"log":` + quoted(line+"\n") + `,"stream":"stdout","time":"2018-10-25T14:09:12.581Z"}`
	}},
	"CRI": {between: "\n", after: "\n", byLine: true, wrap: func(_ int, line string) string {
		return "2018-10-25T14:09:12.581541000Z stdout F " + line
	}},
	"node logs": {between: "\n", after: "\n", byLine: true, wrap: func(_ int, line string) string { return "master-0 " + line }},
	"CloudWatch": {
		before: `{"messageType":"DATA_MESSAGE","logStream":"` + auditStream + `","logEvents":[`, between: ",", after: "]}",
		wrap: func(i int, line string) string {
			return fmt.Sprintf(`{"id":"%d","timestamp":1540476552581,"message":%s}`, i, quoted(line))
		},
	},
	"firehose": {wrap: func(i int, line string) string {
		return fmt.Sprintf(`{"messageType":"DATA_MESSAGE","logStream":%q,"logEvents":[{"id":"%d","timestamp":1540476552581,"message":%s}]}`, auditStream, i, quoted(line))
	}},
	"Event Hub": {before: `{"records":[`, between: ",", after: "]}", wrap: func(_ int, line string) string {
		return `{"category":"kube-audit","properties":{"log":` + quoted(line) + `},"time":"2018-10-25T14:09:12.581541072Z"}`
	}},
	"insights": {before: "@timestamp,@message\n", between: "\n", after: "\n", byLine: true, wrap: func(_ int, line string) string {
		return `2018-10-25 14:09:12.581,"` + strings.ReplaceAll(line, `"`, `""`) + `"`
	}},
}

func (f framing) pieces(lines []string) (pieces []string) {
	for i, line := range lines {
		if f.wrap != nil {
			line = f.wrap(i, line)
		}
		pieces = append(pieces, line)
	}
	return pieces
}

func (f framing) file(pieces []string) []byte {
	return []byte(f.before + strings.Join(pieces, f.between) + f.after)
}

// spoil does one bad thing to a record, without a newline in it.
func spoil(rnd *rand.Rand, s string) string {
	at := rnd.IntN(len(s))
	end := min(at+1+rnd.IntN(200), len(s))
	junk := []string{`"`, `{`, `}`, `[`, `]`, `\`, "\x00", "\x00\x00\x00", ",", ":", "\xff\xfe", "é", `{"kind":"Event"`, `"}]}`, `:{"`}
	switch rnd.IntN(6) {
	case 0:
		return s[:at] + s[end:]
	case 1:
		return s[:at]
	case 2:
		return s[at:]
	case 3:
		return s[:at] + junk[rnd.IntN(len(junk))] + s[at:]
	case 4:
		return s[:at] + junk[rnd.IntN(len(junk))] + s[end:]
	}
	b := []byte(s)
	for range 1 + rnd.IntN(5) {
		b[rnd.IntN(len(b))] ^= byte(1 + rnd.IntN(255))
	}
	return strings.NewReplacer("\n", "?", "\r", "?").Replace(string(b))
}

// TestNeighbours spoils one record, or two side by side, and looks for all others.
func TestNeighbours(t *testing.T) {
	lines, ids := manyLines(t, 20)
	for name, f := range framings {
		t.Run(name, func(t *testing.T) {
			pieces := f.pieces(lines)
			if got := len(events(all(t, NewReader(bytes.NewReader(f.file(pieces)), "f")))); got != len(lines) {
				t.Fatalf("%d events in the good file", got)
			}
			rounds := 300
			if testing.Short() {
				rounds = 50
			}
			for seed := range rounds {
				rnd := rand.New(rand.NewPCG(uint64(seed), 1))
				spoiled := slices.Clone(pieces)
				bad := rnd.IntN(len(pieces))
				worse := min(bad+rnd.IntN(2), len(pieces)-1)
				for i := bad; i <= worse; i++ {
					spoiled[i] = spoil(rnd, spoiled[i])
				}
				items := all(t, NewReader(bytes.NewReader(f.file(spoiled)), "f"))
				for i, id := range ids {
					if i >= bad && i <= worse {
						continue
					}
					if !slices.ContainsFunc(items, func(it found) bool { return it.AuditID == id && it.Marks == 0 }) {
						t.Errorf("seed %d: record %d is lost beside %d to %d:\n%.400q", seed, i, bad, worse, spoiled[bad])
						break
					}
				}
			}
		})
	}
}
