package alert

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestLiars delivers to receivers that fail, hang or lie: each finding arrives, and once where the receiver honours the key.
func TestLiars(t *testing.T) {
	hijack := func(w http.ResponseWriter, say string) {
		c, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		_, _ = c.Write([]byte(say))
		_ = c.Close()
	}
	for _, c := range []struct {
		name   string
		answer func(n int, w http.ResponseWriter, r *http.Request)
		tries  int // of the first message
	}{
		{"fails three times", func(n int, w http.ResponseWriter, _ *http.Request) {
			if n < 3 {
				w.WriteHeader(http.StatusBadGateway)
			}
		}, 4},
		{"drops the connection before it answers", func(n int, w http.ResponseWriter, _ *http.Request) {
			if n < 2 {
				hijack(w, "")
			}
		}, 3},
		{"says half a status line", func(n int, w http.ResponseWriter, _ *http.Request) {
			if n < 1 {
				hijack(w, "HTTP/1.1 20")
			}
		}, 2},
		{"answers 500 after it has taken it", func(n int, w http.ResponseWriter, _ *http.Request) {
			if n < 2 {
				http.Error(w, "sorry", http.StatusInternalServerError)
			}
		}, 3},
		{"says 200 and crashes", func(n int, w http.ResponseWriter, _ *http.Request) {
			hijack(w, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok")
		}, 1},
		{"says 200 and a wrong length", func(n int, w http.ResponseWriter, _ *http.Request) {
			hijack(w, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokokokok")
		}, 1},
		{"answers a body without end", func(n int, w http.ResponseWriter, _ *http.Request) {
			for range 100 {
				if _, err := w.Write(make([]byte, 64<<10)); err != nil {
					return
				}
			}
		}, 1},
		{"answers headers without end", func(n int, w http.ResponseWriter, _ *http.Request) {
			if n < 1 {
				hijack(w, "HTTP/1.1 200 OK\r\nX: "+strings.Repeat("x", 1<<20))
			}
		}, 2},
		{"asks for patience", func(n int, w http.ResponseWriter, _ *http.Request) {
			if n < 2 {
				w.Header().Set("Retry-After", "86400")
				w.WriteHeader(http.StatusTooManyRequests)
			}
		}, 3},
		{"hangs", func(n int, w http.ResponseWriter, r *http.Request) {
			if n < 1 {
				<-r.Context().Done()
			}
		}, 2},
		{"drips its answer", func(n int, w http.ResponseWriter, r *http.Request) {
			if n > 0 {
				return
			}
			c, _, _ := http.NewResponseController(w).Hijack()
			defer c.Close()
			for _, b := range []byte("HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 1000)) {
				if _, err := c.Write([]byte{b}); err != nil {
					return
				}
				time.Sleep(5 * time.Millisecond)
			}
		}, 2},
		{"forbids for a while", func(n int, w http.ResponseWriter, _ *http.Request) {
			if n < 1 {
				w.WriteHeader(http.StatusUnauthorized)
			}
		}, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			v := listen(t, c.answer)
			r := start(t, one("webhook", "timeout: 300ms\nurl: "+v.URL))
			r.source.find(finding(1))
			until(t, "the first outcome", func() bool { return len(r.out.of(Delivered)) == 1 })
			r.source.find(finding(2))
			until(t, "the second outcome", func() bool { return len(r.out.of(Delivered)) == 2 })
			first := 0
			for _, g := range v.all() {
				if g.Key != g.Header.Get("Idempotency-Key") {
					t.Error("the key differs from the header's")
				}
				if g.told.Findings[0].ID == finding(1).ID {
					first++
				}
			}
			for id, n := range v.ids() {
				if n != 1 {
					t.Errorf("finding %s came under %d keys", id, n)
				}
			}
			if len(v.ids()) != 2 || first != c.tries || r.out.of(Delivered)[0].Attempts != c.tries {
				t.Errorf("%d findings, the first %d times, %d attempts; want 2, %d, %d", len(v.ids()), first, r.out.of(Delivered)[0].Attempts, c.tries, c.tries)
			}
		})
	}
}

// TestRefused gives up what will never be taken, and says so.
func TestRefused(t *testing.T) {
	for _, c := range []struct {
		status int
		once   bool
	}{{400, true}, {413, true}, {422, true}, {401, false}, {403, false}, {404, false}, {301, false}, {307, false}} {
		t.Run(fmt.Sprint(c.status), func(t *testing.T) {
			t.Parallel()
			v := listen(t, func(_ int, w http.ResponseWriter, _ *http.Request) { http.Error(w, "no\r\nBcc: x", c.status) })
			r := start(t, one("webhook", "url: "+v.URL))
			r.source.find(finding(1))
			until(t, "the outcome", func() bool { return len(r.out.of(Failed)) == 1 })
			o := r.out.of(Failed)[0]
			if (o.Attempts == 1) != c.once || !strings.Contains(o.Reason, fmt.Sprint(c.status)) || strings.ContainsAny(o.Reason, "\r\n") || !slices.Equal(o.Findings, []string{finding(1).ID}) {
				t.Errorf("%+v", o)
			}
			if s := r.a.Destinations()[0]; s.Failed != 1 || s.Messages != 0 || s.Error == "" {
				t.Errorf("%+v", s)
			}
		})
	}
}

// TestRedirect follows none: no credential reaches another host.
func TestRedirect(t *testing.T) {
	var trapped atomic.Int32
	trap := listen(t, func(int, http.ResponseWriter, *http.Request) { trapped.Add(1) })
	v := listen(t, func(_ int, w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, strings.Replace(trap.URL, "127.0.0.1", "localhost", 1)+"/steal", http.StatusTemporaryRedirect)
	})
	r := start(t, one("webhook", "tokenFile: "+file(t, "t0ken")+"\nurl: "+v.URL))
	r.source.find(finding(1))
	until(t, "the outcome", func() bool { return len(r.out.of(Failed)) == 1 })
	if trapped.Load() != 0 {
		t.Error("the redirect was followed")
	}
	if v.all()[0].Header.Get("Authorization") != "Bearer t0ken" {
		t.Error("the token did not go where it belongs")
	}
}

// TestEcho keeps secrets that a receiver sends back out of the record.
func TestEcho(t *testing.T) {
	v := listen(t, func(_ int, w http.ResponseWriter, r *http.Request) {
		http.Error(w, "bad token: "+r.Header.Get("Authorization")+" "+r.Header.Get("X-Key")+" at "+r.URL.Path, http.StatusBadRequest)
	})
	r := start(t, one("webhook", "tokenFile: "+file(t, "t0ken-s3cret")+"\nheaderFiles: {X-Key: "+file(t, "k3y-s3cret")+"}\nurlFile: "+file(t, v.URL+"/p4th-s3cret")))
	r.source.find(finding(1))
	until(t, "the outcome", func() bool { return len(r.out.of(Failed)) == 1 })
	if o := r.out.of(Failed)[0]; strings.Contains(o.Reason, "s3cret") || !strings.Contains(o.Reason, "(a secret)") {
		t.Errorf("the reason: %s", o.Reason)
	}
}

// TestSecretsAnew reads a token again when it was replaced.
func TestSecretsAnew(t *testing.T) {
	name := file(t, "old")
	v := listen(t, func(_ int, w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer new" {
			must(t, writeFile(name, "new"))
			w.WriteHeader(http.StatusUnauthorized)
		}
	})
	r := start(t, one("webhook", "tokenFile: "+name+"\nurl: "+v.URL))
	r.source.find(finding(1))
	until(t, "the outcome", func() bool { return len(r.out.of(Delivered)) == 1 })
}

// TestHangs tells others while one destination hangs.
func TestHangs(t *testing.T) {
	release := make(chan struct{})
	hung := listen(t, func(_ int, _ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})
	v := listen(t, nil)
	r := start(t, `
destinations:
- {name: hung, kind: webhook, url: "`+hung.URL+`", timeout: 5m}
- {name: fine, kind: webhook, url: "`+v.URL+`", maxPerMinute: 6000}
routes:
- {to: [hung, fine]}
`+soon)
	for i := range 20 {
		r.source.find(finding(i))
	}
	until(t, "all findings at the one that is fine", func() bool { return len(v.ids()) == 20 })
	until(t, "a request at the one that hangs", func() bool { return len(hung.all()) == 1 })
	close(release)
	until(t, "all findings at the one that hung", func() bool { return len(hung.ids()) == 20 })
}

// TestRestart goes on with what was left undone, under the same keys.
func TestRestart(t *testing.T) {
	down := atomic.Bool{}
	down.Store(true)
	v := listen(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
		if down.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	config := one("webhook", "url: "+v.URL)
	r := start(t, config)
	r.source.find(finding(1), finding(2))
	until(t, "an attempt", func() bool { return len(v.all()) > 0 })
	r.stop()
	r.source.find(finding(3)) // while nobody looks
	before := len(v.all())
	down.Store(false)
	r.run(config)
	defer r.stop()
	until(t, "all", func() bool { return len(v.ids()) == 3 })
	until(t, "the outcomes", func() bool { return len(r.out.of(Delivered)) >= 2 })
	if first, again := v.all()[0], v.all()[before]; first.Key != again.Key || string(first.Body) != string(again.Body) {
		t.Errorf("the first message was %s, and then %s", first.Body, again.Body)
	}
	for id, n := range v.ids() {
		if n != 1 {
			t.Errorf("finding %s came under %d keys", id, n)
		}
	}
}

// TestGone says of what waits for a destination that was taken out of the configuration that it was not told.
func TestGone(t *testing.T) {
	v := listen(t, func(_ int, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	r := start(t, one("webhook", "url: "+v.URL))
	r.source.find(finding(1))
	until(t, "an attempt", func() bool { return len(v.all()) > 0 })
	r.stop()
	r.run("{}")
	defer r.stop()
	until(t, "the outcome", func() bool { return len(r.out.of(Failed)) == 1 })
	if o := r.out.of(Failed)[0]; o.Findings[0] != finding(1).ID || !strings.Contains(o.Reason, "no longer configured") {
		t.Errorf("%+v", o)
	}
}

// TestLedgerDown delivers while outcomes cannot be recorded, and records them then.
func TestLedgerDown(t *testing.T) {
	v := listen(t, nil)
	r := start(t, one("webhook", "url: "+v.URL))
	r.out.mu.Lock() // Record waits
	r.source.find(finding(1))
	until(t, "the finding", func() bool { return len(v.ids()) == 1 })
	r.out.mu.Unlock()
	until(t, "the outcome", func() bool { return len(r.out.of(Delivered)) == 1 })
}

// TestTry sends a test message and tells how it went.
func TestTry(t *testing.T) {
	v := listen(t, func(n int, w http.ResponseWriter, _ *http.Request) {
		if n == 1 {
			http.Error(w, "broken", http.StatusInternalServerError)
		}
	})
	r := start(t, one("webhook", "url: "+v.URL))
	must(t, r.a.Test(t.Context(), "it"))
	if err := r.a.Test(t.Context(), "it"); err == nil || !strings.Contains(err.Error(), "broken") {
		t.Errorf("the second: %v", err)
	}
	if err := r.a.Test(t.Context(), "that"); err == nil {
		t.Error("there is no such destination")
	}
	until(t, "the outcomes", func() bool { return len(r.out.of(Delivered)) == 1 && len(r.out.of(Failed)) == 1 })
	if g := v.all()[0]; !strings.HasPrefix(g.Title, "Test: ") {
		t.Errorf("%s", g.Body)
	}
}
