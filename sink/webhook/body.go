package webhook

import (
	"bytes"
	"errors"
	"fmt"

	"annals.dev/audit"
)

const (
	listHead  = `{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{},"items":[`
	listTail  = "]}\n"
	eventHead = `{"kind":"Event","apiVersion":"audit.k8s.io/v1",`
	anyEvent  = `{"kind":"Event","apiVersion":"audit.k8s.io/`
)

// body is what one request carries.
type body struct {
	bytes []byte
	json  bool
}

var errInvalid = errors.New("the event is not a JSON object")

// list makes an EventList, byte for byte kube-apiserver's. An event that is not a JSON object, whole and alone, is errInvalid:
// among others it would be taken for something else.
func list(events [][]byte) ([]byte, error) {
	b := make([]byte, 0, size(events)+len(listHead)+len(listTail))
	b = append(b, listHead...)
	var v audit.View
	for i, e := range events {
		if err := v.Parse(e); err != nil {
			return nil, fmt.Errorf("%w: %d bytes: %w", errInvalid, len(e), err)
		}
		if i > 0 {
			b = append(b, ',')
		}
		if rest, ok := bytes.CutPrefix(e, []byte(eventHead)); ok {
			b = append(b, '{')
			e = rest
		}
		b = append(b, e...)
	}
	return append(b, listTail...), nil
}

// verbatim makes bodies that hold the events' bytes as they are: lists of those that are kube-apiserver's lines, with their kind
// and apiVersion; JSON objects and lines of other kinds, a line each, as a log file has them; and by itself what is neither, so that
// it is not taken for a part of its neighbours.
func verbatim(events [][]byte) []body {
	var bodies []body
	for i := 0; i < len(events); {
		k := kindOf(events[i])
		j := i + 1
		for k != alone && j < len(events) && kindOf(events[j]) == k {
			j++
		}
		bodies = append(bodies, body{bytes: join(events[i:j], k), json: k == item})
		i = j
	}
	return bodies
}

type kind int

const (
	item  kind = iota // of an EventList
	line              // of a log
	alone             // neither
)

func kindOf(e []byte) kind {
	var v audit.View
	switch {
	case bytes.HasPrefix(e, []byte(anyEvent)) && v.Parse(e) == nil && v.AuditID != nil:
		return item
	case bytes.IndexByte(e, '\n') >= 0:
		return alone
	// kube-apiserver's text of one line; the older one, of two, has no stage.
	case bytes.Contains(e, []byte(` AUDIT: id="`)) && bytes.Contains(e, []byte(` stage="`)) && e[0] != '{' && e[0] != '[':
		return line
	}
	return alone
}

func join(events [][]byte, k kind) []byte {
	head, between, tail := "", "\n", "\n"
	switch k {
	case item:
		head, between, tail = listHead, ",", listTail
	case alone:
		tail = ""
	}
	b := make([]byte, 0, size(events)+len(head)+len(tail))
	b = append(b, head...)
	for i, e := range events {
		if i > 0 {
			b = append(b, between...)
		}
		b = append(b, e...)
	}
	return append(b, tail...)
}

// size is what events take with something between them.
func size(events [][]byte) (n int) {
	for _, e := range events {
		n += len(e) + 1
	}
	return n
}
