package server

import "net/http"

func serveDescription(w http.ResponseWriter, r *http.Request) {
	fail(w, r, &Error{NotFound, "not there yet"})
}
