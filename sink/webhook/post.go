package webhook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/gzip"

	"annals.dev/sink"
)

// StatusError is an answer by which the receiver did not take the events.
type StatusError struct {
	Server string // host and port
	Status int
	Answer string        // its first bytes, without credentials
	After  time.Duration // when to try again, as the receiver said; 0 if it did not, a minute at most
}

func (e *StatusError) Error() string {
	return fmt.Sprintf("webhook %s answered %s", e.Server, e.reason())
}

func (e *StatusError) reason() string {
	s := strings.TrimSpace(strconv.Itoa(e.Status) + " " + http.StatusText(e.Status))
	if e.Answer != "" {
		s += ": " + e.Answer
	}
	return s
}

// final says whether the same body will get the same answer again. Not those of access and of paths: an operator mends them.
func (e *StatusError) final() bool {
	switch e.Status {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity:
		return true
	}
	return false
}

// refused makes a *sink.RefusedError of an error that will come again.
func refused(err error) error {
	if s, ok := errors.AsType[*StatusError](err); ok && s.final() {
		return fmt.Errorf("webhook %s: %w", s.Server, &sink.RefusedError{Reason: s.reason()})
	}
	if errors.Is(err, errInvalid) {
		return fmt.Errorf("webhook: %w", &sink.RefusedError{Reason: err.Error()})
	}
	return err
}

const (
	answerSize     = 512         // of an answer, at most, is in an error
	drainSize      = 64 << 10    // of an answer, at most, is read so that the connection serves again
	mostRetryAfter = time.Minute // a receiver cannot ask for more
)

// post makes one request, when there is a slot for it.
func (w *Webhook) post(ctx context.Context, b body, encoding string) error {
	if err := w.slots.Acquire(ctx, 1); err != nil {
		return fmt.Errorf("webhook %s: %w", w.to.url.Host, context.Cause(ctx))
	}
	defer w.slots.Release(1)
	var said atomic.Pointer[string]
	req, err := http.NewRequestWithContext(context.WithValue(ctx, noteKey{}, &said), http.MethodPost, w.to.url.String(), bytes.NewReader(b.bytes))
	if err != nil {
		return fmt.Errorf("webhook %s: the request cannot be made", w.to.url.Host) // its error shows the URL
	}
	req.Header.Set("Content-Type", "application/json")
	if !b.json {
		req.Header.Set("Content-Type", "application/octet-stream")
	}
	if encoding != "" {
		req.Header.Set("Content-Encoding", encoding)
	}
	req.Header.Set("Accept", "application/json, */*")
	resp, err := w.to.client.Do(req)
	if err != nil {
		if shown, ok := errors.AsType[*url.Error](err); ok {
			err = shown.Err // without the URL, which may hold a token
		}
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return fmt.Errorf("webhook %s: %w", w.to.url.Host, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 200 && resp.StatusCode <= 206 {
		io.CopyN(io.Discard, resp.Body, drainSize) // the status says it all
		return nil
	}
	answer, _ := io.ReadAll(io.LimitReader(resp.Body, drainSize))
	secrets := w.to.secrets
	if h := said.Load(); h != nil {
		secrets = append(secrets[:len(secrets):len(secrets)], *h)
	}
	return &StatusError{
		Server: w.to.url.Host, Status: resp.StatusCode, Answer: presentable(answer, secrets), After: retryAfter(resp),
	}
}

// presentable is how an answer begins, in one line, without what a receiver might repeat of the request: it is cut at the end, so
// that a credential is not cut first and then not known.
func presentable(b []byte, secrets []string) string {
	s := strings.ToValidUTF8(string(b), "\uFFFD")
	for _, secret := range secrets {
		for _, word := range append(strings.Fields(secret), secret) {
			if len(word) >= 4 && !strings.EqualFold(word, "bearer") && !strings.EqualFold(word, "basic") {
				s = strings.ReplaceAll(s, word, "[hidden]")
			}
		}
	}
	s = strings.Join(strings.Fields(s), " ")
	s = strings.Map(func(r rune) rune {
		if strconv.IsPrint(r) {
			return r
		}
		return '\uFFFD'
	}, s)
	return strings.ToValidUTF8(s[:min(len(s), answerSize)], "")
}

func retryAfter(resp *http.Response) time.Duration {
	if resp.StatusCode != http.StatusTooManyRequests && resp.StatusCode < 500 {
		return 0
	}
	h := resp.Header.Get("Retry-After")
	var d time.Duration
	if n, err := strconv.Atoi(h); err == nil {
		d = time.Duration(min(n, int(mostRetryAfter/time.Second))) * time.Second
	} else if at, err := http.ParseTime(h); err == nil {
		d = time.Until(at)
	}
	return min(max(d, 0), mostRetryAfter)
}

// noting remembers which credentials a request had, so that no error shows them. It stands beneath those who add them.
type noting struct{ http.RoundTripper }

type noteKey struct{}

func (n *noting) RoundTrip(r *http.Request) (*http.Response, error) {
	if said, ok := r.Context().Value(noteKey{}).(*atomic.Pointer[string]); ok {
		h := r.Header.Get("Authorization")
		said.Store(&h)
	}
	return n.RoundTripper.RoundTrip(r)
}

var gzips = sync.Pool{New: func() any { return gzip.NewWriter(nil) }}

func compress(to io.Writer, b []byte) error {
	z := gzips.Get().(*gzip.Writer)
	defer func() {
		z.Reset(nil)
		gzips.Put(z)
	}()
	z.Reset(to)
	if _, err := z.Write(b); err != nil {
		return err
	}
	return z.Close()
}
