package server

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"annals.dev/internal/format"
	"annals.dev/internal/ledger"
)

// The page and the metrics are for whoever is on this machine. They tell of numbers, names of clusters and times, never of
// what events hold.

//go:embed page.html.tmpl
var pageText string

var pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{
	"count": func(n any) string { return thousands(fmt.Sprint(n)) },
	"size":  sizeText,
	"time":  timeText,
	"ago":   agoText,
	"sub":   func(a, b uint64) uint64 { return a - b },
}).Parse(pageText))

type pageData struct {
	Now         time.Time
	Started     time.Time
	Version     string
	Dir         string
	Free, Total int64
	Low         bool // little room is left
	Stats       ledger.Stats
	Average     time.Duration // of a write with its fsync
	Clusters    []pageCluster
}

type pageCluster struct {
	ledger.ClusterStats
	Last, Arrived, Checked time.Time
	Lag                    time.Duration // from the latest event to the last arrival
	Again                  uint64        // events that came more than once
}

// pages answers on loopback.
func (c *core) pages() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", c.page)
	mux.Handle("GET /metrics", promhttp.HandlerFor(newRegistry(c), promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		if err := c.ready(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	})
	return onlyLoopback(mux)
}

// onlyLoopback refuses requests that a browser sends on behalf of a page elsewhere, whose name was made to point here: such a
// request carries that name.
func onlyLoopback(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		if !loopbackHost(r.Host) {
			http.Error(w, fmt.Sprintf("this page is for localhost; %.100q is another name", r.Host), http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func loopbackHost(host string) bool {
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

func (c *core) page(w http.ResponseWriter, _ *http.Request) {
	var out bytes.Buffer
	if err := pageTemplate.Execute(&out, c.pageData()); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	out.WriteTo(w)
}

func (c *core) pageData() *pageData {
	d := &pageData{Now: time.Now(), Started: c.started, Version: buildVersion(), Dir: c.dir, Stats: c.ledger.Stats()}
	if free, total, err := room(c.dir); err == nil {
		d.Free, d.Total = free, total
		d.Low = lowOnRoom(free, total)
	}
	if n := d.Stats.Commits; n > 0 {
		d.Average = (d.Stats.Sync / time.Duration(n)).Round(10 * time.Microsecond)
	}
	c.addUnsealed(d.Stats.Clusters)
	for _, k := range d.Stats.Clusters {
		p := pageCluster{ClusterStats: k}
		if k.LastEvent != 0 {
			p.Last = time.UnixMicro(k.LastEvent)
		}
		if k.LastArrival != 0 {
			p.Arrived = time.UnixMicro(k.LastArrival)
			if !p.Last.IsZero() {
				p.Lag = max(0, p.Arrived.Sub(p.Last))
				if p.Lag = p.Lag.Round(time.Millisecond); p.Lag > time.Minute {
					p.Lag = p.Lag.Round(time.Second)
				}
			}
		}
		if info, err := os.Stat(checkpointPath(c.dir, k.Name)); err == nil {
			p.Checked = info.ModTime()
		}
		for _, n := range k.Seen {
			p.Again += n
		}
		d.Clusters = append(d.Clusters, p)
	}
	return d
}

// marksColumn is the number of the column that tells which events are cut or unreadable.
var marksColumn = slices.IndexFunc(ledger.Columns[:], func(c ledger.Column) bool { return c.Name == "marks" })

// addUnsealed adds the marked events that are in no segment yet to those that are, which is all that Stats counts.
func (c *core) addUnsealed(clusters []ledger.ClusterStats) {
	snap := c.ledger.Snapshot()
	defer snap.Release()
	for _, v := range snap.Clusters {
		i := slices.IndexFunc(clusters, func(k ledger.ClusterStats) bool { return k.Name == v.Name })
		if i < 0 {
			continue // it came since
		}
		for _, h := range v.Hot {
			for _, m := range h.Cols[marksColumn].I64[:h.N] {
				if format.Marks(m)&format.Salvaged != 0 {
					clusters[i].Salvaged++
				}
				if format.Marks(m)&format.Quarantined != 0 {
					clusters[i].Quarantined++
				}
			}
		}
	}
}

// lowOnRoom is below a tenth, or a GiB.
func lowOnRoom(free, total int64) bool { return free < 1<<30 || free < total/10 }

func thousands(s string) string {
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func sizeText(n int64) string {
	f, unit := float64(n), "B"
	for _, u := range []string{"KiB", "MiB", "GiB", "TiB"} {
		if f < 1024 {
			break
		}
		f, unit = f/1024, u
	}
	if unit == "B" {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", f, unit)
}

func timeText(t time.Time) string {
	if t.IsZero() {
		return "none"
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}

func agoText(t, now time.Time) string {
	if t.IsZero() {
		return ""
	}
	d := now.Sub(t)
	switch {
	case d < 0:
		return "in the future"
	case d < time.Minute:
		return fmt.Sprintf("%d s ago", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min ago", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h ago", int(d.Hours()))
	}
	return fmt.Sprintf("%d days ago", int(d.Hours()/24))
}
