package server

import (
	"net/http"

	"annals.dev/internal/access"
)

// guard is what decides who may ask.
type guard struct{}

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
