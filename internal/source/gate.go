package source

import (
	"context"
	"sync"

	"golang.org/x/sync/semaphore"
)

// gate bounds what is being received at once: bytes over all, and requests by origin, so that one API server that falls
// over itself does not keep the others out.
type gate struct {
	bytes     *semaphore.Weighted
	perOrigin int64

	mu      sync.Mutex
	origins map[string]*originGate
}

type originGate struct {
	slots *semaphore.Weighted
	users int // in it or waiting; the last one out removes it
}

func newGate(bytes, perOrigin int64) *gate {
	return &gate{bytes: semaphore.NewWeighted(bytes), perOrigin: perOrigin, origins: make(map[string]*originGate)}
}

// enter waits until there is room, or the context ends. leave gives the room back.
func (g *gate) enter(ctx context.Context, origin string, bytes int64) (leave func(), err error) {
	g.mu.Lock()
	o := g.origins[origin]
	if o == nil {
		o = &originGate{slots: semaphore.NewWeighted(g.perOrigin)}
		g.origins[origin] = o
	}
	o.users++
	g.mu.Unlock()
	forget := func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		if o.users--; o.users == 0 {
			delete(g.origins, origin)
		}
	}
	if err := o.slots.Acquire(ctx, 1); err != nil {
		forget()
		return nil, err
	}
	if err := g.bytes.Acquire(ctx, bytes); err != nil {
		o.slots.Release(1)
		forget()
		return nil, err
	}
	return func() {
		g.bytes.Release(bytes)
		o.slots.Release(1)
		forget()
	}, nil
}
