package grants

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"annals.dev/audit"
	"annals.dev/internal/detect"
	"annals.dev/internal/match"
)

// used takes a request that a binding allowed. The reason is
//
//	RBAC: allowed by ClusterRoleBinding "NAME" of ClusterRole "ROLE" to User "WHO"
//
// and a role binding's name is "NAME/NAMESPACE".
func (g *Grants) used(r *match.Row, out detect.Output) {
	v := r.View
	by := g.reasons[r.Cluster][string(v.Reason)]
	if by == nil {
		by = g.reason(r.Cluster, v.Reason)
	}
	if by.binding == "" {
		return
	}
	u := by.use
	if u.Time != 0 && (v.Time < u.Time || v.Time < u.Time+60e6 && g.latest < u.Time) {
		return // nothing was granted since, so once a minute is enough to know that it is used
	}
	*u = use{Time: v.Time, Position: r.Position, By: v.User.Username.String(), Peer: peerOf(v), What: v.Verb.String() + " " + v.ObjectRef.Resource.String()}
	if len(v.ObjectRef.Resource) == 0 {
		u.What = v.Verb.String() + " " + v.RequestURI.String()
	}
	o := g.objects[by.binding]
	if o == nil {
		return
	}
	for i := range o.Versions {
		now := &o.Versions[i]
		before := new(version)
		if i > 0 {
			before = &o.Versions[i-1]
		}
		if slices.Contains(addedSubjects(before, now), by.subject) {
			g.tellUse(r.Cluster, by.binding, now, by.subject, u, out)
		}
	}
}

// allowed is what a reason says.
type allowed struct {
	binding, subject string // the binding's key; "" where the reason is another
	use              *use
}

// maxReasons is how many are kept of a cluster before they are read anew.
const maxReasons = 20_000

func (g *Grants) reason(cluster string, text audit.Text) *allowed {
	of := g.reasons[cluster]
	if of == nil || len(of) >= maxReasons {
		of = map[string]*allowed{}
		g.reasons[cluster] = of
	}
	by := new(allowed)
	of[string(text)] = by
	binding, subject, ok := allowedBy(text)
	if !ok {
		return by
	}
	*by = allowed{cluster + " " + binding, subject, nil}
	key := by.binding + " " + subject
	if by.use = g.uses[key]; by.use == nil {
		if len(g.uses) >= maxUses {
			g.forgetUses()
		}
		by.use = new(use)
		g.uses[key] = by.use
	}
	return by
}

// forgetUses drops the older half or so.
func (g *Grants) forgetUses() {
	var newest int64
	for _, u := range g.uses {
		newest = max(newest, u.Time)
	}
	for age := usedWithin; len(g.uses) > maxUses/2 && age > time.Second; age /= 2 {
		for key, u := range g.uses {
			if u.Time < newest-age.Microseconds() {
				delete(g.uses, key)
			}
		}
	}
	if len(g.uses) >= maxUses {
		clear(g.uses)
	}
	clear(g.reasons) // they point to uses
}

// tellUse tells that a grant was used, if it was within a day.
func (g *Grants) tellUse(cluster, key string, grant *version, subject string, u *use, out detect.Output) {
	since := time.Duration(u.Time-grant.Time) * time.Microsecond
	id := idOf(ruleUsed.ID, cluster, key, grant.Request, subject)
	if since < 0 || since > usedWithin || g.told[id] != "" || grant.By == apiServer {
		return
	}
	g.tell(id, key)
	kind, namespace, name := parts(key)
	severity := detect.Low
	switch riskOfRole(grant.Role) {
	case detect.Critical:
		severity = detect.High
	case detect.High:
		severity = detect.Medium
	}
	f := findingOf(ruleUsed, cluster, id, severity, fmt.Sprintf("%s, whom %s had given the %s %s before, used it: %s",
		subject, grant.By, strings.Replace(grant.Role, "/", " ", 1), since.Round(time.Second), u.What))
	f.Time, f.From = time.UnixMicro(u.Time).UTC(), time.UnixMicro(grant.Time).UTC()
	f.Positions, f.Count = []uint64{min(grant.Position, u.Position), max(grant.Position, u.Position)}, 2
	f.User, f.Peer, f.Resource, f.Namespace, f.Name = u.By, u.Peer, kind, namespace, name
	out.Find(f)
}

// allowedBy reads the reason: which binding, in the form of a key, and which of its subjects.
func allowedBy(reason audit.Text) (binding, subject string, ok bool) {
	s := reason.String()
	s, ok = strings.CutPrefix(s, "RBAC: allowed by ")
	if !ok {
		return "", "", false
	}
	kind, s, _ := strings.Cut(s, ` "`)
	name, s, ok1 := strings.Cut(s, `" of `)
	_, s, ok2 := strings.Cut(s, `" to `)
	subjectKind, s, ok3 := strings.Cut(s, ` "`)
	if !ok1 || !ok2 || !ok3 {
		return "", "", false
	}
	namespace := ""
	if kind == "RoleBinding" {
		name, namespace, _ = strings.Cut(name, "/")
	}
	subject = strings.TrimSuffix(s, `"`)
	return objectKey(strings.ToLower(kind)+"s", namespace, name), subjectKind + " " + subject, true
}

// saved is the state. IDs of findings are not part of it: what is told again is recorded once all the same.
type saved struct {
	Version string
	Objects map[string]*object
	Uses    map[string]*use
	Told    map[string]string
}

// Save gives the state.
func (g *Grants) Save() ([]byte, error) {
	return json.Marshal(saved{rulesVersion, g.objects, g.uses, g.told})
}

// Load takes a state that Save gave.
func (g *Grants) Load(state []byte) error {
	var s saved
	if err := json.Unmarshal(state, &s); err != nil {
		return fmt.Errorf("the state of grants: %w", err)
	}
	if s.Version != rulesVersion {
		return fmt.Errorf("the state of grants is of version %q, not %q", s.Version, rulesVersion)
	}
	n := New()
	for key, o := range s.Objects {
		if o == nil || len(o.Versions) == 0 {
			return fmt.Errorf("the state of grants is damaged: %q has no versions", key)
		}
		n.objects[key] = o
	}
	for key, u := range s.Uses {
		if u == nil {
			return fmt.Errorf("the state of grants is damaged: %q has no use", key)
		}
		n.uses[key] = u
	}
	for _, o := range n.objects {
		for i := range o.Versions {
			n.latest = max(n.latest, o.Versions[i].Time)
		}
	}
	if s.Told != nil {
		n.told = s.Told
	}
	*g = *n
	return nil
}
