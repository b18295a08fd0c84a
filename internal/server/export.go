package server

import (
	"archive/zip"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/flate"

	"annals.dev/internal/query"
)

// ExportQuestion asks for all events of a range as a file, the oldest first.
type ExportQuestion struct {
	Range
	Format  string `json:"format,omitempty"`  // jsonl, which is the default, json, yaml, csv, parquet or raw
	Archive string `json:"archive,omitempty"` // zip, which is the default: the file with a manifest and checkpoints; none: the file alone
}

// Manifest tells what an export holds.
type Manifest struct {
	Format      int             `json:"manifest"` // 1
	File        string          `json:"file"`
	Events      int             `json:"events"`
	Bytes       int64           `json:"bytes"`
	SHA256      string          `json:"sha256"` // of the file
	Complete    bool            `json:"complete"`
	Query       string          `json:"query"` // as it ran
	Since       time.Time       `json:"since,omitzero"`
	Until       time.Time       `json:"until,omitzero"`
	Clusters    []string        `json:"clusters"`
	Coverage    *query.Coverage `json:"coverage"`
	By          string          `json:"by"` // who exported it
	Role        string          `json:"role"`
	Scope       string          `json:"scope,omitempty"`
	Bodies      bool            `json:"bodies"`
	At          time.Time       `json:"at"`
	Version     string          `json:"version"`
	PublicKey   string          `json:"publicKey"`             // of the ledger
	Checkpoints []string        `json:"checkpoints,omitempty"` // files beside this one: signed notes over all events of a cluster
}

// What stands behind the file, as HTTP trailers.
const (
	trailerCount    = "Annals-Count"
	trailerSHA256   = "Annals-SHA256"
	trailerComplete = "Annals-Complete"
)

// serveExport streams a file. One that is cut off shows it: nothing is written that ends it, and the connection is broken off.
func (c *core) serveExport(w http.ResponseWriter, r *http.Request) {
	var q ExportQuestion
	if err := readQuestion(w, r, &q); err != nil {
		fail(w, r, err)
		return
	}
	by := askerOf(r.Context())
	e := &export{c: c, by: by, began: time.Now().UTC()}
	if err := e.read(r.Context(), q); err != nil {
		fail(w, r, errorOf(r.Context(), err))
		return
	}
	h := w.Header()
	h.Set("Trailer", strings.Join([]string{trailerCount, trailerSHA256, trailerComplete}, ", "))
	out := &patient{w: w}
	if !by.isOwner() {
		out.patience = readWithin
	}
	name := "annals-" + e.began.Format("20060102T150405Z") + "."
	if q.Archive == "none" {
		h.Set("Content-Type", e.format.kind)
		h.Set("Content-Disposition", `attachment; filename="`+name+e.format.name+`"`)
		e.into(out)
	} else {
		h.Set("Content-Type", "application/zip")
		h.Set("Content-Disposition", `attachment; filename="`+name+`zip"`)
	}
	var err error
	if q.Archive == "none" {
		err = e.write(r.Context())
	} else {
		err = e.archive(r.Context(), out)
	}
	if err != nil {
		c.log.Warn("an export was cut off", "error", errorOf(r.Context(), err), "by", by.Name)
		panic(http.ErrAbortHandler)
	}
	h.Set(trailerCount, strconv.Itoa(e.n))
	h.Set(trailerSHA256, hex.EncodeToString(e.sum.Sum(nil)))
	h.Set(trailerComplete, strconv.FormatBool(e.cov.Complete))
}

// patient writes to whoever reads on.
type patient struct {
	w        http.ResponseWriter
	patience time.Duration // 0: for ever
}

func (p *patient) Write(b []byte) (int, error) {
	if p.patience > 0 {
		_ = http.NewResponseController(p.w).SetWriteDeadline(time.Now().Add(p.patience))
	}
	return p.w.Write(b)
}

// export is one export.
type export struct {
	c      *core
	by     *asker
	began  time.Time
	of     query.Range
	format exportFormat

	w     io.Writer
	sum   hash.Hash
	n     int
	bytes int64
	cov   *query.Coverage
}

func (e *export) read(ctx context.Context, q ExportQuestion) (err error) {
	name := cmp.Or(q.Format, "jsonl")
	i := slices.IndexFunc(exportFormats, func(f exportFormat) bool { return f.name == name })
	switch {
	case i < 0:
		names := make([]string, len(exportFormats))
		for i, f := range exportFormats {
			names[i] = f.name
		}
		return &Error{Usage, "format: " + unknown("format", name, names)}
	case q.Archive != "" && q.Archive != "zip" && q.Archive != "none":
		return &Error{Usage, fmt.Sprintf("archive is zip or none, not %.40q", q.Archive)}
	case name == "raw" && !e.by.Bodies:
		return &Error{Forbidden, "raw events hold the bodies of requests and responses: it needs a token that may see bodies; the other formats leave them out"}
	}
	e.format = exportFormats[i]
	e.of, err = e.c.rangeOf(ctx, e.by, q.Range)
	return err
}

// into sets where the file goes.
func (e *export) into(w io.Writer) {
	e.sum = sha256.New()
	e.w = io.MultiWriter(w, e.sum)
}

// write writes the file.
func (e *export) write(ctx context.Context) (err error) {
	file, err := e.format.begin(e)
	if err != nil {
		return err
	}
	s := query.Search{Range: e.of, OldestFirst: true, Wide: true, Bytes: e.format.detail != Summary}
	e.cov, err = e.c.searchAll(ctx, e.by, s, func(r *query.Row) error {
		e.n++
		return file.row(e.c.given(r, e.format.detail))
	})
	if err != nil {
		return err
	}
	return file.close()
}

// Write writes a piece of the file.
func (e *export) Write(b []byte) (int, error) {
	e.bytes += int64(len(b))
	return e.w.Write(b)
}

// searchAll is a search whose errors are told as what they are.
func (c *core) searchAll(ctx context.Context, by *asker, s query.Search, f func(*query.Row) error) (*query.Coverage, error) {
	cov, err := by.read.Search(ctx, s, f)
	return cov, notOfTheQuestion(ctx, err)
}

// archive writes the file, the checkpoints and the manifest into a zip.
func (e *export) archive(ctx context.Context, w io.Writer) error {
	z := zip.NewWriter(w)
	z.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) { return flate.NewWriter(w, flate.BestSpeed) })
	create := func(name string) (io.Writer, error) {
		return z.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate, Modified: e.began})
	}
	m := Manifest{
		Format: 1, File: "events." + e.format.name, Query: e.of.Query.String(), Since: e.of.Since, Until: e.of.Until, Clusters: []string{},
		By: e.by.Name, Role: string(e.by.Role), Scope: e.by.ScopeText, Bodies: e.by.Bodies, At: e.began, Version: buildVersion(),
		PublicKey: e.c.ledger.Description().PublicKey,
	}
	file, err := create(m.File)
	if err != nil {
		return err
	}
	e.into(file)
	if err := e.write(ctx); err != nil {
		return err
	}
	m.Events, m.Bytes, m.SHA256, m.Complete, m.Coverage = e.n, e.bytes, hex.EncodeToString(e.sum.Sum(nil)), e.cov.Complete, e.cov
	for _, v := range e.cov.Clusters {
		m.Clusters = append(m.Clusters, v.Name)
		if e.by.ScopeText != "" {
			continue // a checkpoint tells how many events there are in all
		}
		note, err := e.c.ledger.Checkpoint(v.Name)
		if err != nil {
			return err
		}
		name := "checkpoints/" + v.Name
		m.Checkpoints = append(m.Checkpoints, name)
		if file, err = create(name); err != nil {
			return err
		}
		if _, err := file.Write(note); err != nil {
			return err
		}
	}
	if file, err = create("manifest.json"); err != nil {
		return err
	}
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	if _, err := file.Write(append(text, '\n')); err != nil {
		return err
	}
	return z.Close()
}
