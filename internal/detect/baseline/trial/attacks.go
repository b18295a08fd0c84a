package trial

import (
	"fmt"

	"annals.dev/audit"
)

// attacks are those that are made, and what each is. The last leaves nothing that would be unusual, and is counted all the same.
var attacks = []struct {
	Name, About string
	make        func(w *world, events []audit.Event, day int) ([]audit.Event, string)
}{
	{"person-stolen", "a person's credential from elsewhere, in their hours, with their client: looks around and reads secrets", func(w *world, events []audit.Event, day int) ([]audit.Event, string) {
		l := *pick(w.rnd, w.people)
		l.away = w.abroad()
		return w.hours(events, &l, day, 5+w.rnd.IntN(20), 12-l.zone, append(some(w.rnd, harms, 3), l.actions...)), l.user
	}},
	{"admin-abroad", "an administrator from an abnormal place, at night, with another client", func(w *world, events []audit.Event, day int) ([]audit.Event, string) {
		l := *w.people[10*w.rnd.IntN(4)]
		l.away, l.clients = w.abroad(), []string{pick(w.rnd, tools)}
		return w.hours(events, &l, day, 5+w.rnd.IntN(20), 2-l.zone, l.actions), l.user
	}},
	{"token-outside", "a service account's token used from outside the cluster, with kubectl or curl", func(w *world, events []audit.Event, day int) ([]audit.Event, string) {
		l := *pick(w.rnd, w.accounts)
		l.networks, l.clients = []string{w.abroad()}, []string{pick(w.rnd, append(alien, tools...))}
		return w.hours(events, &l, day, 3+w.rnd.IntN(15), w.rnd.IntN(24), append(some(w.rnd, harms, 3), l.actions...)), l.user
	}},
	{"token-inside", "a service account's token used from its own pod, for what it never did", func(w *world, events []audit.Event, day int) ([]audit.Event, string) {
		l := *pick(w.rnd, w.accounts)
		if w.chance(0.5) {
			l.clients = []string{pick(w.rnd, alien)}
		}
		return w.hours(events, &l, day, 3+w.rnd.IntN(10), w.rnd.IntN(24), some(w.rnd, harms, 2)), l.user
	}},
	{"new-user-creates", "a user who was never seen before creates many objects", func(w *world, events []audit.Event, day int) ([]audit.Event, string) {
		l := &life{user: fmt.Sprintf("new%d@example.com", day*100+w.rnd.IntN(100)), groups: []string{"system:authenticated"}, places: pick(w.rnd, w.teams), networks: []string{"10.200.1."}, clients: tools[:1]}
		return w.hours(events, l, day, 60+w.rnd.IntN(240), w.rnd.IntN(24), []act{{"create", "", "configmaps", ""}, {"create", "", "pods", ""}}), l.user
	}},
	{"mass-deletion", "a person deletes much, from the usual place", func(w *world, events []audit.Event, day int) ([]audit.Event, string) {
		l := *pick(w.rnd, w.people)
		return w.hours(events, &l, day, 100+w.rnd.IntN(300), 12-l.zone, []act{{"delete", "", "pods", ""}, {"delete", "apps", "deployments", ""}, {"delete", "", "configmaps", ""}}), l.user
	}},
	{"elsewhere", "a person's credential, from the usual place, in the namespaces of other teams", func(w *world, events []audit.Event, day int) ([]audit.Event, string) {
		i := w.rnd.IntN(40)
		for i%10 == 0 {
			i = w.rnd.IntN(40)
		}
		l := *w.people[i]
		l.places = append(append([]string{}, w.teams[(i+3)%8]...), "kube-system")
		return w.hours(events, &l, day, 5+w.rnd.IntN(15), 12-l.zone, l.actions), l.user
	}},
	{"as-usual", "a person's credential for what they do every day, from the usual place", func(w *world, events []audit.Event, day int) ([]audit.Event, string) {
		l := *pick(w.rnd, w.people)
		return w.hours(events, &l, day, 5+w.rnd.IntN(10), 12-l.zone, l.actions), l.user
	}},
}

// attack makes one or two a day.
func (w *world) attack(events []audit.Event, day int, labels map[actorDay]string) []audit.Event {
	for range 1 + w.rnd.IntN(2) {
		kind := pick(w.rnd, attacks)
		var user string
		events, user = kind.make(w, events, day)
		labels[actorDay{user, day}] = kind.Name
	}
	return events
}

func (w *world) abroad() string { return fmt.Sprintf("192.0.%d.", w.rnd.IntN(256)) }

func (w *world) hours(events []audit.Event, l *life, day, n, hour int, acts []act) []audit.Event {
	return w.requests(events, l, day, n, (hour+48)%24, acts)
}
