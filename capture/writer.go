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
	x.send(x.began(code))
}

func (x *exchange) began(code int) *encoding {
	x.scope.mu.Lock()
	defer x.scope.mu.Unlock()
	if !x.answered.IsZero() || x.scope.closed {
		return nil
	}
	x.answered = time.Now()
	x.status.Code = int32(code)
	x.event.ResponseStatus = &x.status
	x.watchAnswer(code)
	x.passing.Store(x.keep == nothing)
	if !x.long && !x.alone {
		return nil
	}
	if x.held = x.keep != nothing && code >= 400; x.held {
		return nil
	}
	return x.encode(audit.StageResponseStarted, x.answered)
}

// look copies what the event needs of the answer's body.
func (x *exchange) look(b []byte) { x.send(x.looked(b)) }

func (x *exchange) looked(b []byte) *encoding {
	x.scope.mu.Lock()
	defer x.scope.mu.Unlock()
	if x.scope.closed {
		return nil
	}
	if x.copyAnswer(b); x.keep != nothing {
		return nil
	}
	x.passing.Store(true)
	if !x.held {
		return nil
	}
	x.held = false
	return x.encode(audit.StageResponseStarted, x.answered)
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

const (
	chunkSize = 32 << 10
	// firstSize is what is read first: enough to see whether anybody needs to look at more. net/http reads as much.
	firstSize = 512
)

var chunks = sync.Pool{New: func() any { return new([chunkSize]byte) }}

// readFrom lets the kernel copy what nobody here looks at. The answer begins with the first byte, as net/http has it: when src
// fails before, the handler may yet say so with another code.
func (x *exchange) readFrom(src io.Reader) (n int64, err error) {
	if !x.passing.Load() {
		chunk := chunks.Get().(*[chunkSize]byte)
		defer chunks.Put(chunk)
		for size := firstSize; !x.passing.Load(); size = chunkSize {
			read, readErr := src.Read(chunk[:size])
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
