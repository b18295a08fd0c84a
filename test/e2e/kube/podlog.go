package kube

import (
	"context"
	"net/http"
	"sync"
)

// logs is what containers have said, which can be followed.
type logs struct {
	mu    sync.Mutex
	said  map[string]string // by namespace/pod
	ended bool
	more  chan struct{} // closed, and replaced, when something changes
}

func newLogs() *logs { return &logs{said: make(map[string]string), more: make(chan struct{})} }

func (l *logs) add(pod, text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.said[pod] += text
	l.change()
}

func (l *logs) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	l.change()
}

func (l *logs) change() {
	close(l.more)
	l.more = make(chan struct{})
}

func (l *logs) serve(ctx context.Context, w http.ResponseWriter, pod string, follow bool) {
	flush := http.NewResponseController(w).Flush
	for sent := 0; ; {
		l.mu.Lock()
		text, over, more := l.said[pod], l.ended || !follow, l.more
		l.mu.Unlock()
		if _, err := w.Write([]byte(text[sent:])); err != nil || flush() != nil || over {
			return
		}
		sent = len(text)
		select {
		case <-more:
		case <-ctx.Done():
			return
		}
	}
}
