package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"annals.dev/internal/access"
)

// bomb is a statement that would take for ever: it joins the events with themselves again and again.
var bomb = "/api/v1/sql?statement=" + url.QueryEscape("SELECT count(*) FROM range(1000000) a, range(1000000) b, range(1000000) c WHERE a.range + b.range = c.range")

// A statement that takes too long is ended, and says so; others search meanwhile.
func TestTimeIsLimited(t *testing.T) {
	c := newCore(t)
	team(t, c)
	c.limits.time = 2 * time.Second
	srv := serve(t, c)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		resp, text := call(t, srv, "scoped", "GET", bomb, "")
		if resp.StatusCode != 400 || !strings.Contains(text, `"kind":"limit"`) || !strings.Contains(text, "export") {
			t.Errorf("the bomb: %d %s", resp.StatusCode, text)
		}
	}()
	eventually(t, "the bomb is not asked", func() bool { return c.limits.answering() == 1 })
	for range 5 {
		if resp, text := call(t, srv, "reader", "GET", "/api/v1/events?query=verb:create&limit=5", ""); resp.StatusCode != 200 || !strings.Contains(text, `"returned":5`) {
			t.Errorf("a search beside the bomb: %d %s", resp.StatusCode, text)
		}
	}
	<-ended
	if resp, text := call(t, srv, "scoped", "GET", "/api/v1/sql?statement=SELECT+1", ""); resp.StatusCode != 200 {
		t.Errorf("a statement after the bomb: %d %s", resp.StatusCode, text)
	}
}

// The slow statements of one caller keep each other waiting, and nobody else's.
func TestStatementsOfOthersGoOn(t *testing.T) {
	c := newCore(t)
	team(t, c)
	srv := serve(t, c)
	ctx, cancel := context.WithCancel(t.Context())
	var bombs sync.WaitGroup
	for range 4 {
		bombs.Go(func() {
			r, err := http.NewRequestWithContext(ctx, "GET", srv.URL+bomb, nil)
			if err != nil {
				t.Error(err)
				return
			}
			r.Header.Set("X-Test", "scoped")
			if resp, err := srv.Client().Do(r); err == nil {
				resp.Body.Close()
			}
		})
	}
	eventually(t, "the bombs are not asked", func() bool { return c.limits.answering() == 4 })
	if resp, text := call(t, srv, "reader", "GET", "/api/v1/sql?statement=SELECT+1", ""); resp.StatusCode != 200 {
		t.Errorf("another's statement: %d %s", resp.StatusCode, text)
	}
	if n := c.limits.answering(); n != 4 {
		t.Errorf("%d of the 4 bombs are still being answered", n)
	}
	cancel()
	bombs.Wait()
}

// A statement that needs too much memory is ended, and says so.
func TestMemoryIsLimited(t *testing.T) {
	c := newCore(t)
	team(t, c)
	srv := serve(t, c)
	greedy := url.QueryEscape("SELECT list(a.range * b.range) FROM range(30000) a, range(30000) b")
	resp, text := call(t, srv, "reader", "GET", "/api/v1/sql?statement="+greedy, "")
	if resp.StatusCode != 400 || !strings.Contains(text, `"kind":"limit"`) || !strings.Contains(text, "MiB") {
		t.Errorf("%d %.500s", resp.StatusCode, text)
	}
}

// Closing the connection ends the work.
func TestGoneMeansCancelled(t *testing.T) {
	c := newCore(t)
	team(t, c)
	srv := serve(t, c)
	for _, method := range []string{"GET", "POST"} {
		ctx, cancel := context.WithCancel(t.Context())
		path, body := bomb, ""
		if method == "POST" {
			statement, err := url.QueryUnescape(strings.TrimPrefix(bomb, "/api/v1/sql?statement="))
			if err != nil {
				t.Fatal(err)
			}
			path, body = "/api/v1/sql", fmt.Sprintf(`{"statement":%q}`, statement)
		}
		req, err := http.NewRequestWithContext(ctx, method, srv.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Test", "reader")
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			if resp, err := srv.Client().Do(req); err == nil {
				resp.Body.Close()
				t.Errorf("%s: an answer: %d", method, resp.StatusCode)
			}
		}()
		eventually(t, "the statement is not asked", func() bool { return c.limits.answering() == 1 })
		cancel()
		<-ended
		eventually(t, method+": the statement goes on though nobody waits for it", func() bool { return c.limits.answering() == 0 })
		// The next one gets its turn.
		if resp, text := call(t, srv, "reader", "GET", "/api/v1/sql?statement=SELECT+1", ""); resp.StatusCode != 200 {
			t.Errorf("%s: the next statement: %d %s", method, resp.StatusCode, text)
		}
	}
}

// One caller cannot take all places, and whoever finds none is told when to come again.
func TestQuestionsAtOnce(t *testing.T) {
	c := newCore(t)
	team(t, c)
	srv := serve(t, c)
	ctx, cancel := context.WithCancel(t.Context())
	var tails sync.WaitGroup
	for range callerQuestions {
		tails.Go(func() {
			req, err := http.NewRequestWithContext(ctx, "GET", srv.URL+"/api/v1/tail", nil)
			if err != nil {
				t.Error(err)
				return
			}
			req.Header.Set("X-Test", "reader")
			resp, err := srv.Client().Do(req)
			if err != nil {
				t.Error(err)
				return
			}
			<-ctx.Done()
			resp.Body.Close()
		})
	}
	eventually(t, "the tails have not begun", func() bool { return c.limits.answering() == callerQuestions })
	resp, text := call(t, srv, "reader", "GET", "/api/v1/me", "")
	if resp.StatusCode != 429 || resp.Header.Get("Retry-After") == "" || !strings.Contains(text, `"kind":"busy"`) {
		t.Errorf("one more: %d %v %s", resp.StatusCode, resp.Header, text)
	}
	if resp, text := call(t, srv, "auditor", "GET", "/api/v1/me", ""); resp.StatusCode != 200 {
		t.Errorf("somebody else: %d %s", resp.StatusCode, text)
	}
	cancel()
	tails.Wait()
	eventually(t, "the tails go on", func() bool { return c.limits.answering() == 0 })
	if resp, text := call(t, srv, "reader", "GET", "/api/v1/me", ""); resp.StatusCode != 200 {
		t.Errorf("afterwards: %d %s", resp.StatusCode, text)
	}
}

// All together have their limit, too, which does not hold the owner off.
func TestAllQuestions(t *testing.T) {
	var l limits
	ctx, cancel := context.WithCancel(t.Context())
	var leave []func()
	for n := range allQuestions {
		out, err := l.enter(ctx, &asker{Caller: access.Caller{Name: fmt.Sprint("user", n%5), TokenID: fmt.Sprint(n % 5), Role: access.Reader}})
		if err != nil {
			t.Fatal(n, err)
		}
		leave = append(leave, out)
	}
	owner, err := l.enter(ctx, &asker{Caller: access.Caller{Name: "owner", Role: access.Admin}})
	if err != nil {
		t.Fatal(err)
	}
	owner()
	waited := make(chan error)
	go func() {
		_, err := l.enter(ctx, &asker{Caller: access.Caller{Name: "one more", TokenID: "x", Role: access.Reader}})
		waited <- err
	}()
	leave[0]()
	if err := <-waited; err != nil {
		t.Errorf("a place that became free: %v", err)
	}
	cancel()
	if _, err := l.enter(ctx, &asker{Caller: access.Caller{Name: "gone", TokenID: "y", Role: access.Reader}}); err == nil {
		t.Error("somebody who has gone is let in")
	}
}

// Nobody fills the disk with questions, each of which is on record; others go on asking.
func TestRecordBudget(t *testing.T) {
	var l limits
	who := func(name string) *asker {
		return &asker{Caller: access.Caller{Name: name, TokenID: name, Role: access.Reader}}
	}
	spent := 0
	for {
		spend, err := l.record(who("loud"))
		if err != nil {
			if said := new(Error); !errors.As(err, &said) || said.Kind != Busy {
				t.Errorf("got %v", err)
			}
			break
		}
		if spent += 1 << 20; spent > 2*recordedAtOnce {
			t.Fatal("there is no end to it")
		}
		spend(1 << 20)
	}
	for _, by := range []*asker{who("other"), {Caller: access.Caller{Name: "owner", Role: access.Admin}}, nil} {
		if _, err := l.record(by); err != nil {
			t.Errorf("%+v: %v", by, err)
		}
	}
}

// An answer of which nothing is read is broken off, and so is the work for it.
func TestNobodyReads(t *testing.T) {
	big := strings.Repeat("x", 64<<10)
	for name, write := range map[string]func(w http.ResponseWriter, r *http.Request) error{
		"lines": func(w http.ResponseWriter, r *http.Request) error {
			l := newLines(w, r)
			defer l.close()
			l.patience = 200 * time.Millisecond
			for {
				if err := l.put("item", big); err != nil {
					return err
				}
			}
		},
		"file": func(w http.ResponseWriter, r *http.Request) error {
			out := &patient{w, 200 * time.Millisecond}
			for {
				if _, err := out.Write([]byte(big)); err != nil {
					return err
				}
			}
		},
	} {
		ended := make(chan error, 1)
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { ended <- write(w, r) }))
		conn, err := net.Dial("tcp", srv.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write([]byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")); err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-ended:
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("%s: %v", name, err)
			}
		case <-time.After(20 * time.Second):
			t.Errorf("%s: it is written for ever", name)
		}
		conn.Close()
		srv.Close()
	}
}
