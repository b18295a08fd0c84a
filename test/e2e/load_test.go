package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/client-go/rest"
)

// load makes requests without pause, through whatever happens, and remembers which were answered. Each has an audit ID of its
// own.
type load struct {
	t    *testing.T
	hc   *http.Client
	url  string
	stop context.CancelFunc
	done sync.WaitGroup
	made atomic.Int64
	good atomic.Int64 // that were answered as they should be

	mu       sync.Mutex
	answered map[string]int // code by audit ID, of every request whose answer came whole
}

// startLoad makes configmaps and deletes them, as many at a time as there are workers.
func startLoad(t *testing.T, as *rest.Config, ns string, workers int) *load {
	t.Helper()
	as = rest.CopyConfig(as)
	as.Timeout = 30 * time.Second
	hc, err := rest.HTTPClientFor(as)
	must(t, err)
	l := &load{t: t, hc: hc, url: as.Host + "/api/v1/namespaces/" + ns + "/configmaps", answered: make(map[string]int)}
	ctx, stop := context.WithCancel(context.Background())
	l.stop = stop
	for n := range workers {
		l.done.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				name := fmt.Sprintf("load-%d-%d", n, i)
				body, err := json.Marshal(map[string]any{"metadata": map[string]any{"name": name}, "data": map[string]any{"of": name}})
				if err != nil {
					t.Error(err)
					return
				}
				if l.request(http.MethodPost, l.url, body) {
					l.request(http.MethodDelete, l.url+"/"+name, nil)
				}
			}
		})
	}
	t.Cleanup(l.end)
	return l
}

// request makes one, and reports whether it was answered well.
func (l *load) request(method, url string, body []byte) bool {
	id := fmt.Sprintf("load-%d", l.made.Add(1))
	req, err := http.NewRequest(method, url, bytes.NewReader(body))
	if err != nil {
		l.t.Error(err)
		return false
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Audit-ID", id)
	resp, err := l.hc.Do(req)
	if err != nil {
		time.Sleep(5 * time.Millisecond) // nobody listens: ask less often
		return false
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answered[id] = resp.StatusCode
	if resp.StatusCode >= 300 {
		return false
	}
	l.good.Add(1)
	return true
}

// more waits until n more requests have been answered well.
func (l *load) more(n int64) {
	l.t.Helper()
	from := l.good.Load()
	eventually(l.t, "requests are answered", func() error {
		if did := l.good.Load() - from; did < n {
			return fmt.Errorf("%d of %d", did, n)
		}
		return nil
	})
}

// end ends the load. It may be called again.
func (l *load) end() {
	l.stop()
	l.done.Wait()
}

// answers are the codes of all requests that were answered so far, by audit ID.
func (l *load) answers() map[string]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.answered)
}
