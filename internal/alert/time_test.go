package alert

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"annals.dev/internal/detect"
	"annals.dev/internal/disk/sim"
)

// desk is a sender in memory, that notes when it was told what.
type desk struct {
	mu    sync.Mutex
	began time.Time
	list  []note
	fail  func(n int) error
	calls int
}

type note struct {
	after time.Duration
	*Message
}

func (d *desk) send(_ context.Context, m *Message) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.calls++
	if d.fail != nil {
		if err := d.fail(d.calls); err != nil {
			return err
		}
	}
	d.list = append(d.list, note{time.Since(d.began), m})
	return nil
}

// said is what came, a message a line: when, findings' names, and how many were throttled.
func (d *desk) said() (lines []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, n := range d.list {
		names := []string{}
		for _, f := range n.Findings {
			names = append(names, f.Name)
		}
		line := fmt.Sprintf("%v %s", n.after.Round(time.Millisecond), strings.Join(names, " "))
		if n.Throttled > 0 {
			line += fmt.Sprintf(" +%d", n.Throttled)
		}
		if n.Digest != nil {
			line += fmt.Sprintf(" digest of %d in %d", n.Digest.Count, n.Digest.Messages)
		}
		lines = append(lines, line)
	}
	return lines
}

// bubble runs an alerter with time of its own. Destinations are desks.
func bubble(t *testing.T, config string, run func(b *clockRig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		cfg, err := Parse([]byte(config))
		must(t, err)
		b := &clockRig{t: t, source: newMemory(), out: new(outcomes), desks: map[string]*desk{}}
		b.a, err = open(cfg, Deps{Source: b.source, Record: b.out.record}, sim.New(1), usual)
		must(t, err)
		for name, d := range b.a.dests {
			b.desks[name] = &desk{began: time.Now()}
			d.sender = b.desks[name]
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- b.a.Run(ctx) }()
		run(b)
		cancel()
		must(t, <-ended)
	})
}

type clockRig struct {
	t      *testing.T
	source *memory
	out    *outcomes
	desks  map[string]*desk
	a      *Alerter
	n      int
}

// find adds a finding by name, after a while.
func (b *clockRig) find(after time.Duration, name string, change ...func(f *detect.Finding)) {
	time.Sleep(after)
	b.n++
	f := finding(b.n)
	f.Name, f.ID = name, name
	for _, c := range change {
		c(f)
	}
	b.source.find(f)
	synctest.Wait()
}

// list is what a desk was told.
func (b *clockRig) list(dest string) []note {
	synctest.Wait()
	d := b.desks[dest]
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.list)
}

func (b *clockRig) want(dest string, lines ...string) {
	b.t.Helper()
	synctest.Wait()
	if got := b.desks[dest].said(); !slices.Equal(got, lines) {
		b.t.Errorf("%s was told\n\t%s\nwant\n\t%s", dest, strings.Join(got, "\n\t"), strings.Join(lines, "\n\t"))
	}
}

// ended are the findings with a result, and why.
func (b *clockRig) ended(r Result) (ids []string) {
	synctest.Wait()
	for _, o := range b.out.of(r) {
		ids = append(ids, strings.Join(o.Findings, "+")+" by "+o.By)
	}
	return ids
}

func severity(s detect.Severity) func(*detect.Finding) {
	return func(f *detect.Finding) { f.Severity = s }
}

const toA = `
destinations: [{name: a, kind: webhook, url: "http://localhost/"}]
routes: [{to: [a]}]
`

func TestGrouping(t *testing.T) {
	bubble(t, toA, func(b *clockRig) {
		b.find(0, "f1")
		b.find(time.Second, "f2")
		b.find(time.Second, "other", func(f *detect.Finding) { f.Rule = "rule-2" })
		b.find(4*time.Second, "f3") // 6 s: after the first message
		b.find(time.Minute, "f4")
		time.Sleep(10 * time.Minute)
		b.find(0, "f5")
		time.Sleep(time.Minute)
		b.want("a", "5s f1 f2", "7s other", "5m5s f3 f4", "11m11s f5")
	})
}

func TestGroupingByUser(t *testing.T) {
	bubble(t, toA+"grouping: {by: [user], wait: 0s, interval: 10s}", func(b *clockRig) {
		b.find(0, "f1")
		b.find(0, "f2", func(f *detect.Finding) { f.Rule, f.Cluster = "rule-2", "dev" })
		b.find(time.Second, "bob", func(f *detect.Finding) { f.User = "bob" })
		time.Sleep(time.Minute)
		b.want("a", "0s f1", "1s bob", "10s f2")
	})
}

func TestFullGroup(t *testing.T) {
	bubble(t, toA+"grouping: {wait: 1h}", func(b *clockRig) {
		for i := range maxMessage + 1 {
			b.find(0, fmt.Sprint("f", i))
		}
		time.Sleep(time.Second)
		if list := b.list("a"); len(list) != 1 || list[0].Count != maxMessage {
			t.Errorf("%d messages", len(list))
		}
		time.Sleep(2 * time.Hour)
		if list := b.list("a"); len(list) != 2 || list[1].Count != 1 {
			t.Errorf("%d messages", len(list))
		}
	})
}

func TestRoutes(t *testing.T) {
	bubble(t, `
destinations:
- {name: a, kind: webhook, url: "http://localhost/"}
- {name: b, kind: webhook, url: "http://localhost/"}
- {name: c, kind: webhook, url: "http://localhost/"}
routes:
- {severity: critical, to: [a], continue: true}
- {techniques: [T1552], clusters: ["prod*"], to: [b], grouping: {wait: 0s}}
- {namespaces: [kube-system], rules: ["rule-*"], tags: [red, blue], to: [a, c]}
- {severity: medium, to: [c]}
`, func(b *clockRig) {
		b.find(0, "low", severity(detect.Low))
		b.find(0, "high")
		b.find(0, "critical", severity(detect.Critical))
		b.find(0, "secrets", func(f *detect.Finding) { f.Techniques = []string{"T1611", "T1552.007"} })
		b.find(0, "dev", func(f *detect.Finding) { f.Techniques, f.Cluster = []string{"T1552"}, "dev" })
		b.find(0, "system", severity(detect.Informational), func(f *detect.Finding) { f.Namespace, f.Tags = "kube-system", []string{"blue"} })
		b.find(0, "tagless", severity(detect.Informational), func(f *detect.Finding) { f.Namespace = "kube-system" })
		time.Sleep(time.Hour)
		b.want("a", "5s critical system")
		b.want("b", "0s secrets")
		b.want("c", "5s high critical system", "5s dev")
	})
}

func TestRepeat(t *testing.T) {
	bubble(t, toA+"repeat: {after: 10m}\ngrouping: {interval: 1m}", func(b *clockRig) {
		b.find(0, "f1")
		b.find(time.Minute, "f2")
		b.find(time.Minute, "bob", func(f *detect.Finding) { f.User = "bob" })
		b.find(time.Minute, "f3")
		b.find(8*time.Minute, "f4")
		time.Sleep(time.Hour)
		b.want("a", "5s f1", "2m5s bob +1", "11m5s f4 +1")
		if got := b.ended(Throttled); !slices.Equal(got, []string{"f2 by f1", "f3 by f1"}) {
			t.Errorf("throttled: %q", got)
		}
	})
}

// TestRepeatFailed tells again what could not be told.
func TestRepeatFailed(t *testing.T) {
	bubble(t, toA+"repeat: {after: 1h}\ngrouping: {interval: 0s}", func(b *clockRig) {
		b.desks["a"].fail = func(n int) error {
			if n == 1 {
				return &refusal{why: errors.New("too large"), final: true}
			}
			return nil
		}
		b.find(0, "f1")
		b.find(time.Minute, "f2")
		b.find(time.Minute, "f3")
		time.Sleep(time.Minute)
		b.want("a", "1m5s f2")
		if got := b.ended(Throttled); !slices.Equal(got, []string{"f3 by f2"}) {
			t.Errorf("throttled: %q", got)
		}
	})
}

func TestInhibition(t *testing.T) {
	bubble(t, `
destinations:
- {name: a, kind: webhook, url: "http://localhost/"}
- {name: b, kind: webhook, url: "http://localhost/"}
routes:
- {severity: high, to: [a], continue: true}
- {to: [b]}
inhibit: [{severity: critical, by: [cluster, user], for: 10m}]
grouping: {wait: 30s}
`, func(b *clockRig) {
		b.find(0, "before", severity(detect.Medium))
		b.find(10*time.Second, "worst", severity(detect.Critical))
		b.find(time.Second, "after", severity(detect.Low))
		b.find(time.Second, "worse", severity(detect.Critical))
		b.find(time.Second, "bob", severity(detect.Low), func(f *detect.Finding) { f.User = "bob" })
		b.find(10*time.Minute, "later", severity(detect.Low))
		time.Sleep(time.Hour)
		b.want("a", "40s worst worse")
		b.want("b", "30s worst worse bob", "10m43s later")
		// The one before it still waited for its group: it is muted too.
		if got := b.ended(Inhibited); !slices.Equal(got, []string{"after by worst", "before by worse"}) {
			t.Errorf("inhibited: %q", got)
		}
	})
}

// TestInhibitionApart does not let a finding mute where nobody is told of it.
func TestInhibitionApart(t *testing.T) {
	bubble(t, `
destinations:
- {name: a, kind: webhook, url: "http://localhost/"}
- {name: b, kind: webhook, url: "http://localhost/"}
routes:
- {severity: critical, to: [a]}
- {to: [b]}
inhibit: [{severity: critical, by: [cluster, user]}]
`, func(b *clockRig) {
		b.find(0, "worst", severity(detect.Critical))
		b.find(0, "low", severity(detect.Low))
		time.Sleep(time.Minute)
		b.want("b", "5s low")
	})
}

func TestSilences(t *testing.T) {
	bubble(t, toA, func(b *clockRig) {
		s, err := b.a.AddSilence(Silence{Match: map[string]string{"namespace": "shop", "name": "web-*"}, Owner: "carol", Reason: "migration", End: time.Now().Add(time.Hour)})
		must(t, err)
		b.find(0, "web-1")
		b.find(0, "db-1")
		_, err = b.a.AddSilence(Silence{Match: map[string]string{"rule": "rule-2"}, Owner: "carol", Reason: "tomorrow", Start: time.Now().Add(24 * time.Hour), End: time.Now().Add(25 * time.Hour)})
		must(t, err)
		b.find(time.Second, "two", func(f *detect.Finding) { f.Rule = "rule-2" })
		_, err = b.a.EndSilence(s.ID, "carol")
		must(t, err)
		if _, err = b.a.EndSilence(s.ID, "carol"); !errors.Is(err, ErrNoSilence) {
			t.Errorf("ended twice: %v", err)
		}
		time.Sleep(time.Minute)
		b.find(0, "web-2")
		time.Sleep(10 * time.Minute)
		b.find(24*time.Hour, "three", func(f *detect.Finding) { f.Rule = "rule-2" })
		time.Sleep(48 * time.Hour)
		b.want("a", "5s db-1", "6s two", "5m5s web-2")
		if got := b.ended(Silenced); !slices.Equal(got, []string{"web-1 by " + s.ID, "three by " + b.a.Silences()[1].ID}) {
			t.Errorf("silenced: %q", got)
		}
		if reason := b.out.of(Silenced)[0].Reason; !strings.HasPrefix(reason, "silenced by "+s.ID+" (carol, until ") || !strings.HasSuffix(reason, ": migration") {
			t.Error(reason)
		}
	})
}

// TestSilenceWhileWaiting holds back what came before the silence and was not told yet.
func TestSilenceWhileWaiting(t *testing.T) {
	bubble(t, toA+"grouping: {wait: 30s}\nrepeat: {after: 1h}", func(b *clockRig) {
		b.find(0, "f1")
		s, err := b.a.AddSilence(Silence{Match: map[string]string{"user": "alice"}, Owner: "carol", Reason: "it is me", End: time.Now().Add(time.Minute)})
		must(t, err)
		b.find(2*time.Minute, "f2") // it is no repetition: f1 was not told
		time.Sleep(time.Minute)
		b.want("a", "2m30s f2")
		if got := b.ended(Silenced); !slices.Equal(got, []string{"f1 by " + s.ID}) {
			t.Errorf("silenced: %q", got)
		}
	})
}

func TestWithdrawn(t *testing.T) {
	bubble(t, toA, func(b *clockRig) {
		b.find(0, "f1")
		b.find(0, "f2")
		b.source.add(Entry{Withdrawal: &detect.Withdrawal{ID: "f1", Reason: "an event came late"}})
		time.Sleep(time.Minute)
		b.source.add(Entry{Withdrawal: &detect.Withdrawal{ID: "f2", Reason: "an event came late"}}, // it was told: that stands
			Entry{Finding: with(finding(9), func(f *detect.Finding) { f.ID, f.Name = "f3", "f3" })},
			Entry{Withdrawal: &detect.Withdrawal{ID: "f3", Reason: "at once"}})
		time.Sleep(time.Hour)
		b.want("a", "5s f2")
		if got := b.ended(Withdrawn); !slices.Equal(got, []string{"f1 by f1", "f3 by f3"}) {
			t.Errorf("withdrawn: %q", got)
		}
	})
}

// TestBackoff waits longer each time, up to the bound, and no message is overtaken.
func TestBackoff(t *testing.T) {
	bubble(t, toA+"grouping: {wait: 0s, interval: 0s}", func(b *clockRig) {
		var at []time.Duration
		began := time.Now()
		b.desks["a"].fail = func(n int) error {
			at = append(at, time.Since(began))
			if n <= 20 {
				return errors.New("down")
			}
			return nil
		}
		b.find(0, "f1")
		b.find(time.Minute, "f2")
		time.Sleep(6 * time.Hour)
		list := b.list("a")
		for i := 1; i < 21; i++ {
			most := min(time.Second<<(i-1), usual.most)
			if gap := at[i] - at[i-1]; gap < most/2 || gap > most {
				t.Errorf("before attempt %d it waited %v; want %v to %v", i+1, gap, most/2, most)
			}
		}
		if len(list) != 2 || list[0].Findings[0].Name != "f1" {
			t.Errorf("%d messages", len(list))
		}
	})
}

// TestRetryAfter heeds it, but not beyond the bound.
func TestRetryAfter(t *testing.T) {
	for asked, want := range map[time.Duration]time.Duration{90 * time.Second: 95 * time.Second, 24 * time.Hour: 15*time.Minute + 5*time.Second} {
		bubble(t, toA, func(b *clockRig) {
			b.desks["a"].fail = func(n int) error {
				if n == 1 {
					return &refusal{why: errors.New("busy"), after: asked}
				}
				return nil
			}
			b.find(0, "f1")
			time.Sleep(time.Hour)
			b.want("a", want.String()+" f1")
		})
	}
}

// TestPatience gives a destination that refuses everything an hour.
func TestPatience(t *testing.T) {
	bubble(t, toA, func(b *clockRig) {
		b.desks["a"].fail = func(int) error { return &refusal{why: errors.New("who are you"), whole: true} }
		b.find(0, "f1")
		time.Sleep(55 * time.Minute)
		if len(b.ended(Failed)) > 0 {
			t.Error("given up too early")
		}
		time.Sleep(15 * time.Minute)
		if got := b.ended(Failed); !slices.Equal(got, []string{"f1 by "}) {
			t.Errorf("failed: %q", got)
		}
	})
}

// TestRate keeps to the most messages per minute.
func TestRate(t *testing.T) {
	bubble(t, strings.Replace(toA, `kind`, `maxPerMinute: 2, kind`, 1)+"grouping: {by: [user], wait: 0s}", func(b *clockRig) {
		for i := range 4 {
			b.find(0, fmt.Sprint("f", i), func(f *detect.Finding) { f.User = fmt.Sprint(i) })
		}
		time.Sleep(time.Hour)
		b.want("a", "0s f0", "0s f1", "30s f2", "1m0s f3")
	})
}

// TestDigest makes one message of the oldest when too many wait; the one that is tried stays as it is.
func TestDigest(t *testing.T) {
	bubble(t, toA+"grouping: {by: [user], wait: 0s}", func(b *clockRig) {
		var down atomic.Bool
		down.Store(true)
		b.desks["a"].fail = func(int) error {
			if down.Load() {
				return errors.New("down")
			}
			return nil
		}
		const n = maxQueue + 100
		for i := range n {
			b.source.find(with(finding(i), func(f *detect.Finding) { f.User, f.Name = fmt.Sprint(i), fmt.Sprint(i) }))
			synctest.Wait()
		}
		if s := b.a.Destinations()[0]; s.Messages != maxQueue || s.Findings != n || s.Error != "down" {
			t.Errorf("%+v", s)
		}
		down.Store(false)
		time.Sleep(24 * time.Hour)
		list := b.list("a")
		if len(list) != maxQueue {
			t.Fatalf("%d messages", len(list))
		}
		if list[0].Digest != nil || list[0].Findings[0].Name != "0" {
			t.Errorf("the first: %+v", list[0])
		}
		g := list[1].Digest
		if g == nil || g.Count != n-maxQueue+1 || g.Messages != g.Count || len(g.IDs) != g.Count || g.First != 1 || g.Last != uint64(g.Count) || g.Severities[detect.High] != g.Count || g.Rules["rule-1"] != g.Count {
			t.Errorf("the digest: %+v", g)
		}
		told := g.Count
		for _, m := range list {
			if m.Digest == nil {
				told += m.Count
			}
		}
		if told != n {
			t.Errorf("%d of %d findings are told or counted", told, n)
		}
		counted := 0
		for _, o := range b.out.of(Delivered) {
			counted += o.Count
		}
		if counted != n {
			t.Errorf("the outcomes count %d of %d findings", counted, n)
		}
	})
}
