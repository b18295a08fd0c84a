package ruletest

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"annals.dev/audit"
	"annals.dev/policy"
	"annals.dev/policy/lint"
)

// start is the time of a case's first event.
var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

const (
	maxRepeat = 10_000
	// between a request's stages
	stageGap = 10 * time.Millisecond
)

// members are those of an event, and of the objects in it that are not free.
var members = map[string][]string{
	"": {"kind", "apiVersion", "level", "auditID", "stage", "requestURI", "verb", "user", "impersonatedUser", "authenticationMetadata",
		"sourceIPs", "userAgent", "objectRef", "responseStatus", "requestObject", "responseObject", "requestReceivedTimestamp",
		"stageTimestamp", "annotations"},
	"user":             {"username", "uid", "groups", "extra"},
	"impersonatedUser": {"username", "uid", "groups", "extra"},
	"objectRef":        {"resource", "namespace", "name", "uid", "apiGroup", "apiVersion", "resourceVersion", "subresource"},
	"responseStatus":   {"metadata", "status", "message", "reason", "details", "code"},
}

// own are members of an event of a case that are not the event's: what they say of it.
var own = []string{"at", "cluster", "stages", "repeat", "every", "marks"}

// filler makes events of what a case says of them, one after the other.
type filler struct {
	cluster string
	next    time.Time
	count   int
	ids     map[string]time.Time // when the request with that audit ID came
}

// fill gives the events that m stands for: one, or more where it has stages or repeat. What is null stays absent.
func (f *filler) fill(m map[string]any) ([]Event, error) {
	cluster := f.cluster
	if v, ok := m["cluster"].(string); ok {
		cluster = v
	}
	repeat, every := 1, time.Second
	var err error
	if v, ok := m["repeat"]; ok {
		if repeat, ok = v.(int); !ok || repeat < 1 || repeat > maxRepeat {
			return nil, fmt.Errorf("repeat: %v: give a number from 1 to %d", v, maxRepeat)
		}
	}
	if v, ok := m["every"]; ok {
		if every, err = span("every", v); err != nil {
			return nil, err
		}
	}
	if v, ok := m["at"]; ok {
		at, err := span("at", v)
		if err != nil {
			return nil, err
		}
		f.next = start.Add(at)
	}
	stages := []string{""}
	if v, ok := m["stages"]; ok {
		if stages, err = texts("stages", v); err != nil {
			return nil, err
		}
		if m["stage"] != nil {
			return nil, fmt.Errorf("an event has stage or stages, not both")
		}
	}
	for key := range m {
		if !slices.Contains(members[""], key) && !slices.Contains(own, key) {
			return nil, fmt.Errorf("an audit event has no member %q%s", key, hint(key, slices.Concat(members[""], own)))
		}
	}
	marks, err := marksOf(m["marks"])
	if err != nil {
		return nil, err
	}
	var made []Event
	for n := range repeat {
		f.count++
		at := f.next
		for i, stage := range stages {
			e := numbered(m, n+1).(map[string]any)
			for _, key := range own {
				delete(e, key)
			}
			if stage != "" {
				e["stage"] = stage
			}
			if err := f.event(e, at.Add(time.Duration(i)*stageGap)); err != nil {
				return nil, err
			}
			b, err := json.Marshal(e)
			if err != nil {
				return nil, err
			}
			var v audit.View
			if err := v.Parse(b); err != nil {
				return nil, err
			}
			made = append(made, Event{Cluster: cluster, JSON: b, Marks: marks})
		}
		f.next = at.Add(every)
	}
	return made, nil
}

// event fills in what an event lacks.
func (f *filler) event(e map[string]any, at time.Time) error {
	for key, name := range map[string]string{"user": "username", "impersonatedUser": "username", "responseStatus": "code"} {
		switch v := e[key].(type) {
		case string, int:
			e[key] = map[string]any{name: v}
		}
	}
	if v, ok := e["sourceIPs"].(string); ok {
		e["sourceIPs"] = []any{v}
	}
	for parent, names := range members {
		o, ok := e[parent].(map[string]any)
		if parent == "" || !ok {
			if e[parent] != nil && parent != "" {
				return fmt.Errorf("%s: %v is no mapping", parent, e[parent])
			}
			continue
		}
		for key := range o {
			if !slices.Contains(names, key) {
				return fmt.Errorf("%s has no member %q%s", parent, key, hint(key, names))
			}
		}
	}
	put := func(m map[string]any, key string, value any) {
		if _, said := m[key]; !said {
			m[key] = value
		}
	}
	put(e, "kind", "Event")
	put(e, "apiVersion", "audit.k8s.io/v1")
	level := audit.LevelMetadata
	if e["requestObject"] != nil {
		level = audit.LevelRequest
	}
	if e["responseObject"] != nil {
		level = audit.LevelRequestResponse
	}
	put(e, "level", string(level))
	put(e, "stage", string(audit.StageResponseComplete))
	put(e, "auditID", newID(f.count))
	put(e, "user", map[string]any{})
	if user, ok := e["user"].(map[string]any); ok {
		put(user, "username", "jane")
		name, _ := user["username"].(string)
		put(user, "groups", policy.ImpliedGroups(name))
	}
	put(e, "sourceIPs", []any{"10.0.0.7"})
	put(e, "userAgent", "kubectl/v1.36.0")
	ref, _ := e["objectRef"].(map[string]any)
	if ref != nil {
		if resource, ok := ref["resource"].(string); ok {
			put(ref, "apiGroup", groupOf(resource))
		}
		put(ref, "apiVersion", "v1")
		if ref["apiGroup"] == "" {
			delete(ref, "apiGroup")
		}
	}
	verb := "get"
	if ref == nil && e["requestURI"] == nil {
		return fmt.Errorf("the event says neither objectRef nor requestURI: what is it about?")
	}
	put(e, "verb", verb)
	verb, _ = e["verb"].(string)
	put(e, "requestURI", uri(verb, ref))
	f.outcome(e, verb, ref)
	id, _ := e["auditID"].(string)
	received, known := f.ids[id]
	if !known {
		received = at
		f.ids[id] = received
	}
	put(e, "requestReceivedTimestamp", stamp(received))
	put(e, "stageTimestamp", stamp(at))
	for key, v := range e {
		if v == nil {
			delete(e, key)
		} else if o, ok := v.(map[string]any); ok && members[key] != nil {
			maps.DeleteFunc(o, func(_ string, v any) bool { return v == nil })
		}
	}
	return nil
}

// outcome says how the request went, where the event does not: well.
func (f *filler) outcome(e map[string]any, verb string, ref map[string]any) {
	if e["stage"] == string(audit.StageRequestReceived) {
		delete(e, "responseStatus")
		delete(e, "responseObject")
		return
	}
	if _, said := e["responseStatus"]; !said {
		code := 200
		sub, _ := ref["subresource"].(string)
		switch {
		case sub == "exec" || sub == "attach" || sub == "portforward":
			code = 101
		case verb == "create":
			code = 201
		}
		e["responseStatus"] = map[string]any{"code": code}
	}
	status, _ := e["responseStatus"].(map[string]any)
	code := fmt.Sprint(status["code"])
	if _, said := e["annotations"]; !said && code != "401" {
		decision := "allow"
		if code == "403" {
			decision = "forbid"
		}
		e["annotations"] = map[string]any{"authorization.k8s.io/decision": decision, "authorization.k8s.io/reason": ""}
	}
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000Z") }

// newID is the audit ID of a case's nth request: always the same.
func newID(n int) string {
	sum := sha256.Sum256([]byte("annals rule test " + strconv.Itoa(n)))
	id, _ := uuid.FromBytes(sum[:16])
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
	return id.String()
}

// groupOf is the API group of a built-in resource: of those that are in several groups the one that is in use.
func groupOf(resource string) string {
	for _, r := range lint.Resources() {
		if r.Name == resource && r.Group != "extensions" {
			return r.Group
		}
	}
	return ""
}

// uri is what the client asked for.
func uri(verb string, ref map[string]any) string {
	at := func(key string) string { s, _ := ref[key].(string); return s }
	path := "/api/" + at("apiVersion")
	if group := at("apiGroup"); group != "" {
		path = "/apis/" + group + "/" + at("apiVersion")
	}
	if ns := at("namespace"); ns != "" && at("resource") != "namespaces" {
		path += "/namespaces/" + url.PathEscape(ns)
	}
	path += "/" + at("resource")
	named := at("name") != "" && (verb != "create" || at("subresource") != "")
	if named {
		path += "/" + url.PathEscape(at("name"))
	}
	if sub := at("subresource"); sub != "" {
		path += "/" + sub
	}
	if verb == "watch" {
		path += "?watch=true"
	}
	return path
}

// numbered is v with {n} in its texts replaced, and times as texts.
func numbered(v any, n int) any {
	switch v := v.(type) {
	case map[string]any:
		m := make(map[string]any, len(v))
		for key, value := range v {
			m[key] = numbered(value, n)
		}
		return m
	case []any:
		list := make([]any, len(v))
		for i, value := range v {
			list[i] = numbered(value, n)
		}
		return list
	case string:
		return strings.ReplaceAll(v, "{n}", strconv.Itoa(n))
	case time.Time:
		return stamp(v)
	}
	return v
}

func span(name string, v any) (time.Duration, error) {
	d, err := time.ParseDuration(fmt.Sprint(v))
	if err != nil {
		return 0, fmt.Errorf("%s: %v is no duration; write it like 30s or 2m", name, v)
	}
	return d, nil
}

func texts(name string, v any) (list []string, err error) {
	all, _ := v.([]any)
	for _, item := range all {
		text, ok := item.(string)
		if !ok {
			return nil, fmt.Errorf("%s is a list of texts, and %v is none", name, item)
		}
		list = append(list, text)
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%s is a list of texts", name)
	}
	return list, nil
}
