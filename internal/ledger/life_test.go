package ledger

import (
	"context"
	"crypto/rand"
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
