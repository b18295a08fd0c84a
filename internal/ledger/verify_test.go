package ledger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"annals.dev/internal/disk"
)

// kept makes a closed ledger with two segments, tiles, sightings and a log that holds events of its own, and lists its files.
func kept(t *testing.T) (dir string, files []string) {
	all := lines(t)
	l, dir := newLedger(t, Options{})
	appendAll(t, l, all[:1500])
	if err := l.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Append(t.Context(), batch(t, "webhook/cp-1", all[:300])); err != nil {
		t.Fatal(err)
	}
	b := batch(t, "webhook/cp-1", all[1500:1510])
	b.Cluster = "other"
	if _, err := l.Append(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if err := l.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	appendAll(t, l, all[1500:1800])
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if name := filepath.Base(path); err == nil && !d.IsDir() && name != "lock" {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return dir, files
}

func check(t *testing.T, dir string, opts VerifyOptions) *Report {
	t.Helper()
	r, err := Verify(context.Background(), dir, opts)
	if err != nil {
		return &Report{Findings: []Finding{{Kind: Unverifiable, What: err.Error()}}}
	}
	return r
}

func TestVerifyWhole(t *testing.T) {
	dir, _ := kept(t)
	r := check(t, dir, VerifyOptions{})
	if len(r.Findings) > 0 {
		t.Fatalf("an untouched ledger: %+v", r.Findings)
	}
	if len(r.Clusters) != 2 || r.Clusters[1].Checked != 1800 || r.Clusters[1].Checkpoint != 1800 {
		t.Errorf("%+v", r.Clusters)
	}
	r = check(t, dir, VerifyOptions{Cluster: "prod", From: 300, To: 700})
	if len(r.Findings) > 0 || r.Clusters[0].Checked == 0 {
		t.Errorf("a range: %+v", r)
	}
	l := reopen(t, dir, Options{})
	live, err := l.Verify(t.Context(), VerifyOptions{})
	if err != nil || len(live.Findings) > 0 || live.Clusters[1].Checked != 1800 {
		t.Errorf("open: %+v, %v", live, err)
	}
}

// A ledger that was killed right after its first batch has a log and nothing else.
func TestVerifyLogAlone(t *testing.T) {
	l, dir := newLedger(t, Options{})
	appendAll(t, l, lines(t)[:50])
	live, err := l.Verify(t.Context(), VerifyOptions{})
	if err != nil || len(live.Clusters) != 1 || live.Clusters[0].Checked != 50 || len(live.Findings) > 0 {
		t.Errorf("open: %+v, %v", live, err)
	}
	l.Close()
	if err := os.RemoveAll(dir + "/clusters/prod"); err != nil {
		t.Fatal(err)
	}
	if err := writeHeads(disk.OS(dir), l.desc, l.signer, nil); err != nil {
		t.Fatal(err)
	}
	if r := check(t, dir, VerifyOptions{}); len(r.Clusters) != 1 || r.Clusters[0].Checked != 50 || len(r.Findings) > 0 {
		t.Errorf("closed: %+v", r)
	}
}

// TestTamper changes every file of a ledger in every way, one at a time.
func TestTamper(t *testing.T) {
	dir, files := kept(t)
	r := rand.New(rand.NewPCG(1, 2))
	expect := func(t *testing.T, what string) {
		t.Helper()
		if rep := check(t, dir, VerifyOptions{}); len(rep.Findings) == 0 {
			t.Errorf("%s: verify saw nothing", what)
		}
	}
	for i, file := range files {
		rel, _ := filepath.Rel(dir, file)
		t.Run(rel, func(t *testing.T) {
			was, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			write := func(b []byte) {
				if err := os.WriteFile(file, b, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			for range 12 {
				at := r.IntN(len(was))
				b := bytes.Clone(was)
				b[at] ^= 1 << r.IntN(8)
				write(b)
				expect(t, fmt.Sprintf("bit flipped at %d of %d", at, len(was)))
			}
			for _, size := range []int{0, len(was) / 2, len(was) - 1} {
				write(was[:size])
				expect(t, fmt.Sprintf("cut to %d of %d", size, len(was)))
			}
			write(append(bytes.Clone(was), 'x'))
			if rep := check(t, dir, VerifyOptions{}); len(rep.Findings)+len(rep.Notes) == 0 { // behind the log's end it looks like half a write
				t.Error("a byte more: verify saw nothing")
			}
			if other, err := os.ReadFile(files[(i+1)%len(files)]); err == nil {
				write(other)
				expect(t, "another file in its place")
			}
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
			if rel != defaultKey { // the key may be kept elsewhere
				expect(t, "removed")
			}
			write(was)
		})
		if t.Failed() {
			break
		}
	}
	if rep := check(t, dir, VerifyOptions{}); len(rep.Findings) > 0 {
		t.Fatalf("put back as it was: %+v", rep.Findings)
	}
	for _, name := range []string{"clusters/x", "clusters/prod/x", "clusters/prod/segments/x.parquet", "clusters/prod/tile/1/000", "wal/x", "keys/x"} {
		name = filepath.Join(dir, name)
		os.MkdirAll(filepath.Dir(name), 0o700)
		if err := os.WriteFile(name, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		expect(t, name+" added")
		os.Remove(name)
		os.Remove(filepath.Dir(name))
	}
	beside := filepath.Join(dir, "notes.txt")
	if err := os.WriteFile(beside, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if rep := check(t, dir, VerifyOptions{}); len(rep.Findings) > 0 || len(rep.Notes) != 1 {
		t.Errorf("a file beside the ledger: %+v", rep)
	}
	os.Remove(beside)
	cluster := filepath.Join(dir, "clusters/other")
	if err := os.Rename(cluster, dir+"-away"); err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir + "-away")
	expect(t, "a whole cluster gone")
}

func TestYesterdayPutBack(t *testing.T) {
	all := lines(t)
	l, dir := newLedger(t, Options{})
	appendAll(t, l, all[:500])
	if err := l.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	old, err := l.Checkpoint("prod")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	yesterday := t.TempDir()
	if err := os.CopyFS(yesterday, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	l = reopen(t, dir, Options{})
	appendAll(t, l, all[500:900])
	note, err := l.Checkpoint("prod")
	if err != nil {
		t.Fatal(err)
	}
	proof, err := l.Prove(t.Context(), "prod", 777)
	if err != nil {
		t.Fatal(err)
	}
	key := l.Description().PublicKey
	l.Close()
	if r := check(t, dir, VerifyOptions{Against: old, Key: key}); len(r.Findings) > 0 {
		t.Errorf("the ledger extends yesterday's checkpoint: %+v", r.Findings)
	}
	if r := check(t, yesterday, VerifyOptions{}); len(r.Findings) > 0 {
		t.Errorf("yesterday's ledger is whole in itself: %+v", r.Findings)
	}
	r := check(t, yesterday, VerifyOptions{Against: note})
	if len(r.Findings) != 1 || r.Findings[0].Kind != Missing {
		t.Errorf("yesterday put back: %+v", r.Findings)
	}

	p, c, err := CheckProof(proof, key)
	if err != nil || p.Position != 777 || c.Size != 900 || !bytes.Equal(p.Event, all[777]) {
		t.Errorf("proof: %v, %+v", err, c)
	}
	forged := bytes.Replace(proof, []byte(`"position": 777`), []byte(`"position": 778`), 1)
	if _, _, err := CheckProof(forged, key); err == nil {
		t.Error("a proof of another position holds")
	}
}

func TestProveEverywhere(t *testing.T) {
	all := lines(t)
	l, _ := newLedger(t, Options{})
	appendAll(t, l, all[:1000])
	if err := l.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	appendAll(t, l, all[1000:1700])
	for _, p := range []uint64{0, 1, 255, 256, 999, 1000, 1023, 1024, 1400, 1535, 1536, 1699} {
		if _, err := l.Prove(t.Context(), "prod", p); err != nil {
			t.Errorf("position %d: %v", p, err)
		}
	}
	if _, err := l.Prove(t.Context(), "prod", 1700); err == nil {
		t.Error("a position that does not exist was proven")
	}
}

func TestOpenSeesWhatIsGone(t *testing.T) {
	dir, _ := kept(t)
	segments, err := filepath.Glob(dir + "/clusters/prod/segments/*")
	if err != nil || len(segments) != 2 {
		t.Fatal(segments, err)
	}
	for _, file := range segments {
		was, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		os.Remove(file)
		var lost *LostError
		if l, err := Open(dir, Options{}); !errors.As(err, &lost) {
			t.Errorf("opened without %s: %v, %v", file, l, err)
		}
		if err := os.WriteFile(file, was[:len(was)-1], 0o600); err != nil {
			t.Fatal(err)
		}
		var damage *DamageError
		if l, err := Open(dir, Options{}); !errors.As(err, &damage) {
			t.Errorf("opened with %s cut: %v, %v", file, l, err)
		}
		if err := os.WriteFile(file, was, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	reopen(t, dir, Options{})
}

// An auditor's copy may have no lock file, and verify makes none: it writes nothing.
func TestVerifyWritesNothing(t *testing.T) {
	dir, files := kept(t)
	if err := os.Remove(dir + "/lock"); err != nil {
		t.Fatal(err)
	}
	if r := check(t, dir, VerifyOptions{}); len(r.Findings) > 0 {
		t.Errorf("%+v", r.Findings)
	}
	n := 0
	filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if !d.IsDir() {
			n++
		}
		return err
	})
	if n != len(files) {
		t.Errorf("%d files after verify, %d before", n, len(files))
	}
}
