package capture

import (
	"net/http"
	"time"

	"annals.dev/audit"
)

func (x *exchange) writer() http.ResponseWriter { return x }

func (x *exchange) Header() http.Header         { return x.w.Header() }
func (x *exchange) Unwrap() http.ResponseWriter { return x.w }

func (x *exchange) WriteHeader(code int) {
	x.answer(code)
	x.w.WriteHeader(code)
}

func (x *exchange) Write(b []byte) (int, error) {
	x.answer(http.StatusOK)
	return x.w.Write(b)
}

// answer notes the answer's header, the first time.
func (x *exchange) answer(code int) {
	if code < 200 && code != http.StatusSwitchingProtocols {
		return // there is another to come
	}
	x.scope.mu.Lock()
	if !x.answered.IsZero() {
		x.scope.mu.Unlock()
		return
	}
	x.answered = time.Now()
	x.status.Code = int32(code)
	x.event.ResponseStatus = &x.status
	x.scope.mu.Unlock()
	if x.long || x.alone {
		x.emit(audit.StageResponseStarted, x.answered)
	}
}
