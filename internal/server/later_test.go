package server

import (
	"reflect"

	"annals.dev/internal/query/actor"
	"annals.dev/internal/query/named"
	"annals.dev/internal/query/object"
	sessionpkg "annals.dev/internal/query/session"
)

// later are types of questions whose routes are not there yet.
var later = []reflect.Type{
	reflect.TypeFor[AskQuestion](), reflect.TypeFor[Group](),
	reflect.TypeFor[object.Question](), reflect.TypeFor[object.Life](), reflect.TypeFor[object.Difference](), reflect.TypeFor[object.Blamed](),
	reflect.TypeFor[actor.Question](), reflect.TypeFor[actor.Profile](), reflect.TypeFor[actor.Role](),
	reflect.TypeFor[sessionpkg.Question](), reflect.TypeFor[sessionpkg.Sessions](),
	reflect.TypeFor[named.Question](), reflect.TypeFor[named.Asked](),
}
