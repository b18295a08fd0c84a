package object

import (
	"encoding/json"
	"fmt"
	"testing"
)

// FuzzBodies: whatever stands in bodies, nothing panics, and what is printed of a version can be read.
func FuzzBodies(f *testing.F) {
	whole := deployment("10", 1, 1, "w:1", "")
	for _, s := range [][2]string{
		{"{}", whole}, {`[{"op":"add","path":"/spec/replicas","value":2}]`, ""}, {`[{"op":"copy","from":"","path":"/a"}]`, ""}, {`[{"op":"move","from":"/spec","path":"/spec/a"}]`, ""},
		{`[{"op":"add","path":"","value":[]}]`, ""}, {`[{}]`, ""}, {`{"spec":null}`, ""}, {`{"metadata":5}`, ""}, {`{"spec":{"template":{"spec":{"containers":[{"$patch":"replace"},{"name":"x"}]}}}}`, ""},
		{`{"spec":{"template":{"spec":{"$setElementOrder/containers":5,"containers":7}}}}`, ""}, {`{"metadata":{"$deleteFromPrimitiveList/finalizers":["f"]}}`, ""}, {`{"$patch":"delete"}`, ""},
		{`{"$retainKeys":["a"],"spec":[]}`, ""}, {"null", "null"}, {"5", `"x"`}, {`{"items":[1,{"metadata":{"name":"web","namespace":"shop"}}]}`, `{"items":[1,{"metadata":{"name":"web","namespace":"shop"}}]}`},
		{`{"kind":"Deployment","apiVersion":"apps/v1","metadata":{"name":"web","annotations":[],"labels":{}},"spec":{"replicas":"x"}}`, `{"kind":"X","metadata":{"name":"web","uid":"u1","finalizers":5,"annotations":{"kubectl.kubernetes.io/last-applied-configuration":7}}}`},
	} {
		f.Add(s[0], s[1], uint8(0))
		f.Add(s[0], s[1], uint8(0xff))
	}
	verbs := []string{"patch", "update", "create", "delete", "deletecollection", "get", "list", "patch"}
	subs := []string{"", "status", "scale", "binding", "eviction", "ephemeralcontainers", "finalize", "other"}
	f.Fuzz(func(t *testing.T, request, response string, how uint8) {
		if len(request)+len(response) > 10<<10 || !json.Valid([]byte(request)) || response != "" && !json.Valid([]byte(response)) {
			return
		}
		o := occurrence{verb: verbs[how&7], sub: subs[how>>3&7], request: request, response: response}
		if how>>6 == 3 {
			o.uri = "fieldManager=x&force=true&labelSelector=" + fmt.Sprint(len(request))
		}
		for _, before := range []occurrence{{verb: "create", code: 201, request: "{}", response: whole}, {verb: "patch"}} {
			for _, q := range []Question{{}, {Status: true, ManagedFields: true}} {
				again := occurrence{verb: "update", request: "{}", response: whole}
				l := follows(web, q, acts(web, before, o, occurrence{verb: "patch"}, o, again))
				for i, v := range l.versions {
					yamlOf(t, v.object())
					if i > 0 {
						lines(l.versions[i-1], v)
					}
				}
			}
		}
	})
}
