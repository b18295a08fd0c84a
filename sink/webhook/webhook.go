// Package webhook delivers events over HTTP as kube-apiserver's audit webhook does: an EventList in a POST to the server of a
// kubeconfig.
//
// Start with New. It promises: what a receiver gets is byte for byte what kube-apiserver would send; credentials go to
// that server alone, never in clear, and appear in no error; an event that the receiver refuses takes no other with it.
package webhook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
	utilnet "k8s.io/apimachinery/pkg/util/net"

	"annals.dev/sink"
)

// Config is what a Webhook needs.
type Config struct {
	Kubeconfig string // the file; its current context names server, CA and credentials

	// Attempts is how often one batch is tried; 0 is 5, as kube-apiserver. At 1, trying again and finding the event that is refused
	// is left to whoever stands before, which is sink/spool.
	Attempts       int
	InitialBackoff time.Duration // before the second attempt, half as long again before each further; 0 is 10 s
	InFlight       int           // requests at once, at most; 0 is 8
	Timeout        time.Duration // of one request, answer included; 0 is 30 s

	Gzip bool // compress requests; the receiver has to understand it, as annals serve does

	// Verbatim delivers the lines of a log: events keep a leading kind and apiVersion, and what is no event is posted as it is, for
	// a receiver that takes that, as annals serve does.
	Verbatim bool
	// Path changes the path of the server's URL. Optional.
	Path func(string) (string, error)

	Metrics *sink.Metrics // Optional.
	Log     *slog.Logger  // Optional.
}

const (
	defaultAttempts = 5
	defaultBackoff  = 10 * time.Second
	defaultInFlight = 8
	defaultTimeout  = 30 * time.Second
)

// Webhook is the sink.
type Webhook struct {
	cfg    Config
	to     *endpoint
	slots  *semaphore.Weighted
	report sink.Reporter

	// ends ends when the time of Close is over.
	ends   context.Context
	cancel context.CancelFunc

	mu        sync.Mutex
	closed    bool
	notBefore time.Time      // at one attempt: when the receiver asked to be left alone until
	sends     int            // under way
	active    sync.WaitGroup // of them; nothing is added once closed is set
}

// New reads the kubeconfig. Nothing is sent yet.
func New(cfg Config) (*Webhook, error) {
	for _, d := range []struct {
		of *int
		is int
	}{{&cfg.Attempts, defaultAttempts}, {&cfg.InFlight, defaultInFlight}} {
		if *d.of == 0 {
			*d.of = d.is
		}
	}
	if cfg.InitialBackoff == 0 {
		cfg.InitialBackoff = defaultBackoff
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = defaultTimeout
	}
	if cfg.Attempts < 0 || cfg.InFlight < 0 || cfg.InitialBackoff < 0 || cfg.Timeout < 0 {
		return nil, errors.New("webhook: attempts, requests in flight, back-off and timeout cannot be negative")
	}
	to, err := open(cfg.Kubeconfig, cfg.Timeout)
	if err != nil {
		return nil, fmt.Errorf("webhook: %w", err)
	}
	if cfg.Path != nil {
		if to.url.Path, err = cfg.Path(to.url.Path); err != nil {
			return nil, fmt.Errorf("webhook: %s: %w", cfg.Kubeconfig, err)
		}
		to.url.RawPath = ""
	}
	w := &Webhook{
		cfg: cfg, to: to, slots: semaphore.NewWeighted(int64(cfg.InFlight)),
		report: sink.Reporter{Plugin: "webhook", Metrics: cfg.Metrics, Log: cfg.Log},
	}
	w.ends, w.cancel = context.WithCancel(context.Background())
	return w, nil
}

// Send returns nil when the receiver has taken all events. It tries again as the Config says, and returns a
// *sink.PartialError if the receiver has taken some of them, and a *sink.RefusedError if it will never take the rest.
func (w *Webhook) Send(ctx context.Context, events ...[]byte) error {
	if err := w.enter(); err != nil {
		return err
	}
	defer w.leave()
	if len(events) == 0 {
		return nil
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := context.AfterFunc(w.ends, func() { cancel(sink.ErrClosed) })
	defer stop()
	if w.cfg.Attempts == 1 {
		return w.once(ctx, events)
	}
	return w.persist(ctx, events)
}

// once makes one attempt, not before the receiver is ready for it.
func (w *Webhook) once(ctx context.Context, events [][]byte) error {
	w.mu.Lock()
	left := time.Until(w.notBefore)
	w.mu.Unlock()
	if left > 0 {
		select {
		case <-ctx.Done():
			return fmt.Errorf("webhook %s: %w", w.to.url.Host, context.Cause(ctx))
		case <-time.After(left):
		}
	}
	err := w.deliver(ctx, events)
	if s, ok := errors.AsType[*StatusError](err); ok && s.After > 0 {
		w.mu.Lock()
		w.notBefore = time.Now().Add(s.After)
		w.mu.Unlock()
	}
	return refused(err)
}

// Close waits for what is under way until ctx ends, and then cuts it off.
func (w *Webhook) Close(ctx context.Context) error {
	w.mu.Lock()
	again := w.closed
	w.closed = true
	w.mu.Unlock()
	if again {
		return sink.ErrClosed
	}
	done := make(chan struct{})
	go func() {
		w.active.Wait()
		close(done)
	}()
	var err error
	select {
	case <-done:
	case <-ctx.Done():
		w.mu.Lock()
		if w.sends > 0 {
			err = fmt.Errorf("webhook: requests were cut off: %w", context.Cause(ctx))
		}
		w.mu.Unlock()
	}
	w.cancel()
	<-done
	utilnet.CloseIdleConnectionsFor(w.to.base.RoundTripper) // http.Client's own does not look through client-go's wrappers
	return err
}

func (w *Webhook) enter() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return sink.ErrClosed
	}
	w.active.Add(1)
	w.sends++
	return nil
}

func (w *Webhook) leave() {
	w.mu.Lock()
	w.sends--
	w.mu.Unlock()
	w.active.Done()
}

func (w *Webhook) String() string { return "webhook" }

// deliver makes one attempt at all events.
func (w *Webhook) deliver(ctx context.Context, events [][]byte) error {
	var bodies []body
	if w.cfg.Verbatim {
		bodies = verbatim(events)
	} else {
		b, err := list(events)
		if err != nil {
			return err
		}
		bodies = []body{{b, true}}
	}
	for _, b := range bodies {
		var encoding string
		if w.cfg.Gzip {
			var z bytes.Buffer
			if err := compress(&z, b.bytes); err != nil {
				return fmt.Errorf("webhook: %w", err)
			}
			b.bytes, encoding = z.Bytes(), "gzip"
		}
		if err := w.post(ctx, b, encoding); err != nil {
			return err
		}
	}
	return nil
}
