package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"annals.dev/internal/access"
	"annals.dev/internal/format"
	"annals.dev/internal/ledger"
)

// ImporterConfig is what an Importer needs.
type ImporterConfig struct {
	Ledger  Appender
	Cluster string
	// Data is the data directory. There the importer notes which files it has finished, so that the same import again
	// reads only what is new. Optional.
	Data     string
	Again    bool           // read finished files too
	Workers  int            // files read at once; 0: one for each processor
	Stdin    io.Reader      // for the path "-"
	Name     string         // what it is called in origins and notes; "": stdin
	Progress func(Progress) // Optional. Called a few times a second and at the end, never twice at once.
	Log      *slog.Logger
	Metrics  *Metrics // Optional.
}

// Importer brings files that are there already into the ledger: any number of files and directories, in any shape that
// package format reads. A file that fails does not stop the others. What an interrupted import did is kept, and the
// ledger takes nothing twice, so the remedy for an import that was cut short is to start it again.
type Importer struct {
	cfg      ImporterConfig
	ledger   patient
	finished *finished

	mu  sync.Mutex
	sum Summary
	now Progress
}

// NewImporter makes an Importer.
func NewImporter(cfg ImporterConfig) *Importer {
	if cfg.Workers <= 0 {
		cfg.Workers = runtime.GOMAXPROCS(0)
	}
	return &Importer{cfg: cfg, ledger: patient{to: cfg.Ledger, log: cfg.Log}}
}

const progressEvery = 200 * time.Millisecond

// Run imports the paths: files, directories with all that is in them, and "-" for standard input. The Summary says what
// became of every file, also of those that failed; the error is for what ends the whole import, such as a full disk or
// the end of the context.
func (im *Importer) Run(ctx context.Context, paths []string) (Summary, error) {
	start := time.Now()
	im.sum, im.now = newSummary(), Progress{}
	err := access.CheckCluster(im.cfg.Cluster)
	if err != nil {
		return im.sum, fmt.Errorf("import: %w", err)
	}
	if im.finished, err = openFinished(im.cfg.Data, im.cfg.Cluster); err != nil {
		return im.sum, err
	}
	defer im.finished.close()
	files := im.find(paths)
	for _, f := range files {
		im.now.Total += f.size
	}
	im.now.Files = len(files)

	stop := im.report(start)
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(im.cfg.Workers)
	for _, f := range files {
		if gctx.Err() != nil {
			break
		}
		g.Go(func() error { return im.file(gctx, f) })
	}
	err = g.Wait()
	stop()
	if cerr := context.Cause(ctx); cerr != nil && err == nil {
		err = cerr
	}
	im.sum.Elapsed = time.Since(start)
	if err != nil {
		return im.sum, fmt.Errorf("import: %w; what was read before is kept, and the same import again goes on from there", err)
	}
	return im.sum, nil
}

// report calls Progress until the function it returns is called.
func (im *Importer) report(start time.Time) (stop func()) {
	if im.cfg.Progress == nil {
		return func() {}
	}
	show := func() {
		im.mu.Lock()
		p := im.now
		im.mu.Unlock()
		p.Elapsed = time.Since(start)
		im.cfg.Progress(p)
	}
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(progressEvery)
		defer tick.Stop()
		for {
			select {
			case <-quit:
				show()
				return
			case <-tick.C:
				show()
			}
		}
	}()
	return func() { close(quit); <-done }
}

// file imports one file. Its error ends the import; what is wrong with the file alone goes into the Summary.
func (im *Importer) file(ctx context.Context, f importFile) error {
	in, err := f.open(im.cfg.Stdin)
	if err != nil {
		im.ended(f, format.Counts{}, nil, err)
		return nil
	}
	defer in.close()
	var mark fileMark
	if f.regular {
		if mark, err = markOf(f.path, in.file); err != nil {
			im.ended(f, format.Counts{}, nil, err)
			return nil
		}
		if im.finished.has(mark) && !im.cfg.Again {
			im.unchanged(f)
			return nil
		}
	}
	r, seen := format.NewReader(in.reader(f), f.name), dialects{}
	err = im.read(ctx, f, in, r, seen)
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	var fatal *ledgerError
	im.ended(f, r.Counts(), seen, err)
	im.cfg.Metrics.unreadable(im.cfg.Cluster, "import", r.Counts())
	switch {
	case ctx.Err() != nil || errors.As(err, &fatal):
		return err
	case err == nil && f.regular:
		return im.finished.add(mark)
	}
	return nil
}

func (im *Importer) read(ctx context.Context, f importFile, in *input, r *format.Reader, seen dialects) error {
	last := int64(0)
	for {
		events, places, err := r.Chunk(0)
		if err == io.EOF {
			im.advance(f.size - last)
			return nil
		}
		if err != nil {
			return err
		}
		if err := im.append(ctx, events, places, seen); err != nil {
			return err
		}
		now := min(in.taken.Load(), f.size)
		im.advance(now - last)
		last = max(now, last)
	}
}

// ledgerError is one that no other file would be spared.
type ledgerError struct{ error }

func (e *ledgerError) Unwrap() error { return e.error }

// append delivers a chunk, batch by batch: one for each member of an archive, since that is its origin.
func (im *Importer) append(ctx context.Context, events []format.Event, places []format.Place, seen dialects) error {
	for len(events) > 0 {
		n := 1
		for n < len(events) && places[n].Path == places[0].Path {
			n++
		}
		receipt, err := im.ledger.append(ctx, ledger.Batch{
			Cluster: im.cfg.Cluster, Origin: "import/" + strings.TrimPrefix(places[0].Path, "/"), Events: events[:n],
		})
		if err != nil {
			return &ledgerError{fmt.Errorf("%s at byte %d: %w", places[0].Path, places[0].Offset, err)}
		}
		im.took(events[:n], receipt, seen)
		events, places = events[n:], places[n:]
	}
	return nil
}
