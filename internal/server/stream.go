package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// Every question is a POST with a JSON object, and every answer is lines of JSON, each an object with one member: "item" as
// often as there is something to tell, then "end", or "error" if it failed. An answer without a last line was cut off.

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
)

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
		d := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20))
		d.DisallowUnknownFields()
		if err := d.Decode(&q); err != nil {
			err = &Error{Usage, fmt.Sprintf("the question cannot be read: %v; are the command and the server of the same version?", err)}
			reply(w, func(func(Item) error) (end End, _ error) { return end, err })
			return
		}
		reply(w, func(emit func(Item) error) (End, error) { return f(r.Context(), q, emit) })
	}
}

// reply writes what f emits and how it ends.
func reply[Item, End any](w http.ResponseWriter, f func(emit func(Item) error) (End, error)) {
	out := newLines(w)
	end, err := f(func(item Item) error { return out.put("item", item) })
	if err != nil {
		var e *Error
		if !errors.As(err, &e) {
			e = &Error{KindOf(err), err.Error()}
		}
		out.put("error", e)
	} else {
		out.put("end", end)
	}
	out.close()
}

// lines writes lines of JSON and passes them on soon, but not one by one.
type lines struct {
	mu    sync.Mutex // w and dirty
	w     http.ResponseWriter
	dirty bool
	stop  chan struct{}
	done  chan struct{}
}

func newLines(w http.ResponseWriter) *lines {
	w.Header().Set("Content-Type", "application/x-ndjson")
	l := &lines{w: w, stop: make(chan struct{}), done: make(chan struct{})}
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

func (l *lines) flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dirty {
		l.dirty = false
		http.NewResponseController(l.w).Flush()
	}
}

func (l *lines) put(name string, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dirty = true
	_, err = fmt.Fprintf(l.w, "{%q:%s}\n", name, text)
	return err
}

// close ends the writing; net/http sends the rest when the handler returns.
func (l *lines) close() {
	close(l.stop)
	<-l.done
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
		default:
			return end, errCut
		}
	}
}
