package trial

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"annals.dev/audit"
)

// begin is a Monday.
var begin = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

// world is a cluster of 40 people in 8 teams, 60 service accounts and 20 nodes, and how they live.
type world struct {
	rnd        *rand.Rand
	teams      [][]string // their namespaces
	namespaces []string
	people     []*life
	accounts   []*life
	nodes      []*life
	n          int // events made
}

// life is how an actor lives: what it does on an ordinary day. It changes a little every day.
type life struct {
	user     string
	groups   []string
	actions  []act
	places   []string // namespaces
	networks []string // "10.3.7.": the first three bytes of addresses
	clients  []string
	zone     int     // hours from UTC
	perDay   float64 // requests
	admin    bool
	away     string // a network, for some days
	awayFor  int
}

type act struct{ verb, group, resource, subresource string }

var (
	readings = []act{{"get", "", "pods", ""}, {"list", "", "pods", ""}, {"get", "", "pods", "log"}, {"get", "apps", "deployments", ""}, {"list", "", "services", ""},
		{"list", "apps", "deployments", ""}, {"get", "", "configmaps", ""}, {"list", "", "events", ""}, {"watch", "", "pods", ""}, {"get", "", "services", ""}}
	workings = []act{{"patch", "apps", "deployments", ""}, {"create", "", "configmaps", ""}, {"delete", "", "pods", ""}, {"create", "batch", "jobs", ""},
		{"patch", "", "services", ""}, {"update", "autoscaling", "horizontalpodautoscalers", ""}, {"create", "apps", "deployments", ""}, {"get", "", "secrets", ""}, {"get", "", "pods", "portforward"}}
	adminings = []act{{"get", "", "nodes", ""}, {"patch", "", "nodes", ""}, {"create", "", "pods", "exec"}, {"list", "", "namespaces", ""}, {"create", "", "namespaces", ""},
		{"create", "rbac.authorization.k8s.io", "rolebindings", ""}, {"list", "", "secrets", ""}, {"patch", "", "namespaces", ""}}
	controls = []act{{"update", "", "configmaps", ""}, {"list", "", "endpoints", ""}, {"watch", "", "services", ""}, {"patch", "apps", "statefulsets", ""}, {"create", "", "services", ""},
		{"update", "networking.k8s.io", "ingresses", ""}, {"watch", "", "secrets", ""}, {"patch", "", "pods", ""}, {"create", "batch", "jobs", ""}, {"delete", "batch", "jobs", ""},
		{"update", "coordination.k8s.io", "leases", ""}, {"list", "", "nodes", ""}, {"get", "", "configmaps", ""}, {"watch", "apps", "deployments", ""}}
	harms = []act{{"list", "", "secrets", ""}, {"create", "rbac.authorization.k8s.io", "clusterrolebindings", ""}, {"create", "", "serviceaccounts", "token"}, {"create", "", "pods", "exec"},
		{"create", "authorization.k8s.io", "selfsubjectrulesreviews", ""}, {"list", "rbac.authorization.k8s.io", "clusterroles", ""}, {"create", "apps", "daemonsets", ""}, {"get", "", "nodes", "proxy"}}
	tools = []string{"kubectl/v1.32.1 (linux/amd64)", "kubectl/v1.32.1 (darwin/arm64)", "k9s/v0.40", "helm/3.17", "lens/2026.2"}
	alien = []string{"curl/8.5.0", "python-requests/2.31", "Go-http-client/2.0", "peirates/1.1"}
)

func newWorld(seed uint64) *world {
	w := &world{rnd: rand.New(rand.NewPCG(seed, 1))}
	for t := range 8 {
		var of []string
		for n := range 2 + w.rnd.IntN(2) {
			of = append(of, fmt.Sprintf("team%d-%d", t, n))
		}
		w.teams = append(w.teams, of)
		w.namespaces = append(w.namespaces, of...)
	}
	for i := range 40 {
		l := &life{
			user: fmt.Sprintf("person%d@example.com", i), groups: []string{"system:authenticated"}, places: w.teams[i%8],
			networks: []string{"10.200.1.", fmt.Sprintf("198.51.%d.", 100+i)}, clients: []string{tools[w.rnd.IntN(2)]}, zone: []int{-8, -5, 0, 1, 1, 1, 5}[w.rnd.IntN(7)],
			perDay: 20 + 120*w.rnd.Float64(), admin: i%10 == 0,
		}
		l.actions = append(l.actions, some(w.rnd, readings, 6+w.rnd.IntN(4))...)
		l.actions = append(l.actions, some(w.rnd, workings, 2+w.rnd.IntN(4))...)
		if l.admin {
			l.actions = append(l.actions, some(w.rnd, adminings, 5)...)
			l.places = append(append([]string{}, w.namespaces...), "kube-system")
		}
		if w.rnd.IntN(2) == 0 {
			l.clients = append(l.clients, tools[2+w.rnd.IntN(3)])
		}
		w.people = append(w.people, l)
	}
	for i := range 60 {
		l := &life{
			user: fmt.Sprintf("system:serviceaccount:%s:controller%d", w.namespaces[i%len(w.namespaces)], i), groups: []string{"system:serviceaccounts"},
			actions: some(w.rnd, controls, 3+w.rnd.IntN(6)), places: w.namespaces[i%len(w.namespaces):][:1],
			clients: []string{fmt.Sprintf("controller%d/v1.%d", i, w.rnd.IntN(9))}, perDay: 40 + 100*w.rnd.Float64(), networks: []string{w.nodeNetwork()},
		}
		if i%5 == 0 {
			l.places = w.namespaces
		}
		w.accounts = append(w.accounts, l)
	}
	for i := range 20 {
		w.nodes = append(w.nodes, &life{
			user: fmt.Sprintf("system:node:node%d", i), groups: []string{"system:nodes"}, places: w.namespaces, networks: []string{fmt.Sprintf("10.100.%d.", i/8)},
			actions: []act{{"get", "", "nodes", ""}, {"patch", "", "nodes", "status"}, {"watch", "", "pods", ""}, {"patch", "", "pods", "status"}, {"get", "", "secrets", ""}, {"create", "", "events", ""}},
			clients: []string{"kubelet/v1.36.3 (linux/amd64)"}, perDay: 60,
		})
	}
	return w
}

func (w *world) nodeNetwork() string { return fmt.Sprintf("10.244.%d.", w.rnd.IntN(20)) }

func some[T any](rnd *rand.Rand, of []T, n int) (picked []T) {
	for _, i := range rnd.Perm(len(of))[:min(n, len(of))] {
		picked = append(picked, of[i])
	}
	return picked
}

// chance is true with a probability.
func (w *world) chance(p float64) bool { return w.rnd.Float64() < p }

func pick[T any](rnd *rand.Rand, of []T) T { return of[rnd.IntN(len(of))] }

// often picks the first more often than the last: habits.
func often[T any](rnd *rand.Rand, of []T) T {
	return of[int(float64(len(of))*math.Pow(rnd.Float64(), 2))]
}

// day is what happens on a day, attacks included, which are labelled.
func (w *world) day(day int, labels map[actorDay]string) (events []audit.Event) {
	rest := day%7 >= 5
	for _, l := range w.people {
		w.change(l)
		if rest && !w.chance(0.04) {
			continue
		}
		events = w.live(events, l, day, 8, 19)
		if l.admin && w.chance(0.05) { // called at night
			events = w.requests(events, l, day, 10+w.rnd.IntN(20), 1+w.rnd.IntN(4), nil)
		}
		if w.chance(0.006) { // a migration
			events = w.requests(events, l, day, 30+w.rnd.IntN(120), 10+w.rnd.IntN(6), []act{{"create", "", "configmaps", ""}, {"patch", "apps", "deployments", ""}})
		}
	}
	for _, l := range w.accounts {
		if w.chance(0.15) { // its pod runs on another node
			l.networks[0] = w.nodeNetwork()
		}
		if w.chance(0.004) { // a new version does something new
			l.actions = append(l.actions, pick(w.rnd, controls))
		}
		events = w.live(events, l, day, 0, 24)
	}
	for _, l := range w.nodes {
		events = w.live(events, l, day, 0, 24)
	}
	if day >= Quiet {
		events = w.attack(events, day, labels)
	}
	return events
}

// change is how people's work changes from day to day.
func (w *world) change(l *life) {
	if w.chance(0.02) {
		l.actions = append(l.actions, pick(w.rnd, append(append([]act{}, readings...), workings...)))
	}
	if w.chance(0.008) {
		l.places = append(append([]string{}, l.places...), pick(w.rnd, w.namespaces))
	}
	if w.chance(0.006) {
		l.clients = append(l.clients, pick(w.rnd, tools))
	}
	if l.awayFor--; l.awayFor <= 0 {
		l.away = ""
		if w.chance(0.012) {
			l.away, l.awayFor = fmt.Sprintf("203.0.%d.", w.rnd.IntN(256)), 1+w.rnd.IntN(4)
		}
	}
}

// live is an ordinary day from one hour to another, in the actor's own time.
func (w *world) live(events []audit.Event, l *life, day, from, to int) []audit.Event {
	n := int(l.perDay * math.Exp(0.3*w.rnd.NormFloat64()))
	for range n {
		hour := float64(from) + w.rnd.Float64()*float64(to-from)
		if to-from < 24 { // people come and go at no fixed hour
			hour += 0.6 * w.rnd.NormFloat64()
		}
		events = append(events, w.request(l, day, hour-float64(l.zone), often(w.rnd, l.actions), often(w.rnd, l.places), w.network(l), pick(w.rnd, l.clients)))
	}
	return events
}

func (w *world) network(l *life) string {
	if l.away != "" {
		return l.away
	}
	return pick(w.rnd, l.networks)
}

// requests are some within an hour.
func (w *world) requests(events []audit.Event, l *life, day, n, hour int, acts []act) []audit.Event {
	if acts == nil {
		acts = l.actions
	}
	for range n {
		events = append(events, w.request(l, day, float64(hour)+w.rnd.Float64(), pick(w.rnd, acts), often(w.rnd, l.places), w.network(l), pick(w.rnd, l.clients)))
	}
	return events
}

// request is one at an hour of the day in UTC, which may lie a little outside the day: then it is moved into it.
func (w *world) request(l *life, day int, hour float64, a act, ns, network, client string) audit.Event {
	hour = math.Mod(hour+24, 24)
	at := begin.Add(time.Duration(day)*24*time.Hour + time.Duration(hour*float64(time.Hour)))
	w.n++
	return audit.Event{
		Level: audit.LevelMetadata, AuditID: fmt.Sprintf("%08x-0000-4000-8000-%012x", w.n, w.n), Stage: audit.StageResponseComplete, RequestURI: "/", Verb: a.verb,
		User: audit.UserInfo{Username: l.user, Groups: l.groups}, SourceIPs: []string{network + fmt.Sprint(1+w.rnd.IntN(250))}, UserAgent: client,
		ObjectRef:                &audit.ObjectReference{Resource: a.resource, Subresource: a.subresource, APIGroup: a.group, Namespace: ns, Name: "x"},
		ResponseStatus:           &audit.Status{Code: 200},
		RequestReceivedTimestamp: audit.MicroTime{Time: at}, StageTimestamp: audit.MicroTime{Time: at},
	}
}
