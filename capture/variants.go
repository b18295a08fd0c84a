package capture

import (
	"bufio"
	"io"
	"net"
	"net/http"
)

// A handler asks by type assertion what its ResponseWriter can, so that there is a type for each set of what the one
// below can. Each is one pointer, and costs nothing to make.
type (
	can struct{ *exchange }

	canF    struct{ can }
	canH    struct{ can }
	canFH   struct{ canF }
	canR    struct{ can }
	canFR   struct{ canF }
	canHR   struct{ canH }
	canFHR  struct{ canFH }
	canP    struct{ can }
	canFP   struct{ canF }
	canHP   struct{ canH }
	canFHP  struct{ canFH }
	canRP   struct{ canR }
	canFRP  struct{ canFR }
	canHRP  struct{ canHR }
	canFHRP struct{ canFHR }
)

const (
	flushes = 1 << iota
	hijacks
	readsFrom
	pushes
)

func (x *exchange) writer() http.ResponseWriter {
	has := 0
	if _, ok := x.w.(http.Flusher); ok {
		has |= flushes
	}
	if _, ok := x.w.(http.Hijacker); ok {
		has |= hijacks
	}
	if _, ok := x.w.(io.ReaderFrom); ok {
		has |= readsFrom
	}
	if _, ok := x.w.(http.Pusher); ok {
		has |= pushes
	}
	c := can{x}
	switch has {
	case flushes:
		return canF{c}
	case hijacks:
		return canH{c}
	case flushes | hijacks:
		return canFH{canF{c}}
	case readsFrom:
		return canR{c}
	case flushes | readsFrom:
		return canFR{canF{c}}
	case hijacks | readsFrom:
		return canHR{canH{c}}
	case flushes | hijacks | readsFrom:
		return canFHR{canFH{canF{c}}}
	case pushes:
		return canP{c}
	case flushes | pushes:
		return canFP{canF{c}}
	case hijacks | pushes:
		return canHP{canH{c}}
	case flushes | hijacks | pushes:
		return canFHP{canFH{canF{c}}}
	case readsFrom | pushes:
		return canRP{canR{c}}
	case flushes | readsFrom | pushes:
		return canFRP{canFR{canF{c}}}
	case hijacks | readsFrom | pushes:
		return canHRP{canHR{canH{c}}}
	case flushes | hijacks | readsFrom | pushes:
		return canFHRP{canFHR{canFH{canF{c}}}}
	}
	return c
}

func (c canF) FlushError() error                                { return http.NewResponseController(c.w).Flush() }
func (c canF) Flush()                                           { c.flush() }
func (c canH) Hijack() (net.Conn, *bufio.ReadWriter, error)     { return c.hijack() }
func (c canFH) Hijack() (net.Conn, *bufio.ReadWriter, error)    { return c.hijack() }
func (c canR) ReadFrom(r io.Reader) (int64, error)              { return c.readFrom(r) }
func (c canFR) ReadFrom(r io.Reader) (int64, error)             { return c.readFrom(r) }
func (c canHR) ReadFrom(r io.Reader) (int64, error)             { return c.readFrom(r) }
func (c canFHR) ReadFrom(r io.Reader) (int64, error)            { return c.readFrom(r) }
func (c canP) Push(target string, o *http.PushOptions) error    { return c.push(target, o) }
func (c canFP) Push(target string, o *http.PushOptions) error   { return c.push(target, o) }
func (c canHP) Push(target string, o *http.PushOptions) error   { return c.push(target, o) }
func (c canFHP) Push(target string, o *http.PushOptions) error  { return c.push(target, o) }
func (c canRP) Push(target string, o *http.PushOptions) error   { return c.push(target, o) }
func (c canFRP) Push(target string, o *http.PushOptions) error  { return c.push(target, o) }
func (c canHRP) Push(target string, o *http.PushOptions) error  { return c.push(target, o) }
func (c canFHRP) Push(target string, o *http.PushOptions) error { return c.push(target, o) }

// Unwrap is for http.ResponseController. The writer below may hijack only by that way; it must not do so unseen.
func (c can) Unwrap() http.ResponseWriter { return below{c.exchange} }

// below is the writer below, for what neither records nor alters anything.
type below struct{ *exchange }

func (b below) Hijack() (net.Conn, *bufio.ReadWriter, error) { return b.hijack() }
func (b below) Unwrap() http.ResponseWriter                  { return b.w }
