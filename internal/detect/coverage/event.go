package coverage

import (
	"crypto/x509/pkix"
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"annals.dev/audit"
	"annals.dev/internal/format"
	"annals.dev/internal/match"
)

// event is an event in the making.
type event struct {
	request *request
	members map[string]any
	row0    match.Row // what of it is not the event's
	time    time.Time
	subject pkix.Name // of a certificate request
}

// eventTime is that of events that are made, a Thursday at noon.
var eventTime = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// newEvent is the event of a request, as little as there can be of it.
func newEvent(r *request, level audit.Level, stage audit.Stage) *event {
	e := &event{request: r, time: eventTime, row0: match.Row{Cluster: "cluster", Origin: "webhook"}}
	user := map[string]any{}
	if r.user.UserInfo != nil {
		user["username"], user["groups"] = r.user.Username, r.user.Groups
	}
	e.members = map[string]any{
		"kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": level, "auditID": "00000000-0000-4000-8000-000000000001", "stage": stage,
		"requestURI": r.uri(), "verb": r.verb, "user": user, "sourceIPs": []string{"192.0.2.7"}, "userAgent": "client",
	}
	if r.path == "" {
		e.members["objectRef"] = r.reference(r.namespace, r.name)
	}
	if stage != audit.StageRequestReceived {
		code := 200
		switch {
		case stage == audit.StagePanic:
			code = 500
		case r.user.UserInfo == nil:
			code = 401
		case slices.Contains(connects, r.sub) && r.sub != "log":
			code = 101
		case r.verb == "create":
			code = 201
		}
		e.members["responseStatus"] = map[string]any{"metadata": map[string]any{}, "code": code}
	}
	return e
}

// row is the event as predicates see it; nil if it is none.
func (e *event) row() (json.RawMessage, *match.Row) {
	e.members["requestReceivedTimestamp"], e.members["stageTimestamp"] = stamp(e.time), stamp(e.time)
	raw, err := json.Marshal(e.members)
	if err != nil {
		return nil, nil
	}
	v := new(audit.View)
	if v.Parse(raw) != nil {
		return nil, nil
	}
	row := e.row0
	row.View, row.Received = v, v.Time
	return raw, &row
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000Z") }

// set gives a field its values, or none.
func (e *event) set(name string, values []string) {
	top, rest, below := strings.Cut(name, ".")
	if at := strings.IndexByte(top, '['); at >= 0 {
		top, rest, below = name[:at], name[at:], true
	}
	first := ""
	if len(values) > 0 {
		first = values[0]
	}
	switch name {
	case "requestURI", "userAgent", "auditID":
		e.put(e.members, name, values)
	case "sourceIPs", "ip", "peer":
		delete(e.members, "sourceIPs")
		if values != nil {
			e.members["sourceIPs"] = values
		}
	case "responseStatus.code":
		if n, err := strconv.Atoi(first); err == nil {
			e.under("responseStatus")["code"] = n
		} else {
			delete(e.under("responseStatus"), "code")
		}
	case "actor":
		if user, _ := e.members["user"].(map[string]any); values != nil && user["username"] != first {
			e.under("impersonatedUser")["username"] = first
		}
	case "object.name", "objectRef.name":
		e.put(e.under("objectRef"), "name", values)
	case "cluster":
		if values != nil {
			e.row0.Cluster = first
		}
	case "origin":
		if values != nil {
			e.row0.Origin = first
		}
	case "position":
		e.row0.Position, _ = strconv.ParseUint(first, 10, 64)
	case "mark":
		for _, m := range values {
			e.row0.Marks |= markOf(m)
		}
	case "time", "stageTimestamp", "requestReceivedTimestamp":
		if t, err := time.Parse(time.RFC3339Nano, first); err == nil {
			e.time = t
		}
	case "hour":
		if n, err := strconv.Atoi(first); err == nil {
			e.time = e.time.Add(time.Duration(n-e.time.Hour()) * time.Hour)
		}
	case "weekday":
		for range 7 {
			if strings.EqualFold(e.time.Weekday().String(), first) {
				break
			}
			e.time = e.time.AddDate(0, 0, 1)
		}
	case "exec.command", "exec.container":
		for _, v := range values {
			uri, _ := e.members["requestURI"].(string)
			sign := "?"
			if strings.Contains(uri, "?") {
				sign = "&"
			}
			e.members["requestURI"] = uri + sign + rest + "=" + url.QueryEscape(v)
		}
	default:
		switch top {
		case "annotations":
			e.put(e.under(top), strings.Join(split(rest), "."), values)
		case "user", "impersonatedUser":
			e.setUser(e.under(top), rest, values)
		case "requestObject", "responseObject":
			e.setBody(top, rest, below, values)
		case "pod", "role", "binding", "csr":
			e.derive(top, rest, values)
		case "responseStatus", "authenticationMetadata":
			if below && values != nil {
				e.path(e.under(top), strings.Split(rest, "."), nil, first)
			}
		}
	}
}

func markOf(name string) format.Marks {
	return map[string]format.Marks{
		"salvaged": format.Salvaged, "quarantined": format.Quarantined, "truncated": format.Truncated,
		"conflict": format.Conflict, "redacted": format.Redacted, "duplicate-member": format.DuplicateMember,
	}[name]
}

func (e *event) put(in map[string]any, key string, values []string) {
	delete(in, key)
	if len(values) > 0 {
		in[key] = values[0]
	}
}

// under is the object that a member of the event is.
func (e *event) under(name string) map[string]any {
	m, ok := e.members[name].(map[string]any)
	if !ok {
		m = map[string]any{}
		e.members[name] = m
	}
	return m
}

func (e *event) setUser(user map[string]any, rest string, values []string) {
	switch key, of, _ := strings.Cut(rest, "."); {
	case values == nil:
	case key == "extra" && of != "":
		extra, ok := user["extra"].(map[string]any)
		if !ok {
			extra = map[string]any{}
			user["extra"] = extra
		}
		extra[strings.Join(split(of), ".")] = values
	case key == "groups":
		user[key] = values
	default:
		e.put(user, key, values)
	}
}

// body is what is known of the body's type.
func (e *event) body(top string) *Body {
	if e.request.path != "" || top == "requestObject" && e.request.verb == "delete" {
		return nil
	}
	return BodyOf(e.request.group, e.request.resource, e.request.sub)
}

func (e *event) setBody(top, rest string, below bool, values []string) {
	if values == nil {
		return
	}
	if !below {
		e.members[top] = bodyWith(values[0])
		return
	}
	path := split(rest)
	lists := make([]bool, len(path))
	var shape Shape
	if b := e.body(top); b != nil {
		shape, _ = b.At(path)
		lists = b.Lists(path)
	}
	for i, v := range values {
		var value any = v
		n, err := strconv.ParseFloat(v, 64)
		switch {
		case shape == Bool:
			value = v == "true"
		case shape == Object:
			value = map[string]any{v: v}
		case (shape == Number || shape == Nowhere || shape == Anything) && err == nil:
			value = n
		}
		e.nth(e.under(top), path, lists, value, i)
	}
}

// bodyWith is a body in whose JSON a text stands, if there is one of those that come to mind.
func bodyWith(text string) json.RawMessage {
	quoted, _ := json.Marshal(text)
	for _, body := range []string{"{" + text + "}", "{" + text + `"}`, "{" + text + `:"x"}`, "[" + text + "]", `{"x":` + text + "}"} {
		if json.Valid([]byte(body)) {
			return json.RawMessage(body)
		}
	}
	return json.RawMessage(`{"x":` + string(quoted) + "}")
}

// split is a path as match writes it: names with dots between them, or in brackets and quotes.
func split(path string) (names []string) {
	for path != "" {
		if inside, ok := strings.CutPrefix(path, `["`); ok {
			end := strings.Index(inside, `"]`)
			if end < 0 {
				return append(names, inside)
			}
			names, path = append(names, strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(inside[:end])), strings.TrimPrefix(inside[end+2:], ".")
			continue
		}
		end := strings.IndexAny(path, ".[")
		if end < 0 {
			return append(names, path)
		}
		names, path = append(names, path[:end]), strings.TrimPrefix(path[end:], ".")
	}
	return names
}

// path puts a value where a path leads to, in the first element of each list.
func (e *event) path(in map[string]any, path []string, lists []bool, value any) {
	if lists == nil {
		lists = make([]bool, len(path))
	}
	e.nth(in, path, lists, value, 0)
}

// nth puts a value where a path leads to. If the path leads through lists, the nth value goes into the nth element of the
// innermost one.
func (e *event) nth(in map[string]any, path []string, lists []bool, value any, n int) {
	innermost := -1
	for i, is := range lists {
		if is {
			innermost = i
		}
	}
	for i, name := range path {
		at := 0
		if i == innermost {
			at = n
		}
		last := i == len(path)-1
		if !lists[i] {
			if last {
				in[name] = value
				return
			}
			next, ok := in[name].(map[string]any)
			if !ok {
				next = map[string]any{}
				in[name] = next
			}
			in = next
			continue
		}
		list, _ := in[name].([]any)
		for len(list) <= at {
			if last {
				list = append(list, value)
			} else {
				list = append(list, map[string]any{})
			}
		}
		in[name] = list
		if last {
			list[at] = value
			return
		}
		next, ok := list[at].(map[string]any)
		if !ok {
			return
		}
		in = next
	}
}
