package source

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// rig is one followed log, whose time and passes the test decides.
type rig struct {
	t      *testing.T
	dir    string
	data   string
	ledger *fakeLedger
	log    *testLog
	src    FollowSource
	f      *Follower
	now    time.Time
}

func newRig(t *testing.T) *rig {
	r := &rig{t: t, dir: t.TempDir(), data: t.TempDir(), ledger: new(fakeLedger), log: new(testLog), now: time.Now()}
	r.src = FollowSource{Cluster: "prod", Path: filepath.Join(r.dir, "audit.log")}
	t.Cleanup(r.close)
	return r
}

func (r *rig) path(name string) string { return filepath.Join(r.dir, name) }

func (r *rig) write(name, text string) { r.t.Helper(); write(r.t, r.path(name), text) }

// append writes at a file's end, as O_APPEND does.
func (r *rig) append(name, text string) {
	r.t.Helper()
	f, err := os.OpenFile(r.path(name), os.O_APPEND|os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		r.t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) rename(from, to string) {
	r.t.Helper()
	if err := os.Rename(r.path(from), r.path(to)); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) remove(name string) {
	r.t.Helper()
	if err := os.Remove(r.path(name)); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) copy(from, to string) {
	r.t.Helper()
	b, err := os.ReadFile(r.path(from))
	if err != nil {
		r.t.Fatal(err)
	}
	r.write(to, string(b))
}

func (r *rig) compress(name string) {
	r.t.Helper()
	b, err := os.ReadFile(r.path(name))
	if err != nil {
		r.t.Fatal(err)
	}
	r.write(name+".gz", zipped(string(b)))
	r.remove(name)
}

func (r *rig) open() *followed {
	r.t.Helper()
	if r.f == nil {
		f, err := NewFollower(FollowerConfig{
			Ledger: r.ledger, Sources: []FollowSource{r.src}, Data: r.data, Host: "cp-1", Log: r.log.logger(), Metrics: new(Metrics),
		})
		if err != nil {
			r.t.Fatal(err)
		}
		r.f = f
	}
	return r.f.sources[0]
}

// pass lets a quarter of a second go by and the follower look.
func (r *rig) pass() {
	r.t.Helper()
	if err := r.try(); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) try() error {
	r.now = r.now.Add(pollEvery)
	return r.open().pass(context.Background(), r.now)
}

// settle lets enough time go by for half lines to be taken.
func (r *rig) settle() {
	r.t.Helper()
	r.pass()
	r.now = r.now.Add(settleAfter)
	r.pass()
}

// restart ends the follower as an orderly stop does; crash as a power cut does, after which the place may be old.
func (r *rig) restart() {
	r.open().save(true)
	r.close()
}

func (r *rig) close() {
	if r.f != nil {
		r.f.sources[0].close()
		r.f = nil
	}
}

// has says what the cluster must have, each once and in this order.
func (r *rig) has(want []string) {
	r.t.Helper()
	if d := cmp.Diff(want, r.ledger.of("prod")); d != "" {
		r.t.Fatalf("events: %s", d)
	}
}

// noRereading says that nothing was delivered twice, though the ledger would not mind.
func (r *rig) noRereading() {
	r.t.Helper()
	if r.ledger.dups != 0 {
		r.t.Errorf("%d events were delivered twice", r.ledger.dups)
	}
}

// happened says which events about the source there must be.
func (r *rig) happened(want ...string) {
	r.t.Helper()
	var got []string
	for _, e := range r.ledger.all() {
		if e.cluster == "annals" {
			var v struct{ Annotations map[string]string }
			if err := json.Unmarshal([]byte(e.bytes), &v); err != nil {
				r.t.Fatal(err)
			}
			got = append(got, v.Annotations["annals.dev/what"])
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		r.t.Fatalf("what happened: %s\n%s", d, r.log)
	}
}

func (r *rig) rotateNumbers() {
	for _, n := range []string{"3", "2", "1"} {
		if _, err := os.Stat(r.path("audit.log." + n)); err == nil {
			r.rename("audit.log."+n, "audit.log."+string(n[0]+1))
		}
	}
}

func (r *rig) size(name string) int64 {
	fi, err := os.Stat(r.path(name))
	if err != nil {
		r.t.Fatal(err)
	}
	return fi.Size()
}

func (r *rig) writeAt(name string, at int64, text string) {
	r.t.Helper()
	f, err := os.OpenFile(r.path(name), os.O_WRONLY, 0)
	if err != nil {
		r.t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte(text), at); err != nil {
		r.t.Fatal(err)
	}
}
