package alert

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"time"

	"annals.dev/internal/detect"
	"annals.dev/internal/disk"
	"annals.dev/internal/ledger"
)

// Silence holds back what is told of some findings from Start to End. They are found and recorded all the same, and that they
// were not told, and why, is on record too. What came during a silence is not told after it.
type Silence struct {
	ID     string            `json:"id"`
	Match  map[string]string `json:"match"` // rule, cluster, namespace, user, name, severity: *, any text; all must match
	Owner  string            `json:"owner"`
	Reason string            `json:"reason"`
	Start  time.Time         `json:"start"` // now if nothing is said
	End    time.Time         `json:"end"`
	Made   time.Time         `json:"made"`
	By     string            `json:"by,omitempty"` // who ended it before its time
}

const (
	maxSilences  = 1_000
	longSilence  = 366 * 24 * time.Hour
	keepSilences = 90 * 24 * time.Hour // after they ended
)

var silenceWords = []string{"cluster", "name", "namespace", "rule", "severity", "user"}

// ErrNoSilence is what a silence that does not exist, or is over, is answered with.
var ErrNoSilence = errors.New("there is no such silence")

// Active says whether it holds at a time.
func (s *Silence) Active(at time.Time) bool { return !at.Before(s.Start) && at.Before(s.End) }

// matches says whether it holds a finding back. What Annals finds of itself, such as that somebody made a silence, only one does
// that names the rule, or the cluster annals.
func (s *Silence) matches(f *detect.Finding) bool {
	if f.Cluster == ledger.Own && s.Match["cluster"] != ledger.Own && s.Match["rule"] != f.Rule {
		return false
	}
	for field, pattern := range s.Match {
		if !glob(pattern, wordOf(f, field)) {
			return false
		}
	}
	return len(s.Match) > 0
}

// wordOf is what a finding has under one of the words of grouping and silences.
func wordOf(f *detect.Finding, word string) string {
	switch word {
	case "rule":
		return f.Rule
	case "cluster":
		return f.Cluster
	case "namespace":
		return f.Namespace
	case "user":
		return f.User
	case "name":
		return f.Name
	case "severity":
		return string(f.Severity)
	}
	return ""
}

// glob compares a text with a pattern in which * is any text.
func glob(pattern, text string) bool {
	first, rest, any := strings.Cut(pattern, "*")
	if !any {
		return pattern == text
	}
	text, ok := strings.CutPrefix(text, first)
	if !ok {
		return false
	}
	for {
		part, more, any := strings.Cut(rest, "*")
		if !any {
			return strings.HasSuffix(text, part)
		}
		i := strings.Index(text, part)
		if i < 0 {
			return false
		}
		text, rest = text[i+len(part):], more
	}
}

// anything are findings that have nothing in common but that somebody should know of them.
var anything = []*detect.Finding{
	{Rule: "0a1b2c3d-4e5f-4607-8899-aabbccddeeff", Cluster: "a", Severity: detect.High, User: "system:serviceaccount:a-1:b.c", Namespace: "kube-system", Name: "x-0"},
	{Rule: "c81d4e2e-bcf2-41e6-869b-7df92533d2db", Cluster: "prod-1", Severity: detect.Critical, User: "jane@example.com", Namespace: "shop", Name: "db"},
	{Rule: "annals-baseline-action", Cluster: "dev.example", Severity: detect.Medium, User: "kubernetes-admin", Namespace: "prod", Name: "web-5d4c"},
	{Rule: "saved-0123456789ab", Cluster: "east_2", Severity: detect.High, User: "system:node:n1", Namespace: "default", Name: "coredns"},
	{Rule: "f0e1d2c3-b4a5-4968-8776-655443322110", Cluster: "b", Severity: detect.Critical, User: "Bob", Namespace: "monitoring", Name: "n1"},
}

func (s *Silence) check(now time.Time) error {
	if len(s.Match) == 0 || !slices.ContainsFunc(anything, func(f *detect.Finding) bool { return !s.matches(f) }) {
		return errors.New("a silence says what it is about: match is empty, or matches everything")
	}
	for word, pattern := range s.Match {
		if !slices.Contains(silenceWords, word) {
			return fmt.Errorf("a silence cannot match %q: one of %s", word, strings.Join(silenceWords, ", "))
		}
		if len(pattern) > maxText {
			return fmt.Errorf("match.%s has %d bytes; %d are the most", word, len(pattern), maxText)
		}
	}
	switch {
	case strings.TrimSpace(s.Owner) == "" || len(s.Owner) > maxText:
		return errors.New("a silence has an owner")
	case strings.TrimSpace(s.Reason) == "" || len(s.Reason) > maxText:
		return fmt.Errorf("a silence has a reason, of %d bytes at most", maxText)
	case s.End.IsZero():
		return errors.New("a silence has an end")
	case !s.End.After(s.Start) || !s.End.After(now):
		return fmt.Errorf("the silence would end at %s: that is past, or before it begins", s.End.Format(time.RFC3339))
	case s.End.Sub(s.Start) > longSilence:
		return fmt.Errorf("a silence lasts %d days at most: after that, change the route or the rule", int(longSilence.Hours()/24))
	}
	return nil
}

// silences are kept in one file.
type silences struct {
	d disk.FS

	mu   sync.Mutex
	list []Silence // in the order in which they were made
}

func openSilences(d disk.FS) (*silences, error) {
	s := &silences{d: d}
	b, err := disk.ReadFile(d, silenceFile)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &s.list)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", silenceFile, err)
	}
	return s, nil
}

// replace puts a new list in the place of the old one, durably.
func (s *silences) replace(list []Silence) error {
	b, err := json.MarshalIndent(list, "", "  ")
	if err != nil {
		return err
	}
	if err := disk.WriteFile(s.d, silenceFile, append(b, '\n')); err != nil {
		return fmt.Errorf("keep silences: %w", err)
	}
	s.list = list
	return nil
}

// holds is the first silence that holds a finding back at a time.
func (s *silences) holds(f *detect.Finding, at time.Time) *Silence {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.list {
		if s.list[i].Active(at) && s.list[i].matches(f) {
			found := s.list[i]
			return &found
		}
	}
	return nil
}

// Silences lists those that hold, those to come, and those that ended in the last 90 days, in the order in which they were made.
func (a *Alerter) Silences() []Silence {
	a.silences.mu.Lock()
	defer a.silences.mu.Unlock()
	return slices.Clone(a.silences.list)
}

// AddSilence keeps a new silence. Its ID and Made are given here, and Start if there is none.
func (a *Alerter) AddSilence(s Silence) (Silence, error) {
	now := time.Now().UTC()
	if s.Start.IsZero() {
		s.Start = now
	}
	s.Made, s.By = now, ""
	if err := s.check(now); err != nil {
		return Silence{}, err
	}
	var id [8]byte
	rand.Read(id[:]) // never fails
	s.ID = hex.EncodeToString(id[:])
	t := a.silences
	t.mu.Lock()
	defer t.mu.Unlock()
	list := slices.DeleteFunc(slices.Clone(t.list), func(o Silence) bool { return now.Sub(o.End) > keepSilences })
	if len(list) >= maxSilences {
		return Silence{}, fmt.Errorf("there are %d silences: %d are the most", len(list), maxSilences)
	}
	if err := t.replace(append(list, s)); err != nil {
		return Silence{}, err
	}
	return s, nil
}

// EndSilence ends a silence now, or before it begins.
func (a *Alerter) EndSilence(id, by string) (Silence, error) {
	now := time.Now().UTC()
	t := a.silences
	t.mu.Lock()
	defer t.mu.Unlock()
	i := slices.IndexFunc(t.list, func(s Silence) bool { return s.ID == id })
	if i < 0 || !t.list[i].End.After(now) {
		return Silence{}, fmt.Errorf("%q: %w", id, ErrNoSilence)
	}
	list := slices.Clone(t.list)
	list[i].End, list[i].By = now, by
	if err := t.replace(list); err != nil {
		return Silence{}, err
	}
	return list[i], nil
}
