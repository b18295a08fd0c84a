package source

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"annals.dev/internal/ledger"
)

// A writer that rotates all the time, as kube-apiserver does it, with compression, while the follower is stopped and
// started again: nothing is lost, nothing is doubled.
func TestFollowUnderLoad(t *testing.T) {
	r := newRig(t)
	const total, each = 4000, 60
	start := func() (stop func()) {
		r.open().settle = 100 * time.Millisecond
		f := r.f
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- f.Run(ctx) }()
		return func() {
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
			r.f = nil
		}
	}
	stop := start()
	var compressing sync.WaitGroup
	rotation := 0
	for n := 0; n < total; n += each {
		if n > 0 {
			rotation++
			name := fmt.Sprintf("audit-2026-11-21T00-50-%02d.%03d.log", rotation/1000, rotation%1000)
			r.rename("audit.log", name)
			if rotation%2 == 0 {
				compressing.Go(func() { r.compress(name) })
			}
		}
		for m := n; m < min(n+each, total); m += 7 {
			text := lines(m, min(m+7, n+each, total))
			r.append("audit.log", text[:len(text)/2]) // lines come in halves too
			r.append("audit.log", text[len(text)/2:])
		}
		if rotation%20 == 19 {
			stop()
			stop = start()
		}
	}
	compressing.Wait()
	deadline := time.Now().Add(20 * time.Second)
	for len(r.ledger.of("prod")) < total && time.Now().Before(deadline) {
		time.Sleep(5 * time.Millisecond)
	}
	stop()
	got := r.ledger.of("prod")
	slices.Sort(got)
	if d := cmp.Diff(ids(0, total), got); d != "" {
		t.Error(d)
	}
	for _, e := range r.ledger.all() {
		if e.marks != 0 || e.cluster != "prod" {
			t.Errorf("got %+v", e)
		}
	}
}

// After a crash the place is older than what the ledger has: what is read again, the ledger knows.
func TestFollowAfterCrash(t *testing.T) {
	r := newRig(t)
	r.write("audit.log", lines(0, 3))
	r.pass()
	r.restart()
	r.append("audit.log", lines(3, 6))
	r.pass()
	r.close() // without saving
	r.append("audit.log", lines(6, 7))
	r.pass()
	r.has(ids(0, 7))
	// The state is lost altogether, or is no state.
	for _, broken := range []string{"", "{", `{"version":9}`, `{"version":1,"logs":[{"dir":"/x","live":"../y"}]}`} {
		r.restart()
		state := r.open().state.name
		r.close()
		write(t, filepath.Join(r.data, state), broken)
		r.pass()
		r.has(ids(0, 7))
	}
	r.happened()
}

func TestFollowLedgerRefuses(t *testing.T) {
	r := newRig(t)
	r.write("audit.log", lines(0, 3))
	r.ledger.set(ledger.ErrFailed)
	if err := r.try(); err == nil || !strings.Contains(err.Error(), r.src.Path) {
		t.Fatalf("got %v", err)
	}
	r.ledger.set(nil)
	r.pass()
	r.has(ids(0, 3))
	// What happened to the file is recorded once the ledger takes events again.
	r.remove("audit.log")
	r.ledger.set(ledger.ErrClosed)
	if err := r.try(); err == nil {
		t.Fatal("no error")
	}
	r.restart()
	r.ledger.set(nil)
	r.pass()
	r.happened(whatDeleted)
}

func TestFollowDirectoriesAndPatterns(t *testing.T) {
	for _, c := range []struct{ path, what string }{{"", "a directory"}, {"*.log*", "a pattern"}} {
		t.Run(c.what, func(t *testing.T) {
			r := newRig(t)
			r.src.Path = filepath.Join(r.dir, c.path)
			outside := filepath.Join(t.TempDir(), "secret.log")
			write(t, outside, lines(100, 101))
			r.write("kube-2026-11-21T00-50-32.240.log", lines(0, 1))
			r.write("kube.log", lines(1, 2))
			r.write("oauth.log", lines(2, 3))
			r.write("readme.txt", "no log")
			if err := os.Symlink(outside, r.path("link.log")); err != nil {
				t.Fatal(err)
			}
			if err := syscall.Mkfifo(r.path("pipe.log"), 0o600); err != nil {
				t.Fatal(err)
			}
			r.pass()
			r.has(ids(0, 3))
			r.write("later.log", lines(3, 4))
			r.append("oauth.log", lines(4, 5))
			r.pass()
			got := r.ledger.of("prod")
			slices.Sort(got)
			if d := cmp.Diff(ids(0, 5), got); d != "" {
				t.Error(d)
			}
			r.remove("oauth.log")
			r.pass()
			r.happened(whatDeleted)
			r.noRereading()
		})
	}
}

func TestFollowLink(t *testing.T) {
	r := newRig(t)
	real := t.TempDir()
	write(t, filepath.Join(real, "kube-2026-11-21T00-50-32.240.log"), lines(0, 1))
	write(t, filepath.Join(real, "kube.log"), lines(1, 2))
	if err := os.Symlink(filepath.Join(real, "kube.log"), r.path("audit.log")); err != nil {
		t.Fatal(err)
	}
	r.pass()
	r.has(ids(0, 2))
	r.happened()
	// It comes to lead elsewhere.
	r.write("elsewhere.log", lines(2, 3))
	r.remove("audit.log")
	if err := os.Symlink(r.path("elsewhere.log"), r.path("audit.log")); err != nil {
		t.Fatal(err)
	}
	r.pass()
	r.has(ids(0, 3))
	r.happened(whatReplaced)
}

func TestFollowWaitsForAFileToCome(t *testing.T) {
	r := newRig(t)
	r.src.Path = r.path("not/yet/audit.log")
	r.pass()
	r.happened()
	write(t, r.src.Path, lines(0, 2))
	r.pass()
	r.has(ids(0, 2))
	r.happened()
}

func TestFollowUnreadable(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("root reads everything")
	}
	r := newRig(t)
	r.write("audit.log", lines(0, 2))
	if err := os.Chmod(r.path("audit.log"), 0); err != nil {
		t.Fatal(err)
	}
	r.pass()
	if !strings.Contains(r.log.String(), "cannot be read") {
		t.Errorf("log: %s", r.log)
	}
	if err := os.Chmod(r.path("audit.log"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.pass()
	r.has(ids(0, 2))
}

// Deleted files are kept open for what still comes, but not for ever, and not any number of them.
func TestFollowLetsGo(t *testing.T) {
	r := newRig(t)
	for n := range maxOrphans + 5 {
		r.write("new", line(n))
		r.rename("new", "audit.log")
		r.pass()
	}
	if n := len(r.open().logs[0].Files); n > maxOrphans+1 {
		t.Errorf("%d files are open", n)
	}
	r.now = r.now.Add(orphanLife)
	r.pass()
	if n := len(r.open().logs[0].Files); n != 1 {
		t.Errorf("%d files are open after an hour", n)
	}
	r.has(ids(0, maxOrphans+5))
}

func TestNewFollowerRefuses(t *testing.T) {
	for _, c := range []struct {
		name    string
		sources []FollowSource
		says    string
	}{
		{"reserved cluster", []FollowSource{{Cluster: "annals", Path: "/x"}}, "annals"},
		{"bad cluster", []FollowSource{{Cluster: "A", Path: "/x"}}, `"A"`},
		{"bad pattern", []FollowSource{{Cluster: "a", Path: "/x/[a"}}, "pattern"},
		{"twice", []FollowSource{{Cluster: "a", Path: "/x"}, {Cluster: "a", Path: "/y/../x"}}, "twice"},
	} {
		_, err := NewFollower(FollowerConfig{Ledger: new(fakeLedger), Sources: c.sources, Data: t.TempDir(), Log: new(testLog).logger()})
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func FuzzFollowState(f *testing.F) {
	f.Add([]byte(`{"version":1,"path":"/x","logs":[{"dir":"/x","live":"audit.log","uid":0,"gid":0,"files":[{"name":"audit.log","dev":1,"ino":2,"size":3,"changed":4,"offset":3,"head":{"at":0,"len":3,"sum":"00"}}]}]}`))
	f.Add([]byte(`{"version":1,"logs":[{"dir":"/x","live":"a","files":[null]}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		// Whatever the state says, what is in the log comes.
		r := newRig(t)
		r.write("audit.log", lines(0, 2))
		name := r.open().state.name
		r.close()
		b = []byte(strings.ReplaceAll(string(b), "/x", r.dir))
		write(t, filepath.Join(r.data, name), string(b))
		if _, err := parseState(b); err == nil {
			r.open()
		}
		r.pass()
		r.pass()
		if _, err := parseState(b); err != nil {
			r.has(ids(0, 2))
		}
	})
}

// The inode of a file that was read and deleted serves again for a compressed one that is as long: it is read all the same.
func TestFollowCompressedInUsedInode(t *testing.T) {
	r := newRig(t)
	const first, second = "audit-2026-11-21T00-50-01.000.log", "audit-2026-11-21T00-50-02.000.log.gz"
	r.write("audit.log", lines(90, 91))
	r.write(first, lines(10, 50))
	r.pass()
	r.restart()
	if len(lines(10, 50)) != len(lines(50, 90)) {
		t.Fatal("the files are not as long as each other")
	}
	r.write(first, zipped(lines(50, 90))) // in place, so the inode stays
	r.rename(first, second)
	for range 40 { // until it has settled
		r.pass()
	}
	r.has(slices.Concat(ids(10, 50), ids(90, 91), ids(50, 90)))
}
