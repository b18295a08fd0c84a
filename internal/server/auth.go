package server

import (
	"net/http"
	"sync"

	"annals.dev/internal/access"
)

// guard is what decides who may ask.
type guard struct {
	opening sync.Once
	store   *access.Store
	err     error
}

// keys are the directory's keys and tokens. Whoever needs none can work where they are damaged.
func (c *core) keys() (*access.Store, error) {
	c.guard.opening.Do(func() { c.guard.store, c.guard.err = access.Open(c.dir, c.log) })
	return c.guard.store, c.guard.err
}

// handler answers the command line: whoever reaches it is the owner of the data directory.
func (c *core) handler() http.Handler { return c.asOwner(c.questions()) }

// asOwner lets every request in as the owner of the data directory: it is for those that come through the socket, which
// nobody else can open, or from within this process.
func (c *core) asOwner(next http.Handler) http.Handler {
	by := c.askerFor(access.Caller{Name: "owner", Role: access.Admin, Bodies: true})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(withAsker(r.Context(), by)))
	})
}
