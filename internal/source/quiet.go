package source

import (
	"bytes"
	"context"
	"log/slog"
	"sync"
	"time"
)

// quiet writes a message at most once a minute for each key, and says how often it was held back: whoever sends garbage
// must not fill the log.
type quiet struct {
	log *slog.Logger
	now func() time.Time

	mu   sync.Mutex
	seen map[string]*said
}

type said struct {
	at   time.Time
	held int
}

const (
	quietFor  = time.Minute
	quietKeys = 1024
)

func newQuiet(log *slog.Logger) *quiet {
	return &quiet{log: log, now: time.Now, seen: make(map[string]*said)}
}

func (q *quiet) warn(key, msg string, args ...any) {
	q.mu.Lock()
	now := q.now()
	s := q.seen[key]
	if s != nil && now.Sub(s.at) < quietFor {
		s.held++
		q.mu.Unlock()
		return
	}
	if s == nil {
		if len(q.seen) >= quietKeys {
			clear(q.seen)
		}
		s = &said{}
		q.seen[key] = s
	}
	held := s.held
	s.at, s.held = now, 0
	q.mu.Unlock()
	if held > 0 {
		args = append(args, "repeated", held)
	}
	q.log.WarnContext(context.Background(), msg, args...)
}

// Write takes the lines that net/http logs by itself, failed handshakes above all. The key is what follows the address.
func (q *quiet) Write(line []byte) (int, error) {
	msg := string(bytes.TrimSpace(line))
	key := msg
	if i := bytes.LastIndex([]byte(msg), []byte(": ")); i >= 0 {
		key = msg[i:]
	}
	q.warn(key, "webhook: "+msg)
	return len(line), nil
}
