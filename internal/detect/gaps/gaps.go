// Package gaps finds what did not come: sources that fell silent, and requests of which only the beginning was recorded. Start
// with Gaps, a detect.Detector.
package gaps

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"annals.dev/audit"
	"annals.dev/internal/detect"
	"annals.dev/internal/ledger"
	"annals.dev/internal/match"
)

// Config is the part silence of watch.yaml.
type Config struct {
	After  string   `json:"after,omitempty"`  // how long an origin may be silent: "10m" where it is not said, "0" for ever
	Ignore []string `json:"ignore,omitempty"` // origins that may be, with * for any text but a slash: "webhook/spare-*"
}

// Gaps is a detect.Detector.
type Gaps struct {
	after   time.Duration
	ignore  []string
	began   time.Time // before that nobody listened, so nothing was silent
	origins map[string]*origin
	open    map[string]*unanswered // by cluster
}

// origin is a way by which events come.
type origin struct {
	Cluster, Origin string
	Last            int64 // when the last event came, microseconds
	Position        uint64
	Silent          bool // told
}

// unanswered are the requests of a cluster whose beginning was recorded.
type unanswered struct {
	Since  int64            // from when on they are followed: what ended before the first beginning was not noted
	Open   map[string]begun // by request
	Ended  map[string]int64 // whose end came before their beginning
	Latest int64            // time of an event, no later than it came
	Whole  uint64           // requests of which both came
	Lost   uint64           // of which only the beginning did
}

type begun struct {
	Time     int64
	Position uint64
	Verb     string
	URI      string
	User     string
}

const (
	defaultAfter = 10 * time.Minute
	maxOrigins   = 10_000
	// answerWithin is how long after its beginning, by the events' own times, a request has been answered or has begun to be:
	// the API server ends what takes longer than a minute.
	answerWithin = 5 * time.Minute
	maxOpen      = 100_000
)

// Check says what is wrong with a configuration.
func (c Config) Check() error {
	if _, err := c.after(); err != nil {
		return err
	}
	for _, p := range c.Ignore {
		if _, err := path.Match(p, ""); err != nil {
			return fmt.Errorf("silence.ignore: %q is no pattern: * stands for any text but a slash", p)
		}
	}
	return nil
}

func (c Config) after() (time.Duration, error) {
	if c.After == "" {
		return defaultAfter, nil
	}
	d, err := time.ParseDuration(c.After)
	if err != nil || d < 0 || d > 0 && d < time.Second {
		return 0, fmt.Errorf("silence.after: %q is not how long an origin may be silent: write 10m, or 0 for ever", c.After)
	}
	return d, nil
}

// New makes one. Whoever is silent from now on is told of.
func New(cfg Config, now time.Time) (*Gaps, error) {
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	after, _ := cfg.after()
	return &Gaps{after: after, ignore: cfg.Ignore, began: now, origins: map[string]*origin{}, open: map[string]*unanswered{}}, nil
}

// Feed takes an event.
func (g *Gaps) Feed(r *match.Row, _ detect.Output) {
	if r.Cluster == ledger.Own {
		return
	}
	g.heard(r)
	g.stages(r)
}

// Tick tells what has been silent for too long, and what was not answered in time.
func (g *Gaps) Tick(now time.Time, out detect.Output) {
	if g.after > 0 {
		for _, key := range slices.Sorted(maps.Keys(g.origins)) {
			g.silence(g.origins[key], now, out)
		}
	}
	for _, cluster := range slices.Sorted(maps.Keys(g.open)) {
		g.open[cluster].tell(cluster, out)
	}
}

// heard notes that an origin spoke. Imports end, and nobody wonders.
func (g *Gaps) heard(r *match.Row) {
	if g.after == 0 || strings.HasPrefix(r.Origin, "import/") {
		return
	}
	key := r.Cluster + " " + r.Origin
	o := g.origins[key]
	if o == nil {
		if len(g.origins) >= maxOrigins || slices.ContainsFunc(g.ignore, func(p string) bool { ok, _ := path.Match(p, r.Origin); return ok }) {
			return
		}
		o = &origin{Cluster: r.Cluster, Origin: strings.Clone(r.Origin)}
		g.origins[key] = o
	}
	if r.Received >= o.Last {
		o.Last, o.Position, o.Silent = r.Received, r.Position, false
	}
}

func (g *Gaps) silence(o *origin, now time.Time, out detect.Output) {
	last := time.UnixMicro(o.Last).UTC()
	since := last
	if g.began.After(since) {
		since = g.began
	}
	if o.Silent || now.Sub(since) < g.after {
		return
	}
	o.Silent = true
	f := findingOf(ruleSilent, o.Cluster, o.Origin, fmt.Sprint(o.Last))
	f.Time, f.Positions, f.Count = last, []uint64{o.Position}, 1
	f.Group = map[string]string{"origin": o.Origin}
	f.Summary = fmt.Sprintf("%s has sent nothing since %s: an API server is down, cannot reach Annals, or was told not to audit", o.Origin, last.Format(time.RFC3339))
	out.Find(f)
}

// stages follows requests of which the beginning is recorded. Where the policy omits it, there are none.
func (g *Gaps) stages(r *match.Row) {
	v := r.View
	u := g.open[r.Cluster]
	begins := string(v.Stage) == string(audit.StageRequestReceived)
	if u == nil {
		if !begins {
			return
		}
		u = &unanswered{Since: v.Time + time.Minute.Microseconds(), Open: map[string]begun{}, Ended: map[string]int64{}}
		g.open[r.Cluster] = u
	}
	u.Latest = max(u.Latest, min(v.Time, r.Received+time.Minute.Microseconds()))
	id := string(v.AuditID) + " " + string(v.RequestReceivedTimestamp)
	switch {
	case begins:
		if _, ok := u.Ended[id]; ok {
			delete(u.Ended, id)
			u.Whole++
		} else if v.Time >= u.Since && len(u.Open) < maxOpen && v.Time > u.Latest-answerWithin.Microseconds() {
			u.Open[id] = begun{v.Time, r.Position, cut(v.Verb), cut(v.RequestURI), cut(v.User.Username)}
		}
	case v.Stage != nil:
		if _, ok := u.Open[id]; ok {
			delete(u.Open, id)
			u.Whole++
		} else if len(u.Ended) < maxOpen && u.Latest-v.Time < answerWithin.Microseconds() && string(v.Stage) != string(audit.StageResponseStarted) {
			u.Ended[id] = v.Time
		}
	}
}

// cut is the beginning of a text: it is shown, and may be held a hundred thousand times.
func cut(t audit.Text) string {
	s := t.String()
	return strings.ToValidUTF8(s[:min(len(s), 256)], "")
}

// tell tells of requests that are not answered though the cluster's time has gone on, if most are: else the policy leaves the ends
// out.
func (u *unanswered) tell(cluster string, out detect.Output) {
	limit := u.Latest - answerWithin.Microseconds()
	var late []string
	for id, b := range u.Open {
		if b.Time < limit {
			late = append(late, id)
		}
	}
	for id, at := range u.Ended {
		if at < limit {
			delete(u.Ended, id)
		}
	}
	slices.Sort(late)
	for _, id := range late {
		b := u.Open[id]
		delete(u.Open, id)
		u.Lost++
		if u.Lost*10 > u.Whole {
			continue
		}
		f := findingOf(ruleUnanswered, cluster, id)
		f.Time, f.Positions, f.Count, f.User, f.Verb = time.UnixMicro(b.Time).UTC(), []uint64{b.Position}, 1, b.User, b.Verb
		f.Summary = fmt.Sprintf("%s by %s was received, but no end of it was ever recorded: %.200s", b.Verb, b.User, b.URI)
		out.Find(f)
	}
}

const version = "000000000001"

func ruleOf(id, title, about string, severity detect.Severity, falsePositives ...string) *detect.Rule {
	return &detect.Rule{
		ID: id, Name: strings.TrimPrefix(id, "annals-"), Title: title, Version: version, Language: detect.Builtin, Severity: severity, About: about, Author: "Annals",
		Techniques: []string{"T1562.001"}, Tactics: []string{"defense-evasion"}, Tags: []string{"evidence"}, FalsePositives: falsePositives, File: "builtin/gaps",
	}
}

var (
	ruleSilent = ruleOf("annals-gaps-silent", "A source fell silent",
		"An API server always has something to record: leases are renewed every few seconds. One that sends nothing is down, cut off, or had its auditing switched off, which is what an intruder on a control plane does first.",
		detect.High, "an API server that is down for maintenance", "a policy that records next to nothing")
	ruleUnanswered = ruleOf("annals-gaps-unanswered", "A request was recorded when it began, and never again",
		"Each request ends with an event of the stage ResponseComplete or Panic. Where that is missing among others that have it, events were lost on the way, or taken out.",
		detect.Medium, "an API server that was killed")
)

// Rules are what it reports.
func (*Gaps) Rules() []*detect.Rule { return []*detect.Rule{ruleSilent, ruleUnanswered} }

func findingOf(rule *detect.Rule, cluster string, key ...string) *detect.Finding {
	h := sha256.Sum256(fmt.Appendf(nil, "%q %q %q %q", rule.ID, rule.Version, cluster, key))
	return &detect.Finding{
		ID: hex.EncodeToString(h[:16]), Rule: rule.ID, Version: rule.Version, Title: rule.Title, Severity: rule.Severity, Techniques: rule.Techniques, Tactics: rule.Tactics,
		Tags: rule.Tags, Author: rule.Author, Cluster: cluster,
	}
}

type saved struct {
	Version string
	Origins map[string]*origin
	Open    map[string]*unanswered
}

// Save gives the state.
func (g *Gaps) Save() ([]byte, error) { return json.Marshal(saved{version, g.origins, g.open}) }

// Load takes a state that Save gave.
func (g *Gaps) Load(state []byte) error {
	var s saved
	if err := json.Unmarshal(state, &s); err != nil {
		return fmt.Errorf("the state of gaps: %w", err)
	}
	if s.Version != version {
		return fmt.Errorf("the state of gaps is of version %q, not %q", s.Version, version)
	}
	origins, open := map[string]*origin{}, map[string]*unanswered{}
	for key, o := range s.Origins {
		if o == nil {
			return fmt.Errorf("the state of gaps is damaged: %q is nothing", key)
		}
		origins[key] = o
	}
	for key, u := range s.Open {
		if u == nil || u.Open == nil || u.Ended == nil {
			return fmt.Errorf("the state of gaps is damaged: of %q nothing is known", key)
		}
		open[key] = u
	}
	g.origins, g.open = origins, open
	return nil
}
