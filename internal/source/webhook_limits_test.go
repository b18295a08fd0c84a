package source

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"annals.dev/internal/ledger"
)

func TestLedgerRefuses(t *testing.T) {
	for _, c := range []struct {
		err   error
		want  int
		after string
	}{
		{ledger.ErrBusy, 429, "2"},
		{fmt.Errorf("wrapped: %w", ledger.ErrBusy), 429, "2"},
		{ledger.ErrFull, 503, "15"},
		{ledger.ErrFailed, 503, "30"},
		{ledger.ErrClosed, 503, "5"},
		{errors.New("something else"), 503, "30"},
	} {
		l := &fakeLedger{fail: c.err}
		w := NewWebhook(WebhookConfig{Access: anyone("prod"), Ledger: l, Log: new(testLog).logger()})
		rec := httptest.NewRecorder()
		w.ServeHTTP(rec, httptest.NewRequest("POST", "/v1/audit/prod", strings.NewReader(list(item(1)))))
		if rec.Code != c.want || rec.Header().Get("Retry-After") != c.after {
			t.Errorf("%v: %d, Retry-After %q; want %d, %q", c.err, rec.Code, rec.Header().Get("Retry-After"), c.want, c.after)
		}
	}
}

// A body of several chunks, of which the ledger takes the first only, comes again and is whole then.
func TestPartlyAppended(t *testing.T) {
	var items []string
	for n := range 5000 {
		items = append(items, item(n))
	}
	body := list(items...)
	l := &fakeLedger{fail: ledger.ErrBusy, failAt: 2}
	w := NewWebhook(WebhookConfig{Access: anyone("prod"), Ledger: l, Log: new(testLog).logger()})
	post := func() int {
		rec := httptest.NewRecorder()
		w.ServeHTTP(rec, httptest.NewRequest("POST", "/v1/audit/prod", strings.NewReader(body)))
		return rec.Code
	}
	if code := post(); code != 429 {
		t.Fatalf("%d, want 429", code)
	}
	if n := len(l.of("prod")); n == 0 || n >= 5000 {
		t.Fatalf("%d events after half a delivery", n)
	}
	l.set(nil)
	if code := post(); code != 200 {
		t.Fatalf("%d, want 200", code)
	}
	if d := cmp.Diff(ids(0, 5000), l.of("prod")); d != "" {
		t.Error(d)
	}
}

func TestTooLarge(t *testing.T) {
	l := new(fakeLedger)
	w := NewWebhook(WebhookConfig{Access: anyone("prod"), Ledger: l, Log: new(testLog).logger()})
	// Declared.
	r := httptest.NewRequest("POST", "/v1/audit/prod", strings.NewReader("{}"))
	r.ContentLength = maxBody + 1
	rec := httptest.NewRecorder()
	w.ServeHTTP(rec, r)
	if rec.Code != 413 || !strings.Contains(rec.Body.String(), "268435456") {
		t.Errorf("declared: %d %s", rec.Code, rec.Body)
	}
	// Not declared, plain and compressed; the limit counts what comes out.
	w.largest = 1 << 20
	r = httptest.NewRequest("POST", "/v1/audit/prod", io.LimitReader(spaces{}, w.largest+1))
	r.ContentLength = -1
	rec = httptest.NewRecorder()
	w.ServeHTTP(rec, r)
	if rec.Code != 413 {
		t.Errorf("undeclared: %d %s", rec.Code, rec.Body)
	}
	r = httptest.NewRequest("POST", "/v1/audit/prod", strings.NewReader(zipped(strings.Repeat(" ", 1<<20+1))))
	r.Header.Set("Content-Encoding", "gzip")
	rec = httptest.NewRecorder()
	w.ServeHTTP(rec, r)
	if rec.Code != 413 {
		t.Errorf("compressed: %d %s", rec.Code, rec.Body)
	}
	rec = httptest.NewRecorder()
	w.ServeHTTP(rec, httptest.NewRequest("POST", "/v1/audit/prod", io.MultiReader(strings.NewReader(list(item(1))), io.LimitReader(spaces{}, 1<<20-2000))))
	if rec.Code != 200 {
		t.Errorf("just below: %d %s", rec.Code, rec.Body)
	}
}

type spaces struct{}

func (spaces) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = ' '
	}
	return len(b), nil
}

// A body that the network cut is no cut event: nothing of its last item may be acknowledged or kept.
func TestBodyBreaksOff(t *testing.T) {
	l := new(fakeLedger)
	w := NewWebhook(WebhookConfig{Access: anyone("prod"), Ledger: l, Log: new(testLog).logger()})
	whole := list(item(1), item(2))
	half := io.MultiReader(strings.NewReader(whole[:len(whole)-100]), failing{io.ErrUnexpectedEOF})
	rec := httptest.NewRecorder()
	w.ServeHTTP(rec, httptest.NewRequest("POST", "/v1/audit/prod", half))
	if rec.Code != 400 {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
	for _, e := range l.all() {
		if e.id != id(1) || e.bytes != item(1) {
			t.Errorf("kept %+v", e)
		}
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestHealth(t *testing.T) {
	var ready error
	w := NewWebhook(WebhookConfig{Ready: func() error { return ready }, Log: new(testLog).logger()})
	get := func(path string) (int, string) {
		rec := httptest.NewRecorder()
		w.ServeHTTP(rec, httptest.NewRequest("GET", path, nil))
		return rec.Code, rec.Body.String()
	}
	for _, path := range []string{"/healthz", "/readyz"} {
		if code, text := get(path); code != 200 || text != "ok\n" {
			t.Errorf("%s: %d %q", path, code, text)
		}
	}
	ready = ledger.ErrFull
	if code, text := get("/readyz"); code != 503 || !strings.Contains(text, "disk is full") {
		t.Errorf("/readyz: %d %q", code, text)
	}
	if code, _ := get("/healthz"); code != 200 {
		t.Errorf("/healthz: %d while the disk is full", code)
	}
	ready = nil
	w.draining.Store(true)
	if code, _ := get("/readyz"); code != 503 {
		t.Errorf("/readyz: %d while draining", code)
	}
}

// blocking takes a batch only when it is let.
type blocking struct {
	fakeLedger
	entered, release chan struct{}
}

func (b *blocking) Append(ctx context.Context, batch ledger.Batch) (ledger.Receipt, error) {
	b.entered <- struct{}{}
	<-b.release
	return b.fakeLedger.Append(ctx, batch)
}

func TestShutdownDrains(t *testing.T) {
	l := &blocking{entered: make(chan struct{}), release: make(chan struct{})}
	s := serve(t, func(c *WebhookConfig) { c.Ledger = l })
	c := s.client(t, nil)
	answered := make(chan int)
	go func() {
		resp, _ := s.post(t, c, "/v1/audit/prod", s.token, strings.NewReader(list(item(1))))
		answered <- resp.StatusCode
	}()
	<-l.entered
	s.stop()
	close(l.release)
	if code := <-answered; code != 200 {
		t.Errorf("%d for a request that was open at shutdown", code)
	}
	if d := cmp.Diff(ids(1, 2), l.of("prod")); d != "" {
		t.Error(d)
	}
	// The listener is closed.
	err := <-s.ended
	s.ended <- err
	if _, err := s.client(t, nil).Get(s.url + "/healthz"); err == nil {
		t.Error("it still answers")
	}
}

func TestGateFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &blocking{entered: make(chan struct{}, 2*maxPerOrigin), release: make(chan struct{})}
		w := NewWebhook(WebhookConfig{Access: anyone("prod"), Ledger: l, Log: new(testLog).logger()})
		codes := make(chan int, 2*maxPerOrigin)
		post := func(path string) {
			rec := httptest.NewRecorder()
			w.ServeHTTP(rec, httptest.NewRequest("POST", path, strings.NewReader(list(item(1)))))
			if rec.Code == 429 && rec.Header().Get("Retry-After") == "" {
				t.Error("429 without Retry-After")
			}
			codes <- rec.Code
		}
		for range maxPerOrigin + 1 {
			go post("/v1/audit/prod/cp-1")
		}
		synctest.Wait()
		time.Sleep(waitForRoom + time.Second) // synctest's time
		if code := <-codes; code != 429 {
			t.Errorf("%d, want 429", code)
		}
		// Another API server of the cluster is not kept out.
		go post("/v1/audit/prod/cp-2")
		synctest.Wait()
		if n := len(l.entered); n != maxPerOrigin+1 {
			t.Errorf("%d requests at the ledger, want %d", n, maxPerOrigin+1)
		}
		close(l.release)
		for range maxPerOrigin + 1 {
			if code := <-codes; code != 200 {
				t.Errorf("%d, want 200", code)
			}
		}
		if n := len(w.gate.origins); n != 0 {
			t.Errorf("%d origins are remembered", n)
		}
	})
}

func TestQuiet(t *testing.T) {
	var log testLog
	q := newQuiet(log.logger())
	now := time.Now()
	q.now = func() time.Time { return now }
	for range 100 {
		q.warn("k", "noise")
	}
	now = now.Add(quietFor)
	q.warn("k", "noise")
	if n := strings.Count(log.String(), "noise"); n != 2 || !strings.Contains(log.String(), "repeated=99") {
		t.Errorf("%d lines: %s", n, &log)
	}
	for n := range 3 * quietKeys {
		q.warn(fmt.Sprint(n), "many")
	}
	if len(q.seen) > quietKeys {
		t.Errorf("%d keys are remembered", len(q.seen))
	}
}

func FuzzWebhook(f *testing.F) {
	f.Add([]byte(list(item(1), item(2))), false)
	f.Add([]byte(list(item(1))[:300]), false)
	f.Add([]byte(lines(1, 3)), true)
	f.Add([]byte("\x1f\x8b\x08"), true)
	f.Add([]byte(`{"items":[{`), false)
	f.Fuzz(func(t *testing.T, body []byte, zipped bool) {
		l := new(fakeLedger)
		w := NewWebhook(WebhookConfig{Access: anyone("prod"), Ledger: l, Log: new(testLog).logger()})
		r := httptest.NewRequest("POST", "/v1/audit/prod", bytes.NewReader(body))
		if zipped {
			r.Header.Set("Content-Encoding", "gzip")
		}
		rec := httptest.NewRecorder()
		w.ServeHTTP(rec, r)
		if rec.Code < 200 || rec.Code >= 500 {
			t.Errorf("%d %s", rec.Code, rec.Body)
		}
		if !zipped && len(body) > 0 && rec.Code != 200 {
			t.Errorf("%d %s", rec.Code, rec.Body)
		}
	})
}
