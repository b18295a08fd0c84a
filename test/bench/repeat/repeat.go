// Package repeat makes much of a few recorded events: copies of them at other times, with other ids, versions and hashes, so
// that no copy is the same events and all of it compresses as a real log does. Start with Source.
//
// It promises that the same source gives the same copies, and that copy 0 is the source itself.
package repeat

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"regexp"
	"time"
)

// Source is a recorded log, one event to a line, and what a copy changes in it.
type Source struct {
	text  []byte
	lines int
	edits []edit
}

// edit is a place in the text that each copy writes anew, in the same number of bytes.
type edit struct {
	at, n int
	kind  kind
	value int64 // of a time, microseconds; of a version, itself
}

type kind uint8

const (
	id      kind = iota // a UUID or a hash: hexadecimal digits, and dashes that stay
	moment              // a time in RFC 3339
	version             // a resourceVersion
)

// Groups 1 and 2 are the two kinds of time, 3 a version; what matches without a group is an id.
var changes = regexp.MustCompile(`[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{64}` +
	`|(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z)|(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)|resourceVersion[^0-9A-Za-z]{1,5}(\d{3,18})`)

const (
	withMicros    = "2006-01-02T15:04:05.000000Z"
	withoutMicros = "2006-01-02T15:04:05Z"
)

// New reads a recorded log.
func New(text []byte) (*Source, error) {
	if len(text) == 0 || text[len(text)-1] != '\n' {
		return nil, fmt.Errorf("a recorded log of %d bytes must end with a line's end", len(text))
	}
	s := &Source{text: text, lines: bytes.Count(text, []byte{'\n'})}
	for _, m := range changes.FindAllSubmatchIndex(text, -1) {
		e := edit{at: m[0], n: m[1] - m[0]}
		switch {
		case m[2] >= 0 || m[4] >= 0:
			t, err := time.Parse(time.RFC3339Nano, string(text[m[0]:m[1]]))
			if err != nil {
				continue // the thirteenth month of a made-up date
			}
			e.kind, e.value = moment, t.UnixMicro()
		case m[6] >= 0:
			e.at, e.n, e.kind = m[6], m[7]-m[6], version
			for _, d := range text[m[6]:m[7]] {
				e.value = e.value*10 + int64(d-'0')
			}
		}
		s.edits = append(s.edits, e)
	}
	return s, nil
}

// Size is how many bytes a copy has, Lines how many events.
func (s *Source) Size() int  { return len(s.text) }
func (s *Source) Lines() int { return s.lines }

// WriteTo writes copies of the source, each so much later than the one before.
func (s *Source) WriteTo(w io.Writer, copies int, step time.Duration) error {
	text := bytes.Clone(s.text)
	for k := range copies {
		if k > 0 {
			s.rewrite(text, uint64(k), int64(k)*step.Microseconds())
		}
		if _, err := w.Write(text); err != nil {
			return err
		}
	}
	return nil
}

// rewrite makes text copy k.
func (s *Source) rewrite(text []byte, k uint64, shift int64) {
	var buf [32]byte
	for _, e := range s.edits {
		to := text[e.at : e.at+e.n]
		switch e.kind {
		case id:
			mix(to, s.text[e.at:e.at+e.n], k)
		case moment:
			layout := withMicros
			if e.n == len(withoutMicros) {
				layout = withoutMicros
			}
			copy(to, time.UnixMicro(e.value+shift).UTC().AppendFormat(buf[:0], layout))
		case version:
			write(to, e.value+int64(k)*9973)
		}
	}
}

// mix writes the id that takes the place of from in copy k: the same wherever from stands in it.
func mix(to, from []byte, k uint64) {
	const digits = "0123456789abcdef"
	x := k
	for i := 0; i < len(from); i += 8 {
		var part [8]byte
		copy(part[:], from[i:])
		x = scramble(x ^ binary.LittleEndian.Uint64(part[:]))
	}
	for i, c := range from {
		if i%16 == 0 {
			x = scramble(x)
		}
		if c != '-' {
			to[i] = digits[x>>(4*(i%16))&15]
		}
	}
}

// scramble is the finisher of SplitMix64.
func scramble(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// write writes v's last digits, so many as there is room for, and no leading zero.
func write(to []byte, v int64) {
	for i := len(to) - 1; i >= 0; i-- {
		to[i] = byte('0' + v%10)
		v /= 10
	}
	if to[0] == '0' {
		to[0] = '1'
	}
}
