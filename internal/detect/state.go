package detect

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"

	"github.com/fxamacker/cbor/v2"

	"annals.dev/internal/disk"
)

// What a watcher holds lies in one file: a line that says what it is, a SHA-256 of what follows, and CBOR.
const (
	stateFile  = "state"
	stateMagic = "annals watch state 1\n"
)

// saved is the file.
type saved struct {
	_      struct{}          `cbor:",toarray"`
	Next   map[string]uint64 // by cluster: the position to look at next
	Told   uint64            // position of cluster annals: what was recorded before it is known to what follows
	Engine []byte
}

// savedEngine is what an engine holds.
type savedEngine struct {
	_         struct{} `cbor:",toarray"`
	About     []about
	Clusters  []savedCluster
	Detectors map[string][]byte
}

type savedCluster struct {
	_              struct{} `cbor:",toarray"`
	Name           string
	Latest, Closed int64
	Series         []savedSeries
}

type savedSeries struct {
	_             struct{} `cbor:",toarray"`
	Rule, Version string
	Swept, Since  int64
	Late          [][2]int64
	Groups        []savedGroup
}

type savedGroup struct {
	_       struct{} `cbor:",toarray"`
	Values  []string
	Redo    int64
	Entries []savedEntry
	Told    []savedTold
}

type savedEntry struct {
	_         struct{} `cbor:",toarray"`
	At        int64
	ID        []byte
	Rules     uint64
	Positions []uint64
	Values    []string
	Who       uint64
}

type savedTold struct {
	_  struct{} `cbor:",toarray"`
	At int64
	ID []byte
}

// Save gives what the engine holds, for Load. What of it cannot be saved begins anew, and is told.
func (e *Engine) Save() ([]byte, error) {
	x := savedEngine{Detectors: make(map[string][]byte)}
	whos := make(map[*about]uint64)
	who := func(a *about) uint64 {
		i, ok := whos[a]
		if !ok {
			i = uint64(len(x.About))
			whos[a] = i
			x.About = append(x.About, *a)
		}
		return i
	}
	for _, st := range e.states {
		c := savedCluster{Name: st.cluster, Latest: st.latest, Closed: st.closed}
		for _, s := range st.series {
			k := savedSeries{Rule: s.rule.ID, Version: s.rule.Version, Swept: s.swept, Since: s.since}
			for _, l := range s.late {
				k.Late = append(k.Late, [2]int64{l.from, l.to})
			}
			for _, g := range s.groups {
				h := savedGroup{Values: g.values, Redo: g.redo, Entries: make([]savedEntry, len(g.entries)), Told: make([]savedTold, len(g.told))}
				for i := range g.entries {
					n := &g.entries[i]
					h.Entries[i] = savedEntry{At: n.at, ID: n.id[:], Rules: n.rules, Positions: n.positions(), Values: n.values, Who: who(n.who)}
				}
				for i := range g.told {
					h.Told[i] = savedTold{At: g.told[i].at, ID: g.told[i].id[:]}
				}
				k.Groups = append(k.Groups, h)
			}
			c.Series = append(c.Series, k)
		}
		x.Clusters = append(x.Clusters, c)
	}
	var errs error
	for _, d := range e.detectors {
		b, err := d.Save()
		if err != nil {
			errs = errors.Join(errs, fmt.Errorf("%T: %w", d, err))
			continue
		}
		x.Detectors[fmt.Sprintf("%T", d)] = b
	}
	b, err := cbor.Marshal(x)
	return b, errors.Join(errs, err)
}

var stateDecoder = func() cbor.DecMode {
	d, err := cbor.DecOptions{MaxArrayElements: math.MaxInt32, MaxMapPairs: 1 << 20, MaxNestedLevels: 16}.DecMode()
	if err != nil {
		panic(err) // the options are constants
	}
	return d
}()

var errState = errors.New("the state is not one that was saved")

// Load has a new engine go on with what another one held. Rules that it did not have, or in another version, begin anew: what was
// before decides about their windows by History. So does
// a detector that cannot use what it held, and that is told by begun. An error means that nothing was taken.
func (e *Engine) Load(data []byte) (begun []error, err error) {
	var x savedEngine
	if err := stateDecoder.Unmarshal(data, &x); err != nil {
		return nil, fmt.Errorf("%w: %w", errState, err)
	}
	if err := e.load(&x); err != nil {
		e.states, e.entries, e.groups = make(map[string]*state), 0, 0
		return nil, err
	}
	for _, d := range e.detectors {
		name := fmt.Sprintf("%T", d)
		if b, ok := x.Detectors[name]; ok {
			if err := d.Load(b); err != nil {
				begun = append(begun, fmt.Errorf("%s begins anew: %w", name, err))
			}
		}
	}
	return begun, nil
}

func (e *Engine) load(x *savedEngine) error {
	for _, c := range x.Clusters {
		if e.states[c.Name] != nil {
			return errState
		}
		st := e.state(c.Name)
		st.latest, st.closed = c.Latest, c.Closed
		if e.opt.History != nil {
			for _, s := range st.series {
				s.since = c.Latest // but for those that follow
			}
		}
		for i := range c.Series {
			k := &c.Series[i]
			made := e.made[k.Rule]
			if made == nil || made.rule.Version != k.Version {
				continue
			}
			if err := st.of(made).load(k, x.About); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *series) load(k *savedSeries, whos []about) error {
	s.swept, s.since = k.Swept, k.Since
	for _, l := range k.Late {
		s.late = append(s.late, interval{l[0], l[1]})
	}
	for i := range k.Groups {
		h := &k.Groups[i]
		if len(h.Values) != len(s.c.GroupBy) || s.groups[joined(h.Values)] != nil {
			return errState
		}
		g := s.newGroup(joined(h.Values), h.Values)
		for _, n := range h.Entries {
			if len(n.ID) != len(ID{}) || n.Who >= uint64(len(whos)) || len(s.slots) < maxSlots && n.Rules>>len(s.slots) != 0 {
				return errState
			}
			x := entry{at: n.At, id: ID(n.ID), rules: n.Rules, values: n.Values, who: &whos[n.Who]}
			x.place(n.Positions)
			g.entries = append(g.entries, x)
		}
		s.engine.entries += len(g.entries)
		for _, t := range h.Told {
			if len(t.ID) != len(ID{}) {
				return errState
			}
			g.told = append(g.told, told{t.At, ID(t.ID)})
		}
		if !slices.IsSortedFunc(g.entries, func(a, b entry) int {
			return cmp.Or(cmp.Compare(a.at, b.at), bytes.Compare(a.id[:], b.id[:]))
		}) || !slices.IsSortedFunc(g.told, func(a, b told) int { return cmp.Compare(a.at, b.at) }) {
			return errState
		}
		if g.redo = h.Redo; g.redo != never {
			s.dirty[g] = struct{}{}
		}
	}
	return nil
}

// Told has the engine know of a finding, or a withdrawal, that was recorded after it was saved.
func (e *Engine) Told(rec Recorded) {
	var cluster, rule, version, text string
	if f := rec.Finding; f != nil {
		cluster, rule, version, text = f.Cluster, f.Rule, f.Version, f.ID
	} else {
		w := rec.Withdrawal
		cluster, rule, version, text = w.Cluster, w.Rule, w.Version, w.ID
	}
	c := e.made[rule]
	id, ok := ParseID(text)
	if c == nil || c.rule.Version != version || !ok {
		return
	}
	s := e.state(cluster).of(c)
	if f := rec.Finding; f != nil {
		t := told{f.Time.UnixMicro(), id}
		if t.at >= s.sound() {
			if g := s.remember(s.valuesOf(f.Group), t); g != nil {
				s.touch(g, t.at)
			}
		}
		for _, x := range s.feeds {
			s.state.of(x.to).finding(x.slot, f, id)
		}
		return
	}
	t := told{rec.Withdrawal.Time.UnixMicro(), id}
	for _, g := range s.groups {
		n := len(g.told)
		g.told = slices.DeleteFunc(g.told, func(x told) bool { return x == t })
		if len(g.told) == n {
			continue
		}
		s.touch(g, t.at)
		for _, x := range s.feeds {
			s.state.of(x.to).gone(x.slot, s.groupOf(g.values), t.at, id)
		}
	}
}

// encode is the file.
func (x *saved) encode() ([]byte, error) {
	b, err := cbor.Marshal(x)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(b)
	return slices.Concat([]byte(stateMagic), sum[:], b), nil
}

func decodeState(b []byte) (*saved, error) {
	rest, ok := bytes.CutPrefix(b, []byte(stateMagic))
	if !ok || len(rest) < sha256.Size {
		return nil, fmt.Errorf("%w: it does not begin with %q", errState, stateMagic)
	}
	if sum := sha256.Sum256(rest[sha256.Size:]); !bytes.Equal(sum[:], rest[:sha256.Size]) {
		return nil, fmt.Errorf("%w: its checksum is wrong", errState)
	}
	x := new(saved)
	if err := stateDecoder.Unmarshal(rest[sha256.Size:], x); err != nil {
		return nil, fmt.Errorf("%w: %w", errState, err)
	}
	return x, nil
}

// readState reads the file in a directory; nil where there is none.
func readState(dir string) (*saved, error) {
	b, err := os.ReadFile(filepath.Join(dir, stateFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return decodeState(b)
}

func writeState(dir string, b []byte) error { return disk.WriteFile(disk.OS(dir), stateFile, b) }
