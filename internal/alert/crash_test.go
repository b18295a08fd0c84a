package alert

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"annals.dev/internal/detect"
	"annals.dev/internal/disk"
	"annals.dev/internal/disk/sim"
)

// crashRig is an alerter over a disk that can lose power. The source and the receivers are others' and lose nothing.
type crashRig struct {
	source *memory
	out    *outcomes
	desks  map[string]*keeper
}

// keeper takes each key once, and fails now and then: before it takes, or after.
type keeper struct {
	mu    sync.Mutex
	keys  map[string]bool
	told  map[string]int
	times int
}

func (k *keeper) send(_ context.Context, m *Message) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.times++; k.times%5 == 1 {
		return errors.New("not now")
	}
	if !k.keys[m.Key] {
		k.keys[m.Key] = true
		for _, f := range m.Findings {
			k.told[f.ID]++
		}
	}
	if k.times%5 == 3 {
		return errors.New("taken, but that is not what is said")
	}
	return nil
}

const crashConfig = `
destinations:
- {name: a, kind: webhook, url: "http://localhost/", maxPerMinute: 1000000}
- {name: b, kind: falco, url: "http://localhost/", maxPerMinute: 1000000}
routes: [{to: [a, b]}]
repeat: {after: 1h, by: [user]}
grouping: {wait: 1ms, interval: 1ms}
`

// run runs an alerter until every finding has ended, or the disk has failed.
func (c *crashRig) run(t *testing.T, d disk.FS) error {
	t.Helper()
	cfg, err := Parse([]byte(crashConfig))
	must(t, err)
	a, err := open(cfg, Deps{Source: c.source, Record: c.out.record}, d, quick)
	if err != nil {
		return err
	}
	for name, to := range a.dests {
		to.sender = c.desks[name]
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	for {
		idle := false
		a.see(func(s *state) {
			idle = s.Cursor == c.source.End() && s.waiting == 0 && len(s.Queues) == 0 && len(s.Outbox) == 0
		})
		if idle {
			cancel()
			return <-ended
		}
		select {
		case err := <-ended:
			return err
		case <-time.After(100 * time.Microsecond):
		}
	}
}

// TestPowerCuts cuts the power at each operation of the disk, and starts again on what is left.
func TestPowerCuts(t *testing.T) {
	const findings = 12
	for at := 1; ; at++ {
		c := &crashRig{source: newMemory(), out: new(outcomes), desks: map[string]*keeper{}}
		for _, name := range []string{"a", "b"} {
			c.desks[name] = &keeper{keys: map[string]bool{}, told: map[string]int{}}
		}
		d := sim.New(uint64(at))
		must(t, c.run(t, d)) // an alerter that begins before anything is found
		cut := d.N() + at
		d.FailAt(cut, sim.Faults()[at%len(sim.Faults())])
		for i := range findings {
			f := finding(i)
			f.User = fmt.Sprint("user-", i%8) // the last ones are repetitions
			c.source.find(f)
		}
		err := c.run(t, d)
		if err == nil && d.N() < cut {
			if at < 20 {
				t.Fatalf("only %d operations", at)
			}
			t.Logf("%d power cuts", at-1)
			return
		}
		if err := c.run(t, d.Crash()); err != nil {
			t.Fatalf("cut at operation %d: %v", at, err)
		}
		c.check(t, at, findings)
	}
}

// check sees that each finding was told once to each destination, or its outcome says why not.
func (c *crashRig) check(t *testing.T, at, findings int) {
	t.Helper()
	for name, k := range c.desks {
		throttled := map[string]bool{}
		for _, o := range c.out.of(Throttled) {
			if o.Destination == name {
				for _, id := range o.Findings {
					throttled[id] = true
				}
			}
		}
		delivered := map[string]bool{}
		for _, o := range c.out.of(Delivered) {
			if o.Destination == name {
				for _, id := range o.Findings {
					delivered[id] = true
				}
			}
		}
		for i := range findings {
			id := finding(i).ID
			switch {
			case throttled[id] && k.told[id] == 0:
			case k.told[id] != 1:
				t.Errorf("cut at operation %d: %s was told of finding %d under %d keys", at, name, i, k.told[id])
			case !delivered[id]:
				t.Errorf("cut at operation %d: that %s was told of finding %d is not on record", at, name, i)
			}
		}
	}
}

// TestDiskFull waits for room and loses nothing.
func TestDiskFull(t *testing.T) {
	c := &crashRig{source: newMemory(), out: new(outcomes), desks: map[string]*keeper{}}
	for _, name := range []string{"a", "b"} {
		c.desks[name] = &keeper{keys: map[string]bool{}, told: map[string]int{}}
	}
	d := sim.New(7)
	must(t, c.run(t, d))
	n := 0
	d.Plan(func(o sim.Op) sim.Fault {
		if n++; n%4 == 0 && o.Kind == sim.Write {
			return sim.Full
		}
		return sim.None
	})
	for i := range 12 {
		c.source.find(with(finding(i), func(f *detect.Finding) { f.User = fmt.Sprint(i) }))
	}
	must(t, c.run(t, d))
	c.check(t, 0, 12)
}

// TestCompact keeps the log short and the state whole.
func TestCompact(t *testing.T) {
	d := sim.New(1)
	s, fresh, err := openStore(d, 64<<10)
	must(t, err)
	if !fresh {
		t.Fatal("it holds something")
	}
	must(t, s.commit(&change{Whole: s.state}))
	const n = 3000
	for i := range n {
		f := finding(i)
		must(t, s.commit(&change{Cursor: uint64(i + 1), Join: []join{{Group: fmt.Sprint("g", i%3), Dest: "a", At: f.Time, waiting: waiting{uint64(i), f}}}}))
		if i >= 5 {
			must(t, s.commit(&change{Leave: []leave{{fmt.Sprint("g", (i-5)%3), finding(i - 5).ID}}}))
		}
	}
	if s.size > 3*64<<10 {
		t.Errorf("%d bytes of changes", s.size)
	}
	must(t, s.log.Close())
	entries, err := d.ReadDir(queueDir)
	must(t, err)
	if len(entries) > 2 {
		t.Errorf("%d files", len(entries))
	}
	again, fresh, err := openStore(d.Crash(), 64<<10)
	must(t, err)
	left := []string{}
	for _, g := range again.state.Groups {
		for _, w := range g.Waiting {
			left = append(left, w.Finding.ID)
		}
	}
	want := []string{}
	for i := n - 5; i < n; i++ {
		want = append(want, finding(i).ID)
	}
	slices.Sort(left)
	slices.Sort(want)
	if fresh || again.state.Cursor != n || !slices.Equal(left, want) || again.state.waiting != 5 || again.state.bytes != s.state.bytes {
		t.Errorf("fresh %v, cursor %d, waiting %d, %d bytes of %d, %q", fresh, again.state.Cursor, again.state.waiting, again.state.bytes, s.state.bytes, left)
	}
	must(t, again.log.Close())
}
