package actor

import (
	"fmt"
	"maps"
	"slices"
)

// notes say what stands in the roles for a reason that does not show, and what cannot stand in them.
func (l *least) notes(usual, acted int, other map[string]int, clusters int) (notes []string) {
	say := func(n int, one, many string) {
		switch {
		case n == 1:
			notes = append(notes, one)
		case n > 1:
			notes = append(notes, fmt.Sprintf(many, n))
		}
	}
	say(usual, "1 request is left out that Kubernetes grants to every user (system:discovery, system:basic-user, system:public-info-viewer): --all puts it in.",
		"%d requests are left out that Kubernetes grants to every user (system:discovery, system:basic-user, system:public-info-viewer): --all puts them in.")
	for _, reason := range slices.Sorted(maps.Keys(other)) {
		if reason == "" {
			say(other[reason], "1 request was decided by something that named no binding: system:masters, the node authorizer or another authorizer.",
				"%d requests were decided by something that named no binding: system:masters, the node authorizer or another authorizer.")
			continue
		}
		notes = append(notes, fmt.Sprintf("%d requests were decided by something other than RBAC: %.200q.", other[reason], reason))
	}
	say(acted, "1 event shows this user acting as another: the roles let it do so again.", "%d events show this user acting as others: the roles let it do so again.")
	say(l.constrained, "1 of these impersonations was allowed by a verb of its own (impersonate:…), which is not written.",
		"%d of these impersonations were allowed by verbs of their own (impersonate:…), which are not written.")
	say(l.upgrades, "1 session came by WebSocket, as get: create is granted with it, which Kubernetes asks for from 1.35 on.",
		"%d sessions came by WebSocket, as get: create is granted with it, which Kubernetes asks for from 1.35 on.")
	say(l.upserts, "1 object was made by an update or a patch: create is granted with it.", "%d objects were made by updates or patches: create is granted with it.")
	say(l.stars, "1 request is left out whose verb, resource or path holds a star, which in a rule would mean all of them.",
		"%d requests are left out whose verb, resource or path holds a star, which in a rule would mean all of them.")
	say(l.places, "1 request is left out that was for a namespace of a name that none can have.", "%d requests are left out that were for namespaces of names that none can have.")
	if clusters > 1 {
		notes = append(notes, fmt.Sprintf("Requests to %d clusters are put together: --cluster asks about one.", clusters))
	}
	if len(l.scopes)+len(l.paths) > 0 {
		notes = append(notes, "What RBAC asks for beside the request does not show in events: bind and escalate (who grants roles), approve and sign (of certificates), use, and update of finalizers where owners block deletion.")
	}
	return notes
}
