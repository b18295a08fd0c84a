package baseline

import (
	"strings"
)

// feature is something about a request that an actor has habits in.
type feature uint8

const (
	action    feature = iota // verb and resource: "list secrets"
	namespace                // of the object
	network                  // of the peer: the first 24 bits of an IPv4 address, 64 of an IPv6 one
	client                   // what the user agent calls itself, without its version
	features
)

var featureNames = [features]string{"action", "namespace", "network", "client"}

// kind is what sort of actor somebody is. Peers are those of one kind.
type kind uint8

const (
	person kind = iota
	serviceAccount
	node
	component // of Kubernetes itself, such as system:kube-scheduler
	kinds
)

var kindNames = [kinds]string{"people", "service accounts", "nodes", "components"}

func kindOf(user string) kind {
	switch {
	case strings.HasPrefix(user, "system:serviceaccount:"):
		return serviceAccount
	case strings.HasPrefix(user, "system:node:"):
		return node
	case strings.HasPrefix(user, "system:"):
		return component
	}
	return person
}

// actor is what is known of a user.
type actor struct {
	Name   string
	Kind   kind
	Active days
	Values [features]map[string]*days
	Hours  map[int32]uint32      // by day: in which hours it was active
	Peak   map[int32]uint32      // by day: the changes in its busiest hour
	Counts map[int32]*[24]uint32 // by day, of the last days alone: the changes in each hour
}

func newActor(name string) *actor {
	a := &actor{Name: name, Kind: kindOf(name), Hours: map[int32]uint32{}, Peak: map[int32]uint32{}, Counts: map[int32]*[24]uint32{}}
	for f := range a.Values {
		a.Values[f] = map[string]*days{}
	}
	return a
}

// maxValues is how many values of a feature are kept of an actor. One who has more has no habits in it.
const maxValues = 512

// see notes a value on a day, and says whether that is new.
func (a *actor) see(f feature, value string, day int32) bool {
	d := a.Values[f][value]
	if d == nil {
		if len(a.Values[f]) >= maxValues {
			return false
		}
		d = new(days)
		a.Values[f][strings.Clone(value)] = d
	}
	return d.add(day)
}

// forget drops what lies so far back that nothing is held against it any more.
func (a *actor) forget(day int32) {
	for _, values := range a.Values {
		for value, d := range values {
			if d.Last < day-gone {
				delete(values, value)
			}
		}
	}
	for d := range a.Hours {
		if d < day-64 {
			delete(a.Hours, d)
		}
	}
	for d := range a.Peak {
		if d < day-64 {
			delete(a.Peak, d)
		}
	}
	for d := range a.Counts {
		if d < day-keepCounts {
			delete(a.Counts, d)
		}
	}
}

// gone is after how many days an actor that was not seen, and a value that was not shown, are nothing any more: also to events
// that come late on any day that is looked at.
const gone = 128

// keepCounts is for how many days hours are counted one by one, so that late events find them.
const keepCounts = 3
