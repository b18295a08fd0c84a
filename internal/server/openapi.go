package server

import (
	_ "embed"
	"net/http"
)

// description is the API as OpenAPI 3.1. It is generated from the routes, and stands in docs, too.
//
//go:embed openapi.json
var description []byte

func serveDescription(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", "GET")
		fail(w, r, &Error{WrongMethod, "the description of the API is asked with GET"})
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Write(description)
}
