package server

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"annals.dev/web"
)

// pages answers what is not a question: the web UI, the metrics, and whether events are accepted.
func (c *core) pages() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(newRegistry(c), promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		if err := c.ready(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	})
	dist, err := fs.Sub(web.Dist, "dist")
	if err == nil {
		var ui http.Handler
		if ui, err = newUI(dist); err == nil {
			mux.Handle("GET /", ui)
			return mux
		}
	}
	c.log.Error("there is no web UI", "error", err)
	return mux
}

// ui is the web UI as it was built: files with a hash in their names, which a browser may keep for ever, and the page that names
// them, which stands for every path that is none of them.
type ui struct {
	index []byte
	files map[string]*file // by path
}

type file struct {
	body []byte
	kind string
	etag string
	gzip func() []byte // nil, if it does not get smaller
}

// noncePlace is where the page has to tell which of its styles are its own.
const noncePlace = "__CSP_NONCE__"

// kinds are what the files are; the machine's own list of types would make it another on every machine.
var kinds = map[string]string{
	".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml", ".html": "text/html; charset=utf-8",
	".json": "application/json", ".woff2": "font/woff2", ".png": "image/png", ".ico": "image/x-icon", ".txt": "text/plain; charset=utf-8",
}

func newUI(dist fs.FS) (*ui, error) {
	u := &ui{files: map[string]*file{}}
	err := fs.WalkDir(dist, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := fs.ReadFile(dist, name)
		if err != nil {
			return err
		}
		if name == "index.html" {
			u.index = body
			return nil
		}
		kind, ok := kinds[path.Ext(name)]
		if !ok {
			return fmt.Errorf("%s is of no type that the web UI has", name)
		}
		sum := sha256.Sum256(body)
		u.files["/"+name] = &file{body, kind, `"` + hex.EncodeToString(sum[:12]) + `"`, sync.OnceValue(func() []byte { return compressed(body) })}
		return nil
	})
	if err == nil && u.index == nil {
		err = errors.New("it was not built: there is no index.html")
	}
	return u, err
}

func compressed(body []byte) []byte {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return nil
	}
	// A buffer takes everything.
	_, _ = w.Write(body)
	if err := w.Close(); err != nil || b.Len() >= len(body) {
		return nil
	}
	return b.Bytes()
}

func (u *ui) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	f, ok := u.files[r.URL.Path]
	if !ok {
		if strings.HasPrefix(r.URL.Path, "/assets/") {
			// A page that is older than the server asks for this: the page in its stead would be run as a script.
			http.Error(w, "there is no such file: load the page again", http.StatusNotFound)
			return
		}
		h.Set("Content-Type", kinds[".html"])
		h.Set("Cache-Control", "no-store")
		w.Write(bytes.ReplaceAll(u.index, []byte(noncePlace), []byte(pagePolicy(w))))
		return
	}
	h.Set("Cache-Control", "no-cache")
	if strings.HasPrefix(r.URL.Path, "/assets/") {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	h.Set("ETag", f.etag)
	h.Set("Vary", "Accept-Encoding")
	if r.Header.Get("If-None-Match") == f.etag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Type", f.kind)
	body := f.body
	if takesGzip(r.Header.Get("Accept-Encoding")) {
		if small := f.gzip(); small != nil {
			h.Set("Content-Encoding", "gzip")
			body = small
		}
	}
	h.Set("Content-Length", fmt.Sprint(len(body)))
	w.Write(body)
}

func takesGzip(accepted string) bool {
	for _, x := range strings.Split(accepted, ",") {
		name, q, _ := strings.Cut(strings.TrimSpace(x), ";")
		if q = strings.TrimSpace(q); strings.EqualFold(name, "gzip") {
			return q != "q=0" && q != "q=0.0" && q != "q=0.00" && q != "q=0.000"
		}
	}
	return false
}
