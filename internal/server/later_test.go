package server

import (
	"reflect"

	"annals.dev/internal/query"
	"annals.dev/internal/query/actor"
	"annals.dev/internal/query/named"
	"annals.dev/internal/query/object"
	"annals.dev/internal/query/session"
)

// later are types of questions whose routes are not there yet.
var later = []reflect.Type{
	reflect.TypeFor[HitsQuestion](), reflect.TypeFor[query.Hits](),
	reflect.TypeFor[FacetsQuestion](), reflect.TypeFor[query.Facet](),
	reflect.TypeFor[ValuesQuestion](), reflect.TypeFor[Values](),
	reflect.TypeFor[Field](),
	reflect.TypeFor[EventQuestion](), reflect.TypeFor[EventDetail](),
	reflect.TypeFor[NeighboursQuestion](), reflect.TypeFor[query.Neighbours](),
	reflect.TypeFor[AskQuestion](), reflect.TypeFor[Group](), reflect.TypeFor[Me](), reflect.TypeFor[Overview](),
	reflect.TypeFor[object.Question](), reflect.TypeFor[object.Life](), reflect.TypeFor[object.Difference](), reflect.TypeFor[object.Blamed](),
	reflect.TypeFor[actor.Question](), reflect.TypeFor[actor.Profile](), reflect.TypeFor[actor.Role](),
	reflect.TypeFor[session.Question](), reflect.TypeFor[session.Sessions](),
	reflect.TypeFor[named.Question](), reflect.TypeFor[named.Asked](),
}
