package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// Every answer is lines of JSON, each an object with one member: "item" as often as there is something to tell, then "end", or
// "error" if it failed. An answer without a last line was cut off. Where nothing came before the error, it is the answer's HTTP
// status, too. A "beat" says that the server is there while it has nothing to tell. Whoever asks for application/json, and not for lines, gets
// one object instead, of a limited size: {"items":[…],"end":…}, or {"error":…}.

// Error is why a question failed, in a form that survives the way to the command line.
type Error struct {
	Kind    Kind   `json:"kind"`
	Message string `json:"message"`
}

// Kind is a sort of failure; each has an exit code of its own.
type Kind string

const (
	Failed       Kind = "failed"
	Usage        Kind = "usage"        // what was asked is not well formed
	Tampered     Kind = "tampered"     // bytes are not what was recorded
	Missing      Kind = "missing"      // events that there must be are not there
	BadSignature Kind = "signature"    // something is not signed by the ledger's key
	Unverifiable Kind = "unverifiable" // there is nothing to hold it against

	SignIn      Kind = "signin"      // nobody is known to ask
	Forbidden   Kind = "forbidden"   // whoever asks may not
	NotFound    Kind = "notfound"    // what was named is not there, or not for whoever asks
	WrongMethod Kind = "method"      // GET where POST is needed, or the like
	Busy        Kind = "busy"        // too many questions at once
	Limit       Kind = "limit"       // the answer needs more time, memory or room than it may have
	Unavailable Kind = "unavailable" // the server is ending
)

// statuses are the HTTP statuses of answers that are errors from the first; of other kinds it is 500.
var statuses = map[Kind]int{
	Usage: http.StatusBadRequest, Limit: http.StatusBadRequest, SignIn: http.StatusUnauthorized, Forbidden: http.StatusForbidden,
	NotFound: http.StatusNotFound, WrongMethod: http.StatusMethodNotAllowed, Busy: http.StatusTooManyRequests,
	Unavailable: http.StatusServiceUnavailable,
}

func (e *Error) Error() string { return e.Message }

// errCut says that the answer ended before it was whole.
var errCut = errors.New("the answer was cut off before its end: the server stopped, or ran into an error that its log tells")

// flushEvery is how long an item may wait for others to share a write with.
const flushEvery = 50 * time.Millisecond

// answer makes a handler of a question. f may be cancelled through its context when whoever asked has gone; what it emits is
// written as fast as it is read, no faster.
func answer[Q, Item, End any](f func(ctx context.Context, q Q, emit func(Item) error) (End, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var q Q
		if err := readQuestion(w, r, &q); err != nil {
			fail(w, r, err)
			return
		}
		reply(w, r, func(emit func(Item) error) (End, error) { return f(r.Context(), q, emit) })
	}
}

// reply writes what f emits and how it ends.
func reply[Item, End any](w http.ResponseWriter, r *http.Request, f func(emit func(Item) error) (End, error)) {
	out := newOutput(w, r)
	end, err := f(func(item Item) error { return out.put("item", item) })
	if err == nil {
		err = out.put("end", end)
	}
	if err != nil {
		out.fail(errorOf(r.Context(), err))
	}
	out.close()
}

// fail answers with an error alone.
func fail(w http.ResponseWriter, r *http.Request, err error) {
	reply(w, r, func(func(nothing) error) (nothing, error) { return nothing{}, err })
}

// errorOf is what whoever asked is told of an error. What ended the question counts, not what broke for it.
func errorOf(ctx context.Context, err error) *Error {
	e := new(Error)
	if ctx.Err() != nil && errors.As(context.Cause(ctx), &e) || errors.As(err, &e) {
		return e
	}
	return &Error{KindOf(err), err.Error()}
}

// output is where an answer is written.
type output interface {
	put(name string, v any) error
	fail(*Error)
	close()
}

func newOutput(w http.ResponseWriter, r *http.Request) output {
	w.Header().Set("Vary", "Accept")
	if accept := strings.Join(r.Header.Values("Accept"), ","); strings.Contains(accept, "application/json") && !strings.Contains(accept, "application/x-ndjson") {
		return &piece{w: w}
	}
	return newLines(w, r)
}

// refuse writes the status of an answer that is an error.
func refuse(w http.ResponseWriter, e *Error) {
	status, ok := statuses[e.Kind]
	if !ok {
		status = http.StatusInternalServerError
	}
	switch e.Kind {
	case Busy:
		w.Header().Set("Retry-After", "1")
	case SignIn:
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	w.WriteHeader(status)
}

// lines writes lines of JSON and passes them on soon, but not one by one.
type lines struct {
	mu       sync.Mutex // w, begun, dirty and last
	w        http.ResponseWriter
	patience time.Duration // how long a write may wait; 0: for ever
	begun    bool
	dirty    bool
	last     time.Time // of a line
	stop     chan struct{}
	done     chan struct{}
}

func newLines(w http.ResponseWriter, r *http.Request) *lines {
	w.Header().Set("Content-Type", "application/x-ndjson")
	l := &lines{w: w, stop: make(chan struct{}), done: make(chan struct{}), patience: readWithin, last: time.Now()}
	if by := askerOf(r.Context()); by != nil && by.isOwner() {
		l.patience = 0 // a pager may stand still for hours
	}
	if r.URL.Path == api+"tail" || r.URL.Path == api+"findings/tail" {
		l.last = l.last.Add(flushEvery - beatEvery) // whoever waits for events learns soon that the wait has begun
	}
	go func() {
		defer close(l.done)
		t := time.NewTicker(flushEvery)
		defer t.Stop()
		for {
			select {
			case <-t.C:
				l.flush()
			case <-l.stop:
				return
			}
		}
	}()
	return l
}

// beatEvery is how long an answer is silent before it says that it goes on.
const beatEvery = 10 * time.Second

func (l *lines) flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := time.Now(); now.Sub(l.last) >= beatEvery {
		// Of a line that does not get through the next one tells.
		_ = l.write("beat", now.UTC().AppendFormat(nil, `"`+time.RFC3339+`"`))
	}
	if l.dirty {
		l.dirty = false
		l.hurry()
		http.NewResponseController(l.w).Flush()
	}
}

// hurry ends the connection of whoever does not read on.
func (l *lines) hurry() {
	if l.patience > 0 {
		// A connection that knows no deadlines is one within this process.
		_ = http.NewResponseController(l.w).SetWriteDeadline(time.Now().Add(l.patience))
	}
}

func (l *lines) put(name string, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.write(name, text)
}

func (l *lines) write(name string, text []byte) error {
	l.begun, l.dirty, l.last = true, true, time.Now()
	l.hurry()
	_, err := fmt.Fprintf(l.w, "{%q:%s}\n", name, text)
	return err
}

func (l *lines) fail(e *Error) {
	l.mu.Lock()
	if !l.begun {
		refuse(l.w, e)
	}
	l.mu.Unlock()
	// Whoever does not get the error sees that the end is missing.
	_ = l.put("error", e)
}

// close ends the writing; net/http sends the rest when the handler returns.
func (l *lines) close() {
	close(l.stop)
	<-l.done
}

// piece holds an answer until it is whole.
type piece struct {
	w     http.ResponseWriter
	items bytes.Buffer
	n     int
	end   []byte
}

func (p *piece) put(name string, v any) error {
	text, err := json.Marshal(v)
	switch {
	case err != nil:
		return err
	case name == "end":
		p.end = text
		return nil
	case name != "item":
		return nil
	case p.n == jsonItems || p.items.Len()+len(text) > jsonBytes:
		return &Error{Limit, fmt.Sprintf("the answer has more than the %d items or %d MiB that one JSON object may have: give a limit, or accept application/x-ndjson, which has none", jsonItems, jsonBytes>>20)}
	}
	if p.n++; p.n > 1 {
		p.items.WriteByte(',')
	}
	p.items.Write(text)
	return nil
}

func (p *piece) fail(e *Error) {
	p.w.Header().Set("Content-Type", "application/json")
	refuse(p.w, e)
	_ = json.NewEncoder(p.w).Encode(map[string]*Error{"error": e})
	p.end = nil
}

func (p *piece) close() {
	if p.end == nil {
		return
	}
	p.w.Header().Set("Content-Type", "application/json")
	_ = http.NewResponseController(p.w).SetWriteDeadline(time.Now().Add(readWithin))
	// Of a write that fails nobody is left to be told.
	fmt.Fprintf(p.w, "{\"items\":[%s],\"end\":%s}\n", p.items.Bytes(), p.end)
}

// ask sends a question and hands each item of the answer to f.
func ask[Item, End any](ctx context.Context, c *Client, name string, question any, f func(Item) error) (End, error) {
	body, err := json.Marshal(question)
	if err != nil {
		var none End
		return none, err
	}
	return send[Item, End](ctx, c, name, bytes.NewReader(body), f)
}

func send[Item, End any](ctx context.Context, c *Client, name string, body io.Reader, f func(Item) error) (end End, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+"/api/v1/"+name, body)
	if err != nil {
		return end, err
	}
	req.Header.Set("User-Agent", "annals/"+buildVersion())
	resp, err := c.http.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return end, context.Cause(ctx)
		}
		var failed *url.Error
		if errors.As(err, &failed) {
			err = failed.Err
		}
		return end, fmt.Errorf("asking the server: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return end, refusal(resp)
	}
	d := json.NewDecoder(resp.Body)
	for {
		var line struct {
			Item  *json.RawMessage `json:"item"`
			End   *json.RawMessage `json:"end"`
			Error *Error           `json:"error"`
			Beat  *time.Time       `json:"beat"`
		}
		if err := d.Decode(&line); err != nil {
			if ctx.Err() != nil {
				return end, context.Cause(ctx)
			}
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				err = errCut
			}
			return end, err
		}
		switch {
		case line.Item != nil:
			var item Item
			if err := json.Unmarshal(*line.Item, &item); err != nil {
				return end, fmt.Errorf("the answer cannot be read: %w; are the command and the server of the same version?", err)
			}
			if err := f(item); err != nil {
				return end, err
			}
		case line.Error != nil:
			return end, line.Error
		case line.End != nil:
			return end, json.Unmarshal(*line.End, &end)
		case line.Beat != nil:
		default:
			return end, errCut
		}
	}
}
