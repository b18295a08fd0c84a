// Package grants follows what roles and bindings grant: what each grants now against before, by whatever verb it was changed, and
// who used what they were granted. Start with Grants, a detect.Detector.
//
// What a role held before is known from earlier events that showed it whole: the response's body, or the request's of a create or
// an update. Where that was not recorded, nothing is said; the rules about single events see what a request alone shows.
// Whether a grant was used the API server itself tells, in the annotation authorization.k8s.io/reason.
package grants

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"annals.dev/audit"
	"annals.dev/internal/detect"
	"annals.dev/internal/ledger"
	"annals.dev/internal/match"
)

// Grants is a detect.Detector.
type Grants struct {
	objects map[string]*object // by key
	uses    map[string]*use    // by binding and subject
	told    map[string]string  // IDs of findings that stand, and the key of their object
	latest  int64              // the latest time of a version

	reasons map[string]map[string]*allowed // by cluster and text: what they say; read once
}

// Bounds on what is kept; at each the oldest goes.
const (
	maxVersions = 8
	maxObjects  = 50_000
	maxUses     = 100_000
	maxTold     = 100_000
)

// apiServer is who makes and mends the roles and bindings that every cluster has, when it starts. Nobody else can be it: who
// acts as another is known by their own name.
const apiServer = "system:apiserver"

// usedWithin is how long after a grant its first use is worth telling.
const usedWithin = 24 * time.Hour

// object is a role or a binding, and its versions in the order of their time.
type object struct {
	Versions []version
}

// version is an object after a request.
type version struct {
	Time     int64 // microseconds
	Request  string
	Position uint64
	By       string
	Peer     string
	Verb     string
	Known    bool // what it grants; else the rest is not known
	Gone     bool
	Rules    []rule   `json:",omitempty"` // of a role
	Role     string   `json:",omitempty"` // of a binding: "ClusterRole/cluster-admin"
	Subjects []string `json:",omitempty"` // of a binding: "User jane", "Group x", "ServiceAccount name/ns"
}

// use is the latest request that a binding allowed a subject.
type use struct {
	Time     int64
	Position uint64
	By, Peer string
	What     string
}

// New makes one that knows nothing yet.
func New() *Grants {
	return &Grants{objects: map[string]*object{}, uses: map[string]*use{}, told: map[string]string{}, reasons: map[string]map[string]*allowed{}}
}

// Feed takes an event.
func (g *Grants) Feed(r *match.Row, out detect.Output) {
	v := r.View
	if r.Cluster == ledger.Own || v.Stage.Is(string(audit.StageRequestReceived)) {
		return
	}
	if v.ObjectRef.APIGroup.Is("rbac.authorization.k8s.io") && v.ResponseStatus.Code < 300 {
		g.written(r, out)
	}
	if len(v.Reason) > 0 && string(v.Decision) == "allow" {
		g.used(r, out)
	}
}

// Tick does nothing: grants do not follow the clock.
func (*Grants) Tick(time.Time, detect.Output) {}

// written takes a request that changed a role or a binding.
func (g *Grants) written(r *match.Row, out detect.Output) {
	v := r.View
	switch v.Verb.String() {
	case "create", "update", "patch", "delete":
	default:
		return
	}
	kind := v.ObjectRef.Resource.String()
	if !strings.HasSuffix(kind, "roles") && !strings.HasSuffix(kind, "bindings") || v.ObjectRef.Subresource != nil || !v.Stage.Is(string(audit.StageResponseComplete)) {
		return
	}
	if detect.IsDryRun(v.RequestURI.String()) {
		return
	}
	next := version{
		Time: v.Time, Request: v.AuditID.String() + v.RequestReceivedTimestamp.String(), Position: r.Position, By: v.User.Username.String(), Peer: peerOf(v), Verb: v.Verb.String(),
	}
	name := v.ObjectRef.Name.String()
	switch {
	case next.Verb == "delete":
		next.Known, next.Gone = true, true
	default:
		if n, ok := next.read(v.ResponseObject); ok {
			name = cmp.Or(name, n)
		} else if next.Verb != "patch" {
			n, _ := next.read(v.RequestObject)
			name = cmp.Or(name, n)
		}
	}
	if name == "" {
		return
	}
	g.put(r.Cluster, objectKey(kind, v.ObjectRef.Namespace.String(), name), next, out)
}

func objectKey(kind, namespace, name string) string { return kind + " " + namespace + "/" + name }

// read fills in what a body shows of a role or a binding, if it shows one.
func (v *version) read(body audit.Span) (name string, ok bool) {
	var o struct {
		Kind     string
		Metadata struct{ Name string }
		Rules    []rule
		RoleRef  struct{ Kind, Name string }
		Subjects []struct{ Kind, Name, Namespace string }
	}
	if len(body) == 0 || json.Unmarshal(body, &o) != nil || !strings.HasSuffix(o.Kind, "Role") && !strings.HasSuffix(o.Kind, "Binding") {
		return "", false
	}
	v.Known, v.Rules = true, o.Rules
	if o.RoleRef.Name != "" {
		v.Role = o.RoleRef.Kind + "/" + o.RoleRef.Name
	}
	for _, s := range o.Subjects {
		if s.Kind == "ServiceAccount" {
			s.Name = s.Name + "/" + s.Namespace // as the API server tells it in its reasons
		}
		v.Subjects = append(v.Subjects, s.Kind+" "+s.Name)
	}
	slices.Sort(v.Subjects)
	return o.Metadata.Name, true
}

// put puts a version in its place, and looks again at what it and the one after it grant against the one before.
func (g *Grants) put(cluster, key string, next version, out detect.Output) {
	key = cluster + " " + key
	o := g.objects[key]
	if o == nil {
		if len(g.objects) >= maxObjects {
			g.forget()
		}
		o = new(object)
		g.objects[key] = o
	}
	at, known := slices.BinarySearchFunc(o.Versions, next, func(a, b version) int {
		return cmp.Or(cmp.Compare(a.Time, b.Time), cmp.Compare(a.Request, b.Request))
	})
	if known {
		return
	}
	o.Versions = slices.Insert(o.Versions, at, next)
	g.latest = max(g.latest, next.Time)
	for i := at; i <= at+1 && i < len(o.Versions); i++ {
		g.compare(cluster, key, o, i, out)
	}
	if over := len(o.Versions) - maxVersions; over > 0 {
		o.Versions = slices.Delete(o.Versions, 0, over)
	}
}

// forget drops the tenth of the objects that were changed longest ago.
func (g *Grants) forget() {
	last := func(key string) int64 {
		all := g.objects[key].Versions
		return all[len(all)-1].Time
	}
	keys := slices.SortedFunc(maps.Keys(g.objects), func(a, b string) int { return cmp.Compare(last(a), last(b)) })
	for _, key := range keys[:len(keys)/10+1] {
		delete(g.objects, key)
	}
}

// compare tells what a version grants that the one before it did not, or that this is no longer so.
func (g *Grants) compare(cluster, key string, o *object, i int, out detect.Output) {
	now := &o.Versions[i]
	before := new(version)
	if i > 0 {
		before = &o.Versions[i-1]
	}
	rule, summary, severity := ruleBinding, "", detect.Medium
	if added := addedSubjects(before, now); now.Known && len(added) > 0 {
		severity = riskOfRole(now.Role)
		summary = fmt.Sprintf("%s gave %s the %s by %s of %s", now.By, list(added), strings.Replace(now.Role, "/", " ", 1), now.Verb, words(key))
		for _, s := range added {
			if u := g.uses[key+" "+s]; u != nil {
				g.tellUse(cluster, key, now, s, u, out)
			}
		}
		if i == 0 || !before.Known || before.Gone {
			summary = "" // a new binding: the rules about single events tell of those
		}
	} else if before.Known && !before.Gone && now.Known {
		if added := addedGrants(before.Rules, now.Rules); len(added) > 0 {
			rule, severity = ruleRole, riskOf(added)
			summary = fmt.Sprintf("%s widened %s by %s: it now also allows %s", now.By, words(key), now.Verb, list(texts(added)))
		}
	}
	if now.By == apiServer {
		summary = ""
	}
	id := idOf(rule.ID, cluster, key, now.Request)
	if summary == "" {
		for _, r := range []*detect.Rule{ruleBinding, ruleRole} {
			if id := idOf(r.ID, cluster, key, now.Request); g.told[id] != "" {
				delete(g.told, id)
				out.Withdraw(&detect.Withdrawal{ID: id, Reason: "an event that came late shows that this was granted before"})
			}
		}
		return
	}
	if g.told[id] != "" {
		return
	}
	g.tell(id, key)
	f := findingOf(rule, cluster, id, severity, summary)
	f.Positions, f.Count, f.Time, f.User, f.Peer, f.Verb = []uint64{now.Position}, 1, time.UnixMicro(now.Time).UTC(), now.By, now.Peer, now.Verb
	if i > 0 && before.Position != now.Position {
		f.Positions = []uint64{min(before.Position, now.Position), max(before.Position, now.Position)}
		f.From = time.UnixMicro(before.Time).UTC()
	}
	f.Resource, f.Namespace, f.Name = parts(key)
	out.Find(f)
}

// tell remembers that a finding stands.
func (g *Grants) tell(id, key string) {
	if len(g.told) >= maxTold {
		clear(g.told) // what is told again is recorded once all the same
	}
	g.told[id] = key
}

// parts are what a key is made of: the cluster stands before them.
func parts(key string) (kind, namespace, name string) {
	_, key, _ = strings.Cut(key, " ")
	kind, key, _ = strings.Cut(key, " ")
	namespace, name, _ = strings.Cut(key, "/")
	return kind, namespace, name
}

// words are an object as people name it.
func words(key string) string {
	kind, namespace, name := parts(key)
	names := map[string]string{"roles": "Role", "clusterroles": "ClusterRole", "rolebindings": "RoleBinding", "clusterrolebindings": "ClusterRoleBinding"}
	if k := names[kind]; k != "" {
		kind = k
	}
	if namespace != "" {
		return kind + " " + name + " in " + namespace
	}
	return kind + " " + name
}

func idOf(parts ...string) string {
	h := sha256.Sum256(fmt.Appendf(nil, "%q %q", rulesVersion, parts))
	return hex.EncodeToString(h[:16])
}

func findingOf(rule *detect.Rule, cluster, id string, severity detect.Severity, summary string) *detect.Finding {
	return &detect.Finding{
		ID: id, Rule: rule.ID, Version: rule.Version, Title: rule.Title, Severity: severity, Techniques: rule.Techniques, Tactics: rule.Tactics, Tags: rule.Tags,
		Author: rule.Author, Cluster: cluster, Summary: summary,
	}
}

const maxListed = 5

func list(of []string) string {
	if len(of) > maxListed {
		return strings.Join(of[:maxListed], ", ") + fmt.Sprintf(" and %d more", len(of)-maxListed)
	}
	return strings.Join(of, ", ")
}

// peerOf is the last source address: the only one that is not the client's own claim.
func peerOf(v *audit.View) (peer string) {
	for ip := range v.SourceIPs.Strings {
		peer = ip.String()
	}
	return peer
}
