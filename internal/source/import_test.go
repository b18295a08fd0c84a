package source

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"annals.dev/internal/format"
	"annals.dev/internal/ledger"
)

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func zipped(text string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	z.Write([]byte(text))
	z.Close()
	return b.String()
}

func importer(l Appender, change func(*ImporterConfig)) *Importer {
	cfg := ImporterConfig{Ledger: l, Cluster: "prod", Log: new(testLog).logger()}
	if change != nil {
		change(&cfg)
	}
	return NewImporter(cfg)
}

func mustImport(t *testing.T, im *Importer, paths ...string) Summary {
	t.Helper()
	s, err := im.Run(context.Background(), paths)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// The same five events stand in every carrier; what the files hold beside is in package format's own tests.
func TestImportSamples(t *testing.T) {
	l := new(fakeLedger)
	s := mustImport(t, importer(l, nil), "../format/testdata")
	files := 0
	err := filepath.WalkDir("../format/testdata", func(_ string, d fs.DirEntry, err error) error {
		if d.Type().IsRegular() {
			files++
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if s.Files != files || len(s.Failed) > 0 {
		t.Errorf("%d of %d files; failed: %v", s.Files, files, s.Failed)
	}
	if s.Formats["audit.k8s.io"] < 10 || s.Formats["GKE log entry"] == 0 || s.Formats["legacy text"] == 0 || s.Formats["no audit events"] == 0 {
		t.Errorf("formats: %v", s.Formats)
	}
	if s.New != int64(len(l.all())) || s.Duplicates != int64(l.dups) || s.Duplicates == 0 || s.Salvaged == 0 || s.Quarantined == 0 {
		t.Errorf("%+v, and the ledger has %d and %d duplicates", s, len(l.all()), l.dups)
	}
	if len(s.Reasons) == 0 || len(s.Examples) == 0 || !strings.Contains(s.Examples[0], "at byte") || len(s.Skipped) == 0 {
		t.Errorf("reasons %v, examples %q, skipped %v", s.Reasons, s.Examples, s.Skipped)
	}
	if s.From.IsZero() || !s.Until.After(s.From) {
		t.Errorf("from %v until %v", s.From, s.Until)
	}
}

func TestImportOrigins(t *testing.T) {
	l := new(fakeLedger)
	mustImport(t, importer(l, nil), "../format/testdata/openshift/must-gather.tar.gz")
	if len(l.all()) != 5 {
		t.Errorf("%d events", len(l.all()))
	}
	for _, e := range l.all() {
		if !strings.HasPrefix(e.origin, "import/../format/testdata/openshift/must-gather.tar.gz!") {
			t.Errorf("origin %q", e.origin)
		}
	}
}

func TestImportIsResumable(t *testing.T) {
	data, dir := t.TempDir(), t.TempDir()
	write(t, filepath.Join(dir, "audit.log"), lines(20, 30))
	write(t, filepath.Join(dir, "audit-2026-11-21T00-50-32.240.log.gz"), zipped(lines(0, 10)))
	write(t, filepath.Join(dir, "audit-2026-11-21T00-50-33.240.log"), lines(10, 20))
	l := new(fakeLedger)
	withData := func(c *ImporterConfig) { c.Data, c.Workers = data, 1 }

	// The first is cut short by a full disk after one file.
	l.fail, l.failAt = ledger.ErrFull, 2
	s, err := importer(l, withData).Run(context.Background(), []string{dir})
	if !errors.Is(err, ledger.ErrFull) || s.Files != 1 {
		t.Fatalf("%v, %d files", err, s.Files)
	}
	l.set(nil)
	s = mustImport(t, importer(l, withData), dir)
	if s.Files != 2 || s.Unchanged != 1 || s.New != 20 || s.Duplicates != 0 {
		t.Errorf("second run: %+v", s)
	}
	if d := cmp.Diff(ids(0, 30), l.of("prod")); d != "" {
		t.Errorf("not oldest first: %s", d)
	}
	// A third finds nothing to do, --again reads all.
	if s := mustImport(t, importer(l, withData), dir); s.Files != 0 || s.Unchanged != 3 || l.dups != 0 {
		t.Errorf("third run: %+v", s)
	}
	again := func(c *ImporterConfig) { withData(c); c.Again = true }
	if s := mustImport(t, importer(l, again), dir); s.Files != 3 || s.Duplicates != 30 || s.New != 0 {
		t.Errorf("again: %+v", s)
	}
	// The live log grew.
	write(t, filepath.Join(dir, "audit.log"), lines(20, 32))
	if s := mustImport(t, importer(l, withData), dir); s.Files != 1 || s.New != 2 || s.Unchanged != 2 {
		t.Errorf("after growth: %+v", s)
	}
	// Another cluster has read nothing yet.
	other := func(c *ImporterConfig) { withData(c); c.Cluster = "test" }
	if s := mustImport(t, importer(l, other), dir); s.Files != 3 || s.New != 32 {
		t.Errorf("another cluster: %+v", s)
	}
	// Half a line, as a crash leaves it, and garbage cost a reading, no more.
	f, err := os.OpenFile(filepath.Join(data, "import/prod.jsonl"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	f.WriteString("garbage\n{\"path\":\"/x")
	f.Close()
	for range 2 {
		if s := mustImport(t, importer(l, withData), dir); s.Unchanged != 3 {
			t.Errorf("after a crash: %+v", s)
		}
	}
}

func TestImportFilesThatFail(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "good.log"), lines(0, 3))
	secret := filepath.Join(dir, "outside")
	write(t, filepath.Join(secret, "x.log"), lines(100, 101))
	in := filepath.Join(dir, "in")
	write(t, filepath.Join(in, "a.log"), lines(3, 5))
	if err := os.Symlink(filepath.Join(secret, "x.log"), filepath.Join(in, "link.log")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(secret, filepath.Join(in, "linkdir")); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(in, "pipe.log"), 0o600); err != nil {
		t.Fatal(err)
	}
	// A directory that becomes a file's place between the listing and the opening stands for any error in reading.
	l := new(fakeLedger)
	s := mustImport(t, importer(l, nil), filepath.Join(dir, "missing.log"), in, filepath.Join(dir, "good.log"), filepath.Join(in, "a.log"))
	if len(s.Failed) != 1 || !errors.Is(s.Failed[0].Err, fs.ErrNotExist) || s.Files != 2 {
		t.Errorf("%+v", s)
	}
	if d := cmp.Diff(map[string]int{"symbolic link": 2, "pipe": 1}, s.NotRead); d != "" {
		t.Error(d)
	}
	got := l.of("prod")
	slices.Sort(got)
	if d := cmp.Diff(ids(0, 5), got); d != "" {
		t.Error(d)
	}
}

func TestImportFromPipes(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	go func() {
		if f, err := os.OpenFile(fifo, os.O_WRONLY, 0); err == nil {
			f.WriteString(zipped(lines(0, 3)))
			f.Close()
		}
	}()
	l := new(fakeLedger)
	var last Progress
	im := importer(l, func(c *ImporterConfig) {
		c.Data, c.Workers, c.Stdin = t.TempDir(), 1, strings.NewReader(lines(3, 6))
		c.Progress = func(p Progress) { last = p }
	})
	s := mustImport(t, im, fifo, "-")
	if s.Files != 2 || s.New != 6 || last.Events != 6 || last.FilesDone != 2 || last.Files != 2 {
		t.Errorf("%+v, %+v", s, last)
	}
	if d := cmp.Diff(ids(0, 6), l.of("prod")); d != "" {
		t.Error(d)
	}
	if o := l.all()[5].origin; o != "import/stdin" {
		t.Errorf("origin %q", o)
	}
	if s := mustImport(t, importer(l, nil), "-"); len(s.Failed) != 1 {
		t.Errorf("without standard input: %+v", s)
	}
}

func TestImportProgressEndsAtTheTotal(t *testing.T) {
	dir := t.TempDir()
	for n := range 20 {
		write(t, filepath.Join(dir, "d", string(rune('a'+n))+".log"), lines(n*100, n*100+100))
	}
	write(t, filepath.Join(dir, "z.log.gz"), zipped(lines(5000, 6000)))
	var last Progress
	s := mustImport(t, importer(new(fakeLedger), func(c *ImporterConfig) {
		c.Workers = 4
		c.Progress = func(p Progress) { last = p }
	}), dir)
	if last.Bytes != last.Total || last.Total == 0 || last.FilesDone != 21 || last.Events != 3000 || s.New != 3000 {
		t.Errorf("%+v", last)
	}
}

func TestImportStops(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.log"), lines(0, 10))
	ctx, cancel := context.WithCancel(context.Background())
	l := &fakeLedger{fail: ledger.ErrBusy}
	var calls atomic.Int32
	im := importer(appenderFunc(func(ctx context.Context, b ledger.Batch) (ledger.Receipt, error) {
		if calls.Add(1) == 3 {
			cancel()
		}
		return l.Append(ctx, b)
	}), nil)
	if _, err := im.Run(ctx, []string{dir}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

type appenderFunc func(context.Context, ledger.Batch) (ledger.Receipt, error)

func (f appenderFunc) Append(ctx context.Context, b ledger.Batch) (ledger.Receipt, error) {
	return f(ctx, b)
}

func TestImportWaitsForABusyLedger(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.log"), lines(0, 10))
	l := new(fakeLedger)
	var calls atomic.Int32
	im := importer(appenderFunc(func(ctx context.Context, b ledger.Batch) (ledger.Receipt, error) {
		if calls.Add(1) < 4 {
			return ledger.Receipt{}, ledger.ErrBusy
		}
		return l.Append(ctx, b)
	}), nil)
	if s := mustImport(t, im, dir); s.New != 10 {
		t.Errorf("%+v", s)
	}
}

func TestImportRefusesClusters(t *testing.T) {
	for _, cluster := range []string{"", "annals", "../x", "A"} {
		data := t.TempDir()
		im := importer(new(fakeLedger), func(c *ImporterConfig) { c.Cluster, c.Data = cluster, data })
		if _, err := im.Run(context.Background(), nil); err == nil {
			t.Errorf("took %q", cluster)
		}
	}
}

func TestDialectsHaveNames(t *testing.T) {
	for d := format.V1; d <= format.ViaQ; d++ {
		if dialectNames[d] == "" {
			t.Errorf("dialect %d", d)
		}
	}
}

func FuzzFinished(f *testing.F) {
	f.Add([]byte(`{"path":"/a","size":1,"changed":2,"head":"x"}` + "\n"))
	f.Add([]byte("\n\n{"))
	f.Fuzz(func(t *testing.T, b []byte) {
		marks := make(map[string]fileMark)
		if lines := parseFinished(b, marks); len(marks) > lines {
			t.Errorf("%d marks in %d lines", len(marks), lines)
		}
	})
}
