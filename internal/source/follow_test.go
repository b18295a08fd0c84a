package source

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"annals.dev/internal/format"
	"annals.dev/internal/ledger"
)

func TestFollowFromTheOldest(t *testing.T) {
	r := newRig(t)
	r.write("audit-2026-11-21T00-50-32.240.log.gz", zipped(lines(0, 3)))
	r.write("audit-2026-11-21T00-50-33.794.log", lines(3, 6))
	r.write("audit.log", lines(6, 9))
	r.write("other.log", lines(100, 101))
	r.write("audit-policy.yaml", "rules: []")
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(r.path("audit-2026-11-21T00-50-32.240.log.gz"), old, old); err != nil {
		t.Fatal(err)
	}
	r.pass()
	r.has(ids(0, 9))
	if o := r.ledger.all()[0].origin; o != "file/cp-1:"+r.path("audit.log") {
		t.Errorf("origin %q", o)
	}
	r.append("audit.log", lines(9, 11))
	r.pass()
	r.pass()
	r.has(ids(0, 11))
	r.restart()
	r.append("audit.log", lines(11, 12))
	r.pass()
	r.has(ids(0, 12))
	r.noRereading()
	r.happened()
}

func TestFollowLogrotate(t *testing.T) {
	r := newRig(t)
	r.write("audit.log.2.gz", zipped(lines(0, 2)))
	r.write("audit.log.1", lines(2, 4))
	r.write("audit.log", lines(4, 6))
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(r.path("audit.log.2.gz"), old, old); err != nil {
		t.Fatal(err)
	}
	r.pass()
	r.has(ids(0, 6))
	// As logrotate does it with delaycompress: the writer goes on in .1 until it is told.
	r.rename("audit.log.2.gz", "audit.log.3.gz")
	r.compress("audit.log.1")
	r.rename("audit.log.1.gz", "audit.log.2.gz")
	r.rename("audit.log", "audit.log.1")
	r.write("audit.log", "")
	r.append("audit.log.1", lines(6, 8))
	r.pass()
	r.append("audit.log", lines(8, 9))
	r.settle()
	r.has(ids(0, 9))
	r.noRereading()
	r.happened()
}

// Half a line waits for its other half, in every state of the file.
func TestFollowHalfLines(t *testing.T) {
	r := newRig(t)
	whole := line(1)
	r.write("audit.log", line(0)+whole[:100])
	r.settle()
	r.has(ids(0, 1))
	r.append("audit.log", whole[100:200])
	r.restart()
	r.settle()
	r.has(ids(0, 1))
	r.append("audit.log", whole[200:])
	r.pass()
	r.has(ids(0, 2))
	// Renamed away with half a line, which is finished all the same.
	half := line(2)
	r.append("audit.log", half[:150])
	r.pass()
	r.rename("audit.log", "audit.log.1")
	r.write("audit.log", line(3))
	r.pass()
	r.append("audit.log.1", half[150:])
	r.settle()
	r.has([]string{id(0), id(1), id(3), id(2)})
	r.happened()
	for _, e := range r.ledger.all() {
		if e.marks != 0 {
			t.Errorf("marked: %+v", e)
		}
	}
	r.noRereading()
}

// A half line that is never finished is salvaged once its file is not written any more; and if it is finished after all,
// the whole line comes too.
func TestFollowSalvagesTheLastLine(t *testing.T) {
	r := newRig(t)
	half := line(1)
	r.write("audit.log", line(0)+half[:300])
	r.pass()
	r.rename("audit.log", "audit-2026-11-21T00-50-32.240.log")
	r.write("audit.log", line(2))
	r.pass()
	r.has([]string{id(0), id(2)})
	r.now = r.now.Add(settleAfter)
	r.pass()
	r.has([]string{id(0), id(2), id(1)})
	if e := r.ledger.all()[2]; e.marks&format.Salvaged == 0 || e.bytes != half[:300] || !strings.Contains(e.note, "audit-2026-11-21T00-50-32.240.log at byte") {
		t.Errorf("got %+v", e)
	}
	r.restart()
	r.settle()
	r.noRereading()
	r.append("audit-2026-11-21T00-50-32.240.log", half[300:])
	r.settle()
	r.has([]string{id(0), id(2), id(1), id(1)})
	if e := r.ledger.all()[3]; e.marks != 0 || e.bytes+"\n" != half {
		t.Errorf("got %+v", e)
	}
	r.happened()
}

func TestFollowCompression(t *testing.T) {
	for _, c := range []struct {
		name    string
		between func(r *rig) // what happens between the rename and the compression
	}{
		{"seen at each step", (*rig).pass},
		{"not seen", func(*rig) {}},
		{"while stopped", (*rig).restart},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			r.write("audit.log", lines(0, 5))
			r.pass()
			r.append("audit.log", lines(5, 8))
			r.rename("audit.log", "audit-2026-11-21T00-50-32.240.log")
			r.write("audit.log", lines(8, 10))
			c.between(r)
			// While it is being compressed both are there, the new one half.
			z := zipped(lines(0, 8))
			r.write("audit-2026-11-21T00-50-32.240.log.gz", z[:len(z)/2])
			c.between(r)
			r.write("audit-2026-11-21T00-50-32.240.log.gz", z)
			r.remove("audit-2026-11-21T00-50-32.240.log")
			r.settle()
			r.append("audit.log", line(10))
			r.settle()
			if d := cmp.Diff(ids(0, 11), r.ledger.of("prod")); d != "" && c.name != "not seen" {
				t.Error(d)
			}
			got := make(map[string]int)
			for _, id := range r.ledger.of("prod") {
				got[id]++
			}
			if len(got) != 11 || len(r.ledger.of("prod")) != 11 {
				t.Errorf("%d events, %d ids", len(r.ledger.of("prod")), len(got))
			}
			r.happened()
		})
	}
}

func TestFollowCopyTruncate(t *testing.T) {
	for _, appends := range []bool{true, false} {
		name := "writer with O_APPEND"
		if !appends {
			name = "writer that leaves a hole"
		}
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.write("audit.log", lines(0, 5))
			r.pass()
			next := 5
			for round := range 3 {
				r.append("audit.log", lines(next, next+2)) // before the copy: not seen in the live file any more
				r.rotateNumbers()
				r.copy("audit.log", "audit.log.1")
				size := r.size("audit.log")
				if round == 1 {
					r.pass() // the copy is seen before the truncation
				}
				if err := os.Truncate(r.path("audit.log"), 0); err != nil {
					t.Fatal(err)
				}
				if appends {
					r.append("audit.log", lines(next+2, next+4))
				} else {
					r.writeAt("audit.log", size, lines(next+2, next+4))
				}
				if round == 2 {
					r.restart()
				}
				r.settle()
				r.append("audit.log", lines(next+4, next+5))
				r.settle()
				next += 5
			}
			got := make(map[string]int)
			for _, id := range r.ledger.of("prod") {
				got[id]++
			}
			for _, id := range ids(0, next) {
				if got[id] != 1 {
					t.Errorf("%s: %d times", id, got[id])
				}
			}
			for _, e := range r.ledger.all() {
				if e.cluster == "prod" && e.marks != 0 {
					t.Errorf("marked: %+v", e)
				}
			}
			r.happened(whatTruncated, whatTruncated, whatTruncated)
		})
	}
}

func TestFollowDeleted(t *testing.T) {
	r := newRig(t)
	r.write("audit.log", lines(0, 2))
	r.pass()
	// The API server does not notice and writes on into the deleted file.
	writer, err := os.OpenFile(r.path("audit.log"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close()
	r.remove("audit.log")
	r.pass()
	r.happened(whatDeleted)
	writer.WriteString(lines(2, 4))
	r.pass()
	r.has(ids(0, 4))
	// Somebody puts an innocent file in its place.
	r.write("audit.log", "")
	writer.WriteString(lines(4, 5))
	r.pass()
	r.has(ids(0, 5))
	r.append("audit.log", lines(5, 6))
	r.pass()
	r.has(ids(0, 6))
	r.happened(whatDeleted)
	r.restart()
	r.pass()
	r.happened(whatDeleted)
	r.noRereading()
	// While nobody looks.
	r.restart()
	r.remove("audit.log")
	r.pass()
	r.pass()
	r.happened(whatDeleted, whatDeleted)
	r.restart()
	r.pass()
	r.happened(whatDeleted, whatDeleted)
}

func TestFollowReplaced(t *testing.T) {
	r := newRig(t)
	r.write("audit.log", lines(0, 2))
	r.pass()
	r.write("new", lines(2, 3))
	r.rename("new", "audit.log")
	r.pass()
	r.has(ids(0, 3))
	r.happened(whatReplaced)
	// Moved out of the directory: it is read on where it lies.
	away := filepath.Join(t.TempDir(), "hidden")
	if err := os.Rename(r.path("audit.log"), away); err != nil {
		t.Fatal(err)
	}
	r.write("audit.log", lines(4, 5))
	r.pass()
	f, err := os.OpenFile(away, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	f.WriteString(line(3))
	f.Close()
	r.pass()
	r.has([]string{id(0), id(1), id(2), id(4), id(3)})
	r.happened(whatReplaced, whatReplaced)
	if !strings.Contains(r.log.String(), away) {
		t.Errorf("the log does not say where it went: %s", r.log)
	}
	// While nobody looks.
	r.restart()
	r.write("new", lines(5, 6))
	r.rename("new", "audit.log")
	r.pass()
	r.happened(whatReplaced, whatReplaced, whatReplaced)
	r.has([]string{id(0), id(1), id(2), id(4), id(3), id(5)})
}

func TestFollowTruncated(t *testing.T) {
	r := newRig(t)
	r.write("audit.log", lines(0, 5))
	r.pass()
	if err := os.Truncate(r.path("audit.log"), 0); err != nil {
		t.Fatal(err)
	}
	r.pass()
	r.happened(whatTruncated)
	r.append("audit.log", lines(5, 6))
	r.pass()
	r.has(ids(0, 6))
	// Written anew to more than it held, between two looks.
	r.write("audit.log", lines(10, 20))
	r.pass()
	r.has(append(ids(0, 6), ids(10, 20)...))
	r.happened(whatTruncated, whatTruncated)
	// While nobody looks it cannot be told from a replacement.
	r.restart()
	r.write("audit.log", lines(20, 40))
	r.pass()
	r.happened(whatTruncated, whatTruncated, whatReplaced)
	r.has(append(append(ids(0, 6), ids(10, 20)...), ids(20, 40)...))
	r.noRereading()
}

func TestFollowOpenedToOthers(t *testing.T) {
	r := newRig(t)
	r.write("audit.log", lines(0, 1))
	r.pass()
	chmod := func(mode os.FileMode) {
		t.Helper()
		if err := os.Chmod(r.path("audit.log"), mode); err != nil {
			t.Fatal(err)
		}
	}
	chmod(0o640)
	r.pass()
	r.pass()
	r.happened(whatOpened)
	chmod(0o600) // taken back: no news
	r.pass()
	r.happened(whatOpened)
	r.restart()
	chmod(0o602)
	r.pass()
	r.happened(whatOpened, whatOpened)
	if !strings.Contains(r.log.String(), "0600 to 0602") {
		t.Errorf("the log does not say how: %s", r.log)
	}
	if os.Getuid() == 0 {
		if err := os.Chown(r.path("audit.log"), 12345, -1); err != nil {
			t.Fatal(err)
		}
		r.pass()
		r.happened(whatOpened, whatOpened, whatOpened)
	}
}

func TestFollowSilence(t *testing.T) {
	r := newRig(t)
	r.write("audit.log", lines(0, 1))
	r.pass()
	r.now = r.now.Add(DefaultSilence - time.Minute)
	r.pass()
	r.happened()
	r.now = r.now.Add(2 * time.Minute)
	r.pass()
	r.pass()
	r.happened(whatSilent)
	r.restart()
	r.now = r.now.Add(time.Hour)
	r.pass()
	r.now = r.now.Add(time.Hour)
	r.pass()
	r.happened(whatSilent)
	r.append("audit.log", line(1))
	r.pass()
	r.happened(whatSilent, whatResumed)
	r.has(ids(0, 2))
}

// A rotated file that goes before it was read is told of.
func TestFollowUnreadRotatedFileGoes(t *testing.T) {
	r := newRig(t)
	r.write("audit.log", lines(0, 2))
	r.pass()
	r.restart()
	r.append("audit.log", lines(2, 4))
	r.rename("audit.log", "audit-2026-11-21T00-50-32.240.log")
	r.write("audit.log", lines(4, 5))
	r.ledger.set(ledger.ErrFailed)
	if err := r.try(); !errors.Is(err, ledger.ErrFailed) {
		t.Fatal(err)
	}
	r.restart()
	r.ledger.set(nil)
	r.remove("audit-2026-11-21T00-50-32.240.log")
	r.pass()
	r.happened(whatMissing)
	r.has([]string{id(0), id(1), id(4)})
}

func TestFollowedEventIsAnEvent(t *testing.T) {
	e := sourceEvent(time.Date(2026, 11, 21, 0, 50, 32, 240001000, time.UTC), "prod", "cp-1", "/var/log/a b/audit.log", whatDeleted, "audit.log was deleted")
	var v map[string]any
	if err := json.Unmarshal(e.Bytes, &v); err != nil {
		t.Fatal(err)
	}
	delete(v, "auditID")
	want := map[string]any{
		"kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "Metadata", "stage": "ResponseComplete",
		"requestURI": "/annals/source/prod/var/log/a%20b/audit.log", "verb": "delete", "userAgent": "annals",
		"user":                     map[string]any{"username": "annals:follower", "groups": []any{"annals:system"}},
		"objectRef":                map[string]any{"resource": "sources", "namespace": "prod", "name": "/var/log/a b/audit.log", "apiGroup": "annals.dev", "apiVersion": "v1"},
		"responseStatus":           map[string]any{"metadata": map[string]any{}, "message": "audit.log was deleted"},
		"requestReceivedTimestamp": "2026-11-21T00:50:32.240001Z", "stageTimestamp": "2026-11-21T00:50:32.240001Z",
		"annotations": map[string]any{
			"annals.dev/what": "source-deleted", "annals.dev/cluster": "prod", "annals.dev/host": "cp-1", "annals.dev/path": "/var/log/a b/audit.log",
		},
	}
	if d := cmp.Diff(want, v); d != "" {
		t.Error(d)
	}
	if !e.View.AuditID.Plain() || len(e.View.AuditID) != 36 || e.View.Time == 0 {
		t.Errorf("view %+v", e.View)
	}
}
