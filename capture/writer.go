package capture

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"annals.dev/audit"
)

// exchange is the http.ResponseWriter. What more the one below can, the types of variants.go can.

func (x *exchange) Header() http.Header { return x.w.Header() }

func (x *exchange) WriteHeader(code int) {
	x.answer(code)
	x.w.WriteHeader(code)
}

func (x *exchange) Write(b []byte) (int, error) {
	if !x.passing.Load() {
		x.answer(http.StatusOK)
		x.look(b)
	}
	return x.w.Write(b)
}

func (x *exchange) WriteString(s string) (int, error) {
	if x.passing.Load() {
		return io.WriteString(x.w, s)
	}
	return x.Write([]byte(s))
}

// answer notes the answer's header, the first time.
func (x *exchange) answer(code int) {
	if code < 200 && code != http.StatusSwitchingProtocols {
		return // another is to come
	}
	x.scope.mu.Lock()
	if !x.answered.IsZero() || x.scope.closed {
		x.scope.mu.Unlock()
		return
	}
	x.answered = time.Now()
	x.status.Code = int32(code)
	x.event.ResponseStatus = &x.status
	x.watchAnswer(code)
	x.held = (x.long || x.alone) && x.keep != nothing && code >= 400
	start := (x.long || x.alone) && !x.held
	x.passing.Store(x.keep == nothing)
	x.scope.mu.Unlock()
	if start {
		x.tell(audit.StageResponseStarted, x.answered)
	}
}

// look copies what the event needs of the answer's body.
func (x *exchange) look(b []byte) {
	x.scope.mu.Lock()
	more := x.copyAnswer(b)
	start := x.held && !more && !x.scope.closed
	if start {
		x.held = false
	}
	x.passing.Store(!more)
	x.scope.mu.Unlock()
	if start {
		x.tell(audit.StageResponseStarted, x.answered)
	}
}

func (x *exchange) flush() { x.w.(http.Flusher).Flush() }

func (x *exchange) push(target string, opts *http.PushOptions) error {
	return x.w.(http.Pusher).Push(target, opts)
}

func (x *exchange) hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffered, err := http.NewResponseController(x.w).Hijack()
	if err == nil {
		x.answer(http.StatusSwitchingProtocols)
	}
	return conn, buffered, err
}

const chunkSize = 32 << 10

var chunks = sync.Pool{New: func() any { return new([chunkSize]byte) }}

// readFrom lets the kernel copy what nobody here looks at.
func (x *exchange) readFrom(src io.Reader) (n int64, err error) {
	x.answer(http.StatusOK)
	if !x.passing.Load() {
		chunk := chunks.Get().(*[chunkSize]byte)
		defer chunks.Put(chunk)
		for !x.passing.Load() {
			read, readErr := src.Read(chunk[:])
			if read > 0 {
				written, err := x.Write(chunk[:read])
				if n += int64(written); err != nil {
					return n, err
				}
			}
			if readErr == io.EOF {
				return n, nil
			}
			if readErr != nil {
				return n, readErr
			}
		}
	}
	more, err := x.w.(io.ReaderFrom).ReadFrom(src)
	return n + more, err
}
