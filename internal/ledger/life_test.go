package ledger

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"annals.dev/internal/disk/sim"
	"annals.dev/internal/format"
)

// pool is recorded events to deliver, each as a line of the log and as an item of the webhook: one event, two forms.
type pool struct {
	events [2][]format.Event
	when   time.Time      // about when they happened
	number map[string]int // of an event, by its bytes in either form
}

var events pool

// warm makes what is made once in a process, outside of any synctest bubble, since some of it holds channels.
func warm(tb testing.TB) {
	warmed.Do(func() {
		events.load(tb)
		openDecoder(tb)
	})
}

var warmed sync.Once

func (p *pool) load(tb testing.TB) {
	p.number = make(map[string]int)
	for _, line := range lines(tb) {
		if len(line) > 6000 {
			continue
		}
		n := len(p.events[0])
		for form, b := range [2][]byte{line, append([]byte("{"), line[1+len(lineHead):]...)} {
			e := format.Event{Bytes: b}
			if err := e.View.Parse(b); err != nil {
				tb.Fatal(err)
			}
			p.when = time.UnixMicro(e.View.Time)
			if n%50 == 7 { // some are what nothing can read
				b = append(b[:len(b)/2:len(b)/2], 0x1c, 0xff, byte(n), byte(n>>8))
				e = format.Event{Bytes: b, Dialect: format.Unreadable, Marks: format.Quarantined, Note: "cut in the middle"}
			}
			p.events[form] = append(p.events[form], e)
			p.number[string(b)] = n
		}
	}
}

// some is a batch of n events.
func (p *pool) some(from, n int) Batch {
	return Batch{Cluster: "prod", Origin: "import/a", Received: p.when, Events: p.events[0][from : from+n]}
}

func openDecoder(tb testing.TB) {
	desc, signer := describeSim(tb)
	d := sim.New(0)
	if err := create(d, desc, signer); err != nil {
		tb.Fatal(err)
	}
	l, err := open(d, "", desc, signer, Options{})
	if err != nil {
		tb.Fatal(err)
	}
	defer l.Close()
	if _, err := l.Append(tb.Context(), events.some(0, 9)); err != nil {
		tb.Fatal(err)
	}
	if err := l.Seal(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	contents(tb, l)
}

// describeSim is the description and key of a ledger on a simulated disk.
func describeSim(tb testing.TB) (*Description, note.Signer) {
	var id [8]byte
	rand.Read(id[:])
	desc := &Description{Version: descriptionVersion, ID: hex.EncodeToString(id[:]), Key: "/elsewhere"}
	secret, public, err := note.GenerateKey(rand.Reader, "annals/"+desc.ID)
	if err != nil {
		tb.Fatal(err)
	}
	desc.PublicKey = public
	signer, err := note.NewSigner(secret)
	if err != nil {
		tb.Fatal(err)
	}
	return desc, signer
}

// life is a ledger through power cuts, and what must be in it.
type life struct {
	t      *testing.T
	where  string // for messages: how to make it happen again
	rng    *mathrand.Rand
	d      *sim.FS
	desc   *Description
	signer note.Signer
	opts   Options
	l      *Ledger

	clusters map[string]*truth
	spent    map[string]int // events of the pool that a cluster was given
	notes    []Checkpoint   // heads that were signed: every later ledger extends them
	faults   atomic.Int64   // that the disk was told to make, cuts aside
	cuts     int
	unsaid   int // batches that were there although they had not been acknowledged
	torn     int
}

// truth is what is known of a cluster.
type truth struct {
	pieces []*piece
	size   int
	must   sightings // that were acknowledged
	may    sightings // and those that were not
}

// sightings are positions that came again, by origin.
type sightings map[string]map[uint64]bool

func (s sightings) add(origin string, at uint64) {
	if s[origin] == nil {
		s[origin] = make(map[uint64]bool)
	}
	s[origin][at] = true
}

// piece is a run of events that is always delivered whole: it is there whole, or not at all.
type piece struct {
	origin string
	form   int
	events []int // of the pool
	at     int   // position of the first; -1: it is not there
	tried  bool  // it was delivered without being acknowledged, so that a cut decides
	twice  bool  // and that twice in one batch
}

func newLife(t *testing.T, seed uint64) *life {
	warm(t)
	r := &life{t: t, where: fmt.Sprintf("seed %d", seed), rng: mathrand.New(mathrand.NewPCG(seed, 7)), d: sim.New(seed),
		clusters: make(map[string]*truth), spent: make(map[string]int)}
	r.desc, r.signer = describeSim(t)
	r.opts = Options{SealEvents: 10 + r.rng.IntN(60), MergeBytes: []int64{20_000, 200_000, 1 << 20}[r.rng.IntN(3)]}
	if r.rng.IntN(3) == 0 {
		r.opts.SealBytes = 50_000
	}
	if err := create(r.d, r.desc, r.signer); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if r.l != nil {
			_ = r.l.Close()
		}
	})
	return r
}

func (r *life) fatalf(format string, args ...any) {
	r.t.Helper()
	r.t.Fatalf(r.where+": "+format, args...)
}

func (r *life) truth(cluster string) *truth {
	c := r.clusters[cluster]
	if c == nil {
		c = &truth{must: make(sightings), may: make(sightings)}
		r.clusters[cluster] = c
	}
	return c
}

// piece makes one of n events that the cluster was never given.
func (r *life) piece(cluster string, n int) *piece {
	form := r.rng.IntN(2)
	origin := fmt.Sprintf("%s/cp-%d", []string{"file", "webhook"}[form], r.rng.IntN(2))
	p := &piece{origin: origin, form: form, at: -1}
	for range n {
		p.events = append(p.events, r.spent[cluster]%len(events.events[0]))
		r.spent[cluster]++
	}
	c := r.truth(cluster)
	c.pieces = append(c.pieces, p)
	return p
}

// delivery is one batch, and what is to come of it.
type delivery struct {
	cluster string
	batch   Batch
	fresh   []*piece
	again   []uint64 // positions, without those of fresh
	repeats []*piece // of fresh, that stand in it twice
	receipt Receipt
	err     error
}

// delivery makes one: pieces that are new or were refused before, pieces that came before, pieces twice.
func (r *life) delivery(cluster string, taken map[*piece]bool) *delivery {
	c := r.truth(cluster)
	d := &delivery{cluster: cluster}
	var fresh, old []*piece
	for _, p := range c.pieces {
		if p.at >= 0 {
			old = append(old, p)
		} else if !taken[p] {
			fresh = append(fresh, p)
		}
	}
	for range r.rng.IntN(3) {
		if len(fresh) > 0 && r.rng.IntN(3) > 0 {
			d.fresh = append(d.fresh, fresh[0])
			fresh = fresh[1:]
		} else {
			d.fresh = append(d.fresh, r.piece(cluster, 1+r.rng.IntN(6)))
		}
	}
	// One batch has one origin: a piece's, or another if the pieces in it all came before.
	if len(d.fresh) > 0 {
		d.batch.Origin = d.fresh[0].origin
		d.fresh = slices.DeleteFunc(d.fresh, func(p *piece) bool { return p.origin != d.batch.Origin })
	} else {
		d.batch.Origin = fmt.Sprintf("import/%d", r.rng.IntN(3))
	}
	d.batch.Cluster, d.batch.Received = cluster, events.when.Add(time.Duration(r.rng.IntN(3600))*time.Second)
	put := func(p *piece, form int) {
		for _, n := range p.events {
			d.batch.Events = append(d.batch.Events, events.events[form][n])
		}
	}
	for _, p := range d.fresh {
		taken[p] = true
		put(p, p.form)
		if r.rng.IntN(5) == 0 {
			put(p, p.form)
			d.repeats = append(d.repeats, p)
		}
		if len(old) > 0 && r.rng.IntN(3) == 0 {
			d.more(r, old, put)
		}
	}
	if len(old) > 0 && (len(d.fresh) == 0 || r.rng.IntN(3) == 0) {
		d.more(r, old, put)
	}
	return d
}

// more puts a piece that came before into the batch.
func (d *delivery) more(r *life, old []*piece, put func(p *piece, form int)) {
	p := old[r.rng.IntN(len(old))]
	if slices.ContainsFunc(p.events, unreadable) {
		return
	}
	put(p, r.rng.IntN(2))
	for i := range p.events {
		d.again = append(d.again, uint64(p.at+i))
	}
}

// send delivers, with the patience of an API server; settle notes what came of it.
func (r *life) send(d *delivery) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	d.receipt, d.err = r.l.Append(ctx, d.batch)
}

func (r *life) settle(d *delivery) {
	r.t.Helper()
	c := r.truth(d.cluster)
	if d.err != nil {
		for _, p := range d.fresh {
			p.tried = true
		}
		for _, p := range d.repeats {
			p.twice = true
		}
		for _, at := range d.again {
			c.may.add(d.batch.Origin, at)
		}
		return
	}
	at := int(d.receipt.First)
	n, twice := 0, 0
	for _, p := range d.fresh {
		p.at = at + n
		n += len(p.events)
	}
	for _, p := range d.repeats {
		twice += len(p.events)
	}
	c.size += n
	if d.receipt.Accepted != n || d.receipt.Duplicates != len(d.batch.Events)-n {
		r.fatalf("cluster %s: of %d events, %d of them new, %d twice, the receipt says %+v", d.cluster, len(d.batch.Events), n, twice, d.receipt)
	}
	for _, at := range d.again {
		c.must.add(d.batch.Origin, at)
	}
	for _, p := range d.repeats {
		for i := range p.events {
			c.must.add(d.batch.Origin, uint64(p.at+i))
		}
	}
}

// stop ends the process: power and all, or by a kill that leaves the kernel's cache.
func (r *life) stop(power bool) {
	r.cuts++
	old := r.l
	if power {
		r.d = r.d.Crash()
	} else {
		r.d = r.d.Kill()
	}
	if old != nil {
		_ = old.Close() // its disk is dead: this ends its goroutines, and writes nothing
		r.l = nil
	}
}

// start opens the ledger, until it succeeds, and holds it against what must be there.
func (r *life) start(plan func(sim.Op) sim.Fault) {
	r.t.Helper()
	for tries := 0; ; tries++ {
		if tries == 3 {
			plan = nil
		}
		r.d.Plan(plan)
		if plan == nil {
			r.verify(r.offline)
		}
		l, err := open(r.d, "", r.desc, r.signer, r.opts)
		if err == nil {
			r.l = l
			break
		}
		var missing *MissingError
		var signature *SignatureError
		if isDamage(err) || errors.As(err, &missing) || errors.As(err, &signature) {
			r.fatalf("a fault was taken for tampering: %v", err)
		}
		if tries == 5 {
			r.fatalf("a disk without faults, and it does not open: %v", err)
		}
		r.stop(r.rng.IntN(2) == 0)
	}
	r.d.Plan(nil)
	r.verify(func() (*Report, error) { return r.l.Verify(context.Background(), VerifyOptions{}) })
	for _, note := range r.verify(r.offline).Notes {
		if plan == nil && strings.Contains(note, "never published") {
			r.fatalf("just opened, and not tidy: %s", note)
		}
	}
	if r.l.Opened.TornFile != 0 {
		r.torn++
	}
	for _, name := range r.l.names() {
		r.check(name)
	}
	for name, c := range r.clusters {
		if c.size > 0 && !slices.Contains(r.l.names(), name) {
			r.fatalf("cluster %s is gone", name)
		}
	}
}

// held is an event as the ledger gives it back.
type held struct {
	number int
	bytes  []byte
	origin string
	leaf   tlog.Hash
}

// read gives a cluster's events by position.
func read(s *Snapshot, cluster string) ([]held, error) {
	i := slices.IndexFunc(s.Clusters, func(c *ClusterView) bool { return c.Name == cluster })
	if i < 0 {
		return nil, nil
	}
	c := s.Clusters[i]
	all := make([]held, c.Size)
	take := func(_ int, e *Stored) error {
		if e.Position >= c.Size || all[e.Position].bytes != nil {
			return &wrongError{fmt.Sprintf("position %d comes twice, or does not belong", e.Position)}
		}
		n, ok := events.number[string(e.Bytes)]
		if !ok {
			return &wrongError{fmt.Sprintf("position %d holds what was never sent: %.300q", e.Position, e.Bytes)}
		}
		if sent := events.events[0][n]; sent.Note != e.Note || sent.Dialect != e.Dialect || sent.Marks != e.Marks {
			return &wrongError{fmt.Sprintf("position %d: note %q, dialect %d, marks %d", e.Position, e.Note, e.Dialect, e.Marks)}
		}
		all[e.Position] = held{n, bytes.Clone(e.Bytes), e.Origin, e.leaf()}
		return nil
	}
	for _, seg := range c.Segments {
		if err := seg.Read(context.Background(), allRows(seg.Rows()), take); err != nil {
			return nil, err
		}
	}
	for _, h := range c.Hot {
		if err := h.Read(context.Background(), allRows(h.N), take); err != nil {
			return nil, err
		}
	}
	if at := slices.IndexFunc(all, func(h held) bool { return h.bytes == nil }); at >= 0 {
		return nil, &wrongError{fmt.Sprintf("position %d of %d is missing", at, len(all))}
	}
	return all, nil
}

// wrongError is what no fault of a disk excuses.
type wrongError struct{ what string }

func (e *wrongError) Error() string { return e.what }

// check holds a cluster of the ledger just opened against what is known, and learns which pieces the cut kept.
func (r *life) check(cluster string) {
	r.t.Helper()
	c := r.truth(cluster)
	s := r.l.Snapshot(cluster)
	defer s.Release()
	got, err := read(s, cluster)
	if err != nil {
		r.fatalf("cluster %s: %v", cluster, err)
	}
	where := make(map[int]int) // position by event
	for at, h := range got {
		if before, ok := where[h.number]; ok {
			r.fatalf("cluster %s: positions %d and %d hold the same event", cluster, before, at)
		}
		where[h.number] = at
	}
	found := 0
	for _, p := range c.pieces {
		at, there := where[p.events[0]]
		switch {
		case there && p.at < 0 && p.tried:
			p.at = at
			r.unsaid++
			for i := range p.events {
				if p.twice {
					c.may.add(p.origin, uint64(at+i))
				}
			}
		case there && p.at != at, !there && p.at >= 0:
			r.fatalf("cluster %s: what was acknowledged at position %d is at %d (%v)", cluster, p.at, at, there)
		}
		p.tried = false
		for i, n := range p.events {
			at, ok := where[n]
			if ok != there || ok && at != p.at+i {
				r.fatalf("cluster %s: of %d events delivered together, the first is at %d (%v) and number %d is at %d (%v)", cluster, len(p.events), p.at, there, i, at, ok)
			}
			if ok {
				found++
				if h := got[at]; !bytes.Equal(h.bytes, events.events[p.form][n].Bytes) || h.origin != p.origin {
					r.fatalf("cluster %s: position %d is not as it came", cluster, at)
				}
			}
		}
	}
	if found != len(got) || found < c.size {
		r.fatalf("cluster %s: %d events, of which %d were delivered, and %d acknowledged", cluster, len(got), found, c.size)
	}
	c.size = found
	r.sightings(cluster, c)
	r.heads(cluster, got)
}

func (r *life) sightings(cluster string, c *truth) {
	r.t.Helper()
	for at := range uint64(c.size) {
		seen := r.l.Seen(cluster, at)
		for origin, must := range c.must {
			if must[at] && !slices.Contains(seen, origin) {
				r.fatalf("cluster %s: %s brought position %d again, was told so, and it is forgotten", cluster, origin, at)
			}
		}
		for _, origin := range seen {
			if !c.must[origin][at] && !c.may[origin][at] {
				r.fatalf("cluster %s: %s is said to have brought position %d again", cluster, origin, at)
			}
		}
	}
}

// heads computes the tree anew, by the definition, and holds all that was ever signed of it against that.
func (r *life) heads(cluster string, got []held) {
	r.t.Helper()
	leaves := make([]tlog.Hash, len(got))
	for i := range got {
		leaves[i] = got[i].leaf
	}
	origin := r.desc.origin(cluster)
	r.l.mu.Lock()
	head := r.l.clusters[cluster].head
	r.l.mu.Unlock()
	heads := append([]Checkpoint{{origin, head.size, head.root()}}, r.notes...)
	if c, err := readCheckpoint(r.d, r.desc, r.l.verifier, cluster); err == nil {
		heads = append(heads, c)
	}
	if head.size != uint64(len(leaves)) {
		r.fatalf("cluster %s: a tree of %d for %d events", cluster, head.size, len(leaves))
	}
	for _, h := range heads {
		if h.Origin == origin && (h.Size > uint64(len(leaves)) || h.Root != treeHash(leaves[:h.Size])) {
			r.fatalf("cluster %s: a signed head of %d events does not fit the %d that are here", cluster, h.Size, len(leaves))
		}
	}
}

// treeHash is RFC 6962's MTH, as its section 2.1 defines it.
func treeHash(leaves []tlog.Hash) tlog.Hash {
	switch len(leaves) {
	case 0:
		return sha256.Sum256(nil)
	case 1:
		return leaves[0]
	}
	k := 1
	for 2*k < len(leaves) {
		k *= 2
	}
	left, right := treeHash(leaves[:k]), treeHash(leaves[k:])
	return sha256.Sum256(slices.Concat([]byte{1}, left[:], right[:]))
}

// sign takes a signed head away, as a witness does.
func (r *life) sign(cluster string) {
	r.t.Helper()
	b, err := r.l.Checkpoint(cluster)
	if err != nil {
		r.fatalf("%v", err)
	}
	c, err := ParseCheckpoint(b, r.l.verifier)
	if err != nil {
		r.fatalf("%v", err)
	}
	r.notes = append(r.notes, c)
}

// verify finds nothing: neither on what a cut left, before the ledger is opened again, nor while it is open.
func (r *life) verify(verify func() (*Report, error)) *Report {
	r.t.Helper()
	report, err := verify()
	if err != nil {
		r.fatalf("verify: %v", err)
	}
	for _, f := range report.Findings {
		r.fatalf("verify finds what nobody did: %+v", f)
	}
	return report
}

func (r *life) offline() (*Report, error) {
	return verify(context.Background(), r.d, "", VerifyOptions{}, false)
}

// after goes on with a ledger that has been through it all: whatever was sent before is known again, and new events are taken.
func (r *life) after() {
	r.t.Helper()
	for name, c := range r.clusters {
		for _, p := range c.pieces {
			d := &delivery{cluster: name, batch: Batch{Cluster: name, Origin: p.origin, Received: events.when}}
			for _, n := range p.events {
				d.batch.Events = append(d.batch.Events, events.events[p.form][n])
			}
			switch {
			case p.at < 0:
				d.fresh = []*piece{p}
			case slices.ContainsFunc(p.events, unreadable):
				continue
			default:
				for i := range p.events {
					d.again = append(d.again, uint64(p.at+i))
				}
			}
			r.send(d)
			if d.err != nil {
				r.fatalf("it takes nothing more: %v", d.err)
			}
			r.settle(d)
		}
	}
	if err := r.l.Seal(context.Background()); err != nil {
		r.fatalf("it cannot be sealed: %v", err)
	}
	if err := r.l.Close(); err != nil {
		r.fatalf("it cannot be closed: %v", err)
	}
	r.l = nil
	r.stop(true)
	r.start(nil)
	if r.l.Opened.TornFile != 0 {
		r.fatalf("closed, and yet torn")
	}
	if err := r.l.Close(); err != nil {
		r.fatalf("it cannot be closed: %v", err)
	}
}

// unreadable events have no ID: they are the same only in the same form, and only while their segment is remembered.
func unreadable(n int) bool { return events.events[0][n].Dialect == format.Unreadable }
