package server

import (
	"crypto/rand"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// secure puts the headers on each answer that keep a browser from being used against us, and refuses what a browser sends on
// behalf of another site. On loopback, where anybody may let a name of theirs point, it refuses other names too.
func secure(loopback bool, next http.Handler) http.Handler {
	foreign := http.NewCrossOriginProtection()
	foreign.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fail(w, r, &Error{Forbidden, "the request comes from a page of another site"})
	}))
	within := foreign.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
		h.Set("Cache-Control", "no-store")
		if loopback && !isLocal(r.Host) {
			http.Error(w, fmt.Sprintf("this page is for localhost; %.100q is another name", r.Host), http.StatusMisdirectedRequest)
			return
		}
		if site := r.Header.Get("Sec-Fetch-Site"); isAPI(r.URL.Path) && site != "" && site != "same-origin" && site != "none" {
			fail(w, r, &Error{Forbidden, "the request comes from a page of another site"})
			return
		}
		within.ServeHTTP(w, r)
	})
}

func isAPI(path string) bool { return path == "/api" || strings.HasPrefix(path, "/api/") }

// pagePolicy sets the policy of a page whose own styles and scripts are from here, and returns what its style elements must
// bear: it is another for each answer.
func pagePolicy(w http.ResponseWriter) (nonce string) {
	nonce = rand.Text()
	w.Header().Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-"+nonce+
		"'; img-src 'self' data:; font-src 'self'; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'")
	return nonce
}

// isLocal holds for the names and addresses of this machine itself.
func isLocal(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}
