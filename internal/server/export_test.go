package server

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"annals.dev/internal/query"
)

func TestExport(t *testing.T) {
	c := newCore(t)
	team(t, c)
	srv := serve(t, c)
	for _, q := range []struct {
		who, params string
		events      int
		file        string
		check       func(t *testing.T, file []byte)
	}{
		{"admin", "", 300, "events.jsonl", func(t *testing.T, file []byte) {
			var last query.Event
			for _, line := range bytes.Split(bytes.TrimSpace(file), []byte("\n")) {
				var e query.Event
				if err := json.Unmarshal(line, &e); err != nil || e.Event == nil || e.Time.Before(last.Time) {
					t.Fatalf("%v: %s", err, line)
				}
				last = e
			}
			if !bytes.Contains(file, []byte("hush0")) {
				t.Error("bodies are not there")
			}
		}},
		{"reader", "format=jsonl&query=verb:create", 60, "events.jsonl", func(t *testing.T, file []byte) {
			if bytes.Contains(file, []byte("hush")) {
				t.Error("bodies are there")
			}
		}},
		{"admin", "format=raw&query=verb:create&clusters=prod", 60, "events.raw", func(t *testing.T, file []byte) {
			for _, line := range bytes.Split(bytes.TrimSpace(file), []byte("\n")) {
				if !bytes.HasPrefix(line, []byte(`{"kind":"Event","apiVersion"`)) {
					t.Fatalf("not the event's bytes: %s", line)
				}
			}
		}},
		{"scoped", "format=csv", 200, "events.csv", func(t *testing.T, file []byte) {
			rows, err := csv.NewReader(bytes.NewReader(file)).ReadAll()
			if err != nil || len(rows) != 201 || rows[0][0] != "time" || rows[1][8+1] == "" {
				t.Errorf("%d rows, %v: %v", len(rows), err, rows[:1])
			}
			for _, r := range rows[1:] {
				if r[9] != "team-a" {
					t.Fatalf("out of scope: %v", r)
				}
			}
		}},
		{"admin", "format=json&query=code:403", 100, "events.json", func(t *testing.T, file []byte) {
			var all []query.Event
			if err := json.Unmarshal(file, &all); err != nil || len(all) != 100 {
				t.Errorf("%d, %v", len(all), err)
			}
		}},
		{"admin", "format=json&query=nosuchword", 0, "events.json", func(t *testing.T, file []byte) {
			if strings.Join(strings.Fields(string(file)), "") != "[]" {
				t.Errorf("nothing, as JSON: %q", file)
			}
		}},
		{"admin", "format=yaml&query=code:403", 100, "events.yaml", func(t *testing.T, file []byte) {
			if n := bytes.Count(file, []byte("---\n")); n != 100 {
				t.Errorf("%d documents", n)
			}
		}},
	} {
		t.Run(q.who+" "+q.params, func(t *testing.T) {
			resp, text := call(t, srv, q.who, "GET", "/api/v1/export?"+q.params, "")
			if resp.StatusCode != 200 {
				t.Fatal(resp.StatusCode, text)
			}
			z, err := zip.NewReader(strings.NewReader(text), int64(len(text)))
			if err != nil {
				t.Fatal(err)
			}
			files := map[string][]byte{}
			for _, f := range z.File {
				r, err := f.Open()
				if err != nil {
					t.Fatal(err)
				}
				if files[f.Name], err = io.ReadAll(r); err != nil {
					t.Fatal(err)
				}
			}
			var m Manifest
			if err := json.Unmarshal(files["manifest.json"], &m); err != nil {
				t.Fatal(err)
			}
			sum := sha256.Sum256(files[q.file])
			if m.File != q.file || m.Events != q.events || m.SHA256 != hex.EncodeToString(sum[:]) || m.Bytes != int64(len(files[q.file])) || !m.Complete || m.By != q.who {
				t.Errorf("%+v", m)
			}
			if q.who == "scoped" != (len(m.Checkpoints) == 0) {
				t.Errorf("checkpoints %v for %s", m.Checkpoints, q.who)
			}
			for _, name := range m.Checkpoints {
				if !bytes.Contains(files[name], []byte("\u2014 ")) {
					t.Errorf("%s is not signed: %s", name, files[name])
				}
			}
			q.check(t, files[q.file])

			bare, text := call(t, srv, q.who, "GET", "/api/v1/export?archive=none&"+q.params, "")
			if text != string(files[q.file]) {
				t.Errorf("the bare file differs from the one in the archive")
			}
			if h := bare.Trailer; h.Get(trailerSHA256) != m.SHA256 || h.Get(trailerComplete) != "true" {
				t.Errorf("trailers %v", h)
			}
		})
	}
}

// breaking is an answer that whoever asked stops reading after some bytes.
type breaking struct {
	left   int
	cancel context.CancelFunc
	bytes.Buffer
	header http.Header
}

func (b *breaking) Header() http.Header { return b.header }
func (b *breaking) WriteHeader(int)     {}
func (b *breaking) Write(p []byte) (int, error) {
	if b.left -= len(p); b.left < 0 {
		b.cancel()
		return 0, io.ErrClosedPipe
	}
	return b.Buffer.Write(p)
}

// An export that is cut off is never taken for a whole one.
func TestCutExport(t *testing.T) {
	c := newCore(t)
	team(t, c)
	h := c.questions()
	for _, archive := range []string{"zip", "none"} {
		ctx, cancel := context.WithCancel(t.Context())
		w := &breaking{left: 3000, cancel: cancel, header: http.Header{}}
		r, err := http.NewRequestWithContext(withAsker(ctx, c.askerFor(callers(t)["admin"])), "GET", "/api/v1/export?archive="+archive, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		func() {
			defer func() {
				if recover() != http.ErrAbortHandler {
					t.Errorf("%s: the connection is not broken off", archive)
				}
			}()
			h.ServeHTTP(w, r)
		}()
		cancel()
		if _, err := zip.NewReader(bytes.NewReader(w.Bytes()), int64(w.Len())); err == nil {
			t.Errorf("%s: half an archive is read as one", archive)
		}
		if w.header.Get(trailerSHA256) != "" {
			t.Errorf("%s: half a file has a trailer", archive)
		}
	}
	if n := c.limits.answering(); n != 0 {
		t.Errorf("%d questions go on", n)
	}
}

func TestHarmlessCells(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "kubectl": "kubectl", "=1+1": "'=1+1", "+1": "'+1", "-1": "'-1", "@SUM(A1)": "'@SUM(A1)", "\t=1": "'\t=1", "\r=1": "\uFFFD=1",
		"a=b": "a=b", "\x1b[31mred": "\uFFFD[31mred", "two\nlines": "two\nlines",
	} {
		if got := harmless(in); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
}
