package coverage

import (
	"slices"
	"strings"

	"annals.dev/internal/match"
)

// about is what of an event a test looks at.
type about uint8

const (
	aboutAnything about = iota // which cannot be told
	aboutTarget                // what kind of object, which API
	aboutVerb
	aboutIdentity
	aboutNamespace
	aboutName
	aboutURI
	aboutLevel
	aboutStage
	aboutRequest  // the request's body
	aboutResponse // the response's
	aboutConstant // nothing that differs among events
	aboutFree     // whatever else: headers, addresses, times, outcome
)

// aboutField tells by a field's name.
func aboutField(field string) about {
	switch field {
	case "":
		return aboutAnything
	case "verb":
		return aboutVerb
	case "objectRef.resource", "objectRef.subresource", "objectRef.apiGroup":
		return aboutTarget
	case "objectRef.namespace", "object.namespace":
		return aboutNamespace
	case "objectRef.name", "object.name":
		return aboutName
	case "user.username", "user.groups":
		return aboutIdentity
	case "requestURI":
		return aboutURI
	case "level":
		return aboutLevel
	case "stage":
		return aboutStage
	}
	top, _, _ := strings.Cut(field, ".")
	top, _, _ = strings.Cut(top, "[")
	switch top {
	case "requestObject", "pod", "role", "binding", "csr":
		return aboutRequest
	case "responseObject":
		return aboutResponse
	}
	return aboutFree
}

// formula is a predicate whose equal tests are one.
type formula struct {
	root   *branch
	leaves []test
}

// test is a test of a formula.
type test struct {
	match.Leaf
	field   string
	about   about
	plus    bool // it stands somewhere where its truth helps
	minus   bool // and somewhere where its truth hinders
	samples []string
	exact   bool // it is one of some texts, and samples are all of them
	key     string
}

// constant says whether a test is true of every event, or of none: it asks for what no event has, or for a time as such.
func constant(t *test) bool {
	if _, err := match.ParsePath(t.field); t.field != "" && err != nil {
		return true
	}
	return t.samples != nil && len(t.samples) == 0 || strings.HasPrefix(t.key, "falco:json.rawtime ")
}

type branch struct {
	op   byte // '&', '|', 'l' of a leaf, or '!' of one that is negated
	kids []*branch
	leaf int
}

func compile(p *match.Predicate) *formula {
	f := new(formula)
	ids := map[string]int{}
	f.root = f.add(p.Parts(), false, ids)
	return f
}

func (f *formula) add(p *match.Part, negated bool, ids map[string]int) *branch {
	list := func(op byte, parts []*match.Part) *branch {
		b := &branch{op: op}
		for _, p := range parts {
			b.kids = append(b.kids, f.add(p, negated, ids))
		}
		return b
	}
	switch {
	case p.Leaf != nil:
		key := p.Leaf.String()
		id, known := ids[key]
		if !known {
			id = len(f.leaves)
			ids[key] = id
			field := p.Leaf.Field()
			t := test{Leaf: *p.Leaf, field: field, about: aboutField(field), samples: p.Leaf.Samples(), key: key}
			t.exact = p.Leaf.Exact() != nil
			if constant(&t) {
				t.about = aboutConstant
			}
			f.leaves = append(f.leaves, t)
		}
		if negated {
			f.leaves[id].minus = true
		} else {
			f.leaves[id].plus = true
		}
		leaf := &branch{op: 'l', leaf: id}
		if negated {
			return &branch{op: '!', kids: []*branch{leaf}}
		}
		return leaf
	case p.Not != nil:
		return f.add(p.Not, !negated, ids)
	case p.Or != nil:
		return list(either[negated], p.Or)
	}
	return list(both[negated], p.And)
}

// either and both are the operators of alternatives and of conjunctions, and what becomes of them behind a negation.
var either, both = map[bool]byte{false: '|', true: '&'}, map[bool]byte{false: '&', true: '|'}

// fold decides as far as the truths of the tests go.
func (b *branch) fold(truths []match.Truth) match.Truth {
	switch b.op {
	case 'l':
		return truths[b.leaf]
	case '!':
		return -b.kids[0].fold(truths)
	case '|':
		some := match.No
		for _, k := range b.kids {
			if some = max(some, k.fold(truths)); some == match.Yes {
				break
			}
		}
		return some
	}
	all := match.Yes
	for _, k := range b.kids {
		if all = min(all, k.fold(truths)); all == match.No {
			break
		}
	}
	return all
}

// worst decides with the unseen tests as bad as they could be: false where their truth helps, true where it hinders.
func (b *branch) worst(truths []match.Truth, unseen []bool, negated bool) match.Truth {
	switch b.op {
	case 'l':
		if unseen[b.leaf] {
			if negated {
				return match.Yes
			}
			return match.No
		}
		return truths[b.leaf]
	case '!':
		return -b.kids[0].worst(truths, unseen, !negated)
	case '|':
		some := match.No
		for _, k := range b.kids {
			some = max(some, k.worst(truths, unseen, negated))
		}
		return some
	}
	all := match.Yes
	for _, k := range b.kids {
		all = min(all, k.worst(truths, unseen, negated))
	}
	return all
}

// maxAlternatives bounds into how many a condition is taken apart.
const maxAlternatives = 16

// alternatives are the ways in which a condition can be true that need different parts of an event: with no more than one, the
// condition itself. Where a disjunction is among tests of one kind, it stays whole.
func (f *formula) alternatives() []*branch {
	all := f.split(f.root)
	if len(all) > maxAlternatives {
		return []*branch{f.root}
	}
	return all
}

func (f *formula) split(b *branch) []*branch {
	switch b.op {
	case '|':
		var all []*branch
		kinds := map[parts]bool{}
		for _, k := range b.kids {
			kinds[f.parts(k)] = true
			all = append(all, f.split(k)...)
		}
		if len(kinds) < 2 && len(all) == len(b.kids) { // all look at the same parts
			return []*branch{b}
		}
		return all
	case '&':
		all := []*branch{{op: '&'}}
		for _, k := range b.kids {
			var more []*branch
			for _, part := range f.split(k) {
				for _, a := range all {
					more = append(more, &branch{op: '&', kids: append(slices.Clone(a.kids), part)})
				}
			}
			if all = more; len(all) > maxAlternatives {
				return []*branch{b}
			}
		}
		return all
	}
	return []*branch{b}
}

// parts are those of an event that not every event of a request has, and that a condition looks at.
type parts uint8

const (
	requestPart parts = 1 << iota
	responsePart
	stagePart
	levelPart
	outcomePart // what is not known when the request has only been received
	urlPart
)

func (f *formula) parts(b *branch) (all parts) {
	if b.op == 'l' {
		switch t := &f.leaves[b.leaf]; t.about {
		case aboutRequest:
			return requestPart
		case aboutResponse:
			return responsePart
		case aboutStage:
			return stagePart
		case aboutLevel:
			return levelPart
		case aboutName:
			return urlPart
		case aboutFree:
			if late(t.field) {
				return outcomePart
			}
		}
		return 0
	}
	for _, k := range b.kids {
		all |= f.parts(k)
	}
	return all
}

// late says whether a field is not known yet when a request has only been received.
func late(field string) bool {
	top, _, _ := strings.Cut(field, ".")
	return top == "impersonatedUser" || top == "authenticationMetadata" || top == "responseStatus" || field == "actor" ||
		strings.HasPrefix(field, "annotations.authorization.k8s.io/")
}
