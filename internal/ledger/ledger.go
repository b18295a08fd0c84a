// Package ledger is where events are kept: durably, found at once, and so that nobody can quietly change them. Start with
// Ledger and its Append.
//
// It promises: what Append acknowledged is on disk, comes back byte for byte, once, and is under a signed checkpoint within a
// second; a kill or a power cut at any moment changes nothing of that; Verify tells of any change to any file. Clusters have
// sequences of their own over one log; rows that are in the log alone are columns in memory, and become segments in time.
// docs/format.md is what lies on disk.
package ledger

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path"
	"sync"
	"time"

	"github.com/RoaringBitmap/roaring/v2/roaring64"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"annals.dev/internal/disk"
	"annals.dev/internal/wal"
)

const walDir = "wal"

// Options are how a ledger works. The zero value of each field is its default.
type Options struct {
	Log        *slog.Logger
	SealEvents int           // rows in memory become a segment at so many events (120,000),
	SealBytes  int64         // or so many bytes of events (256 MiB),
	SealAfter  time.Duration // or when the oldest has waited so long (a minute)
	MergeBytes int64         // segments merge up to so many bytes of events (256 MiB)
}

func (o *Options) fill() {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.SealEvents == 0 {
		o.SealEvents = 120_000
	}
	if o.SealBytes == 0 {
		o.SealBytes = 256 << 20
	}
	if o.SealAfter == 0 {
		o.SealAfter = time.Minute
	}
	if o.MergeBytes == 0 {
		o.MergeBytes = 256 << 20
	}
}

// Ledger is an open ledger. All its methods may be called by many goroutines.
type Ledger struct {
	opts     Options
	fs       disk.FS
	root     string // where fs lies on disk; "" if it does not
	desc     *Description
	signer   note.Signer
	verifier note.Verifier
	ids      identifier
	log      *wal.Log
	unlock   func()
	Opened   wal.Report // what the log was like when it was opened: a torn tail that was cut off, for one

	jobs   chan *job
	seals  chan chan error // requests to seal what is in memory
	frozen chan freezing   // to the sealer
	sealed chan error      // and its answer
	stop   chan struct{}
	done   sync.WaitGroup

	checkpoints sync.Mutex   // held while they are written
	sealing     sync.RWMutex // held while files are published or removed

	mu       sync.Mutex // what follows, and what cluster and Segment say it guards
	clusters map[string]*cluster
	failed   error // no more is taken
	closed   bool
	pinned   int // verifications under way: no file is removed meanwhile
	stats    Stats
	changed  chan struct{} // closed at the next commit; nil where nobody waits
}

// cluster is one cluster's state.
type cluster struct {
	name string

	tree frontier // the committer's alone

	// The ledger's mutex guards what follows. The committer alone adds to hot, and reads it without the mutex.
	whole    []tlog.Hash // subtrees of 256 leaves since the last full tile of level 1
	hot      *rows
	known    *known // the identities of hot
	since    time.Time
	frozen   *frozenRows
	head     frontier // of every position that is durable
	sealed   frontier
	segments []*Segment // by First
	recent   []*recentKnown
	seen     map[string]*roaring64.Bitmap // by origin: positions that came again by it
	seenNew  bool                         // since it was last written
	seenFile fileInfo                     // as last written
	noted    uint64                       // size of the last checkpoint
	last     int64                        // the latest time of an event
	arrived  int64                        // when the last event came
}

// frozenRows is what is being sealed.
type frozenRows struct {
	rows  *rows
	known *known
	tree  frontier // at its end
	whole []tlog.Hash
}

// Open opens the ledger in dir for this process alone, after it has replayed the log.
func Open(dir string, opts Options) (*Ledger, error) {
	desc, err := Describe(dir)
	if err != nil {
		return nil, err
	}
	unlock, err := lock(dir)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	signer, err := desc.signer(dir)
	if err != nil {
		unlock()
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	l, err := open(disk.OS(dir), dir, desc, signer, opts)
	if err != nil {
		unlock()
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	l.unlock = unlock
	return l, nil
}

func open(d disk.FS, root string, desc *Description, signer note.Signer, opts Options) (*Ledger, error) {
	opts.fill()
	verifier, err := desc.Verifier()
	if err != nil {
		return nil, err
	}
	l := &Ledger{
		opts: opts, fs: d, root: root, desc: desc, signer: signer, verifier: verifier, ids: newIdentifier(),
		jobs: make(chan *job, 64), seals: make(chan chan error), frozen: make(chan freezing, 1), sealed: make(chan error, 1), stop: make(chan struct{}),
		clusters: make(map[string]*cluster), unlock: func() {},
	}
	if err := l.load(); err != nil {
		return nil, err
	}
	l.done.Add(3)
	go l.commitLoop()
	go l.sealLoop()
	go l.checkpointLoop()
	return l, nil
}

// load reads the manifests, replays the log, and holds both against the checkpoints.
func (l *Ledger) load() error {
	names, err := clusterNames(l.fs)
	if err != nil {
		return err
	}
	least, err := readHeads(l.fs, l.desc, l.verifier)
	if err != nil {
		return err
	}
	heads := make(map[string]Checkpoint)
	for _, name := range names {
		if err := l.loadCluster(name); err != nil {
			return err
		}
		c, err := readCheckpoint(l.fs, l.desc, l.verifier, name)
		if err == nil {
			heads[name] = c
		} else if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	l.log, l.Opened, err = wal.Open(l.fs, walDir, func(e wal.Entry) error { return l.replay(e, heads) })
	if err != nil {
		return err
	}
	for name, c := range heads {
		least[name] = max(least[name], c.Size)
		l.clusters[name].noted = c.Size
	}
	for name, need := range least {
		if size := l.cluster(name, 0).tree.size; size < need {
			_ = l.log.Close()
			return &MissingError{name, size, need}
		}
	}
	return nil
}

// clusterNames lists the clusters that have a directory.
func clusterNames(d disk.FS) (names []string, err error) {
	entries, err := d.ReadDir("clusters")
	for _, e := range entries {
		if e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names, err
}

// MissingError says that positions which a checkpoint covers are not there.
type MissingError struct {
	Cluster    string
	Have, Need uint64
}

func (e *MissingError) Error() string {
	return fmt.Sprintf("cluster %s: positions %d to %d are missing: a signed checkpoint covers %d events, and %d are here", e.Cluster, e.Have, e.Need-1, e.Need, e.Have)
}

// LostError says that a file which a signed manifest names is gone, and the events in it.
type LostError struct{ File string }

func (e *LostError) Error() string {
	return fmt.Sprintf("%s is gone, and with it the events that it held: run annals verify, and restore it from a backup", e.File)
}

// present sees to it that a segment's files are there, in their size. What is in them verify reads.
func (m *manifestSegment) present(d disk.FS, name string) error {
	for i, ext := range []string{columnsFile, indexFile} {
		info, err := d.Stat(name + ext)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return &LostError{name + ext}
		case err != nil:
			return err
		case info.Size() != m.files[i].size:
			return &DamageError{name + ext, fmt.Errorf("it has %d bytes, not the %d of the signed manifest", info.Size(), m.files[i].size)}
		}
	}
	return nil
}

func readCheckpoint(d disk.FS, desc *Description, v note.Verifier, cluster string) (Checkpoint, error) {
	name := path.Join(clusterDir(cluster), checkpointFile)
	b, err := disk.ReadFile(d, name)
	if err != nil {
		return Checkpoint{}, err
	}
	c, err := ParseCheckpoint(b, v)
	if err != nil {
		return c, fmt.Errorf("%s: %w", name, err)
	}
	if c.Origin != desc.origin(cluster) {
		return c, &DamageError{name, fmt.Errorf("it is of %s", c.Origin)}
	}
	return c, nil
}

// loadCluster reads a cluster's manifest and opens its segments.
func (l *Ledger) loadCluster(name string) error {
	// Whoever wrote the manifest may have been killed before its name was durable. What it replaced is removed below, and from
	// the log: that must not be durable before.
	if err := l.fs.SyncDir(clusterDir(name)); err != nil {
		return err
	}
	m, err := readManifest(l.fs, name, l.desc.origin(name), l.verifier)
	if err != nil {
		return err
	}
	c := l.cluster(name, m.sealed.size)
	c.sealed, c.tree, c.head, c.whole = m.sealed, m.sealed.clone(), m.sealed.clone(), m.whole
	c.seenFile = m.seen
	for _, ms := range m.segments {
		base := path.Join(clusterDir(name), "segments", ms.name)
		if err := ms.present(l.fs, base); err != nil {
			return err
		}
		s, err := openSegment(l.fs, l.root, name, base)
		if err != nil {
			return err
		}
		s.files = ms.files
		c.segments = append(c.segments, s)
		c.last = max(c.last, s.MaxTime)
	}
	if c.seen, err = readSeen(l.fs, name, m.seen); err != nil {
		return err
	}
	return l.tidy(name, m)
}

// cluster gives a cluster's state, made if need be.
func (l *Ledger) cluster(name string, size uint64) *cluster {
	c := l.clusters[name]
	if c == nil {
		c = &cluster{name: name, hot: newRows(size), known: newKnown(), since: time.Now(), seen: make(map[string]*roaring64.Bitmap)}
		l.clusters[name] = c
	}
	return c
}

// Close ends the ledger: what was accepted is kept, a last checkpoint is written. It does not seal.
func (l *Ledger) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil
	}
	l.closed = true
	l.mu.Unlock()
	close(l.stop)
	l.done.Wait()
	err := l.writeCheckpoints()
	err = errors.Join(err, l.log.Close())
	l.unlock()
	return err
}

// Description is what ledger.json says.
func (l *Ledger) Description() Description { return *l.desc }

// Seal makes segments of all that is in memory, merges what is to be merged, writes checkpoints, and returns when that is
// done.
func (l *Ledger) Seal(ctx context.Context) error {
	answer := make(chan error, 1)
	select {
	case l.seals <- answer:
	case <-ctx.Done():
		return ctx.Err()
	case <-l.stop:
		return ErrClosed
	}
	select {
	case err := <-answer:
		return errors.Join(err, l.writeCheckpoints())
	case <-ctx.Done():
		return ctx.Err()
	case <-l.stop:
		return ErrClosed
	}
}
