package object

import (
	"bytes"
	"encoding/json"
	"net/url"
	"slices"
	"time"

	"annals.dev/internal/query"
)

// act is one request that may have changed the object, as its event tells it.
type act struct {
	event query.Event
	said  struct {
		ObjectRef struct {
			UID             string `json:"uid"`
			APIVersion      string `json:"apiVersion"`
			ResourceVersion string `json:"resourceVersion"`
		} `json:"objectRef"`
		ResponseStatus struct {
			Status  string `json:"status"`
			Reason  string `json:"reason"`
			Details struct {
				UID string `json:"uid"`
			} `json:"details"`
		} `json:"responseStatus"`
		RequestObject  json.RawMessage   `json:"requestObject"`
		ResponseObject json.RawMessage   `json:"responseObject"`
		Received       time.Time         `json:"requestReceivedTimestamp"`
		Annotations    map[string]string `json:"annotations"`
	}
	request, response any // what was sent and answered; nil: not recorded
	params            url.Values
	withoutBodies     bool // whoever asks may not see them
}

// read makes an act of an event. What of it cannot be read is as if it had not been recorded.
func read(r *query.Row, withoutBodies bool) *act {
	return actOf(r.Event(query.Whole), withoutBodies)
}

func actOf(e query.Event, withoutBodies bool) *act {
	a := &act{event: e, withoutBodies: withoutBodies}
	if json.Unmarshal(a.event.Event, &a.said) != nil {
		// A member of another type than the API server writes: what could be read counts.
		a.said.Received = time.Time{}
	}
	a.event.Event = nil
	if u, err := url.Parse(a.event.RequestURI); err == nil {
		a.params = u.Query()
	}
	if !a.marked("salvaged") && !withoutBodies {
		a.request, a.response = decode(a.said.RequestObject), decode(a.said.ResponseObject)
	}
	return a
}

func (a *act) marked(mark string) bool { return slices.Contains(a.event.Marks, mark) }

// decode reads JSON, numbers as they are written; nil if it is none.
func decode(b []byte) any {
	if len(b) == 0 {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil {
		return nil
	}
	return v
}

// dig follows the names of members.
func dig(v any, names ...string) any {
	for _, k := range names {
		m, _ := v.(map[string]any)
		v = m[k]
	}
	return v
}

func digText(v any, names ...string) string {
	s, _ := dig(v, names...).(string)
	return s
}

// otherAnswers are kinds of answers that are not the object that a request was about.
var otherAnswers = []string{"", "Status", "PartialObjectMetadata", "Table", "Scale", "Binding", "Eviction", "DeleteOptions", "TokenRequest"}

// whole is the object that the API server answered with, nil if it did not.
func (a *act) whole(name string) map[string]any {
	m, _ := a.response.(map[string]any)
	if slices.Contains(otherAnswers, digText(m, "kind")) || digText(m, "metadata", "name") != name || digText(m, "metadata", "uid") == "" {
		return nil
	}
	return m
}

// uid is the object's, as far as the event tells.
func (a *act) uid() string {
	for _, s := range []string{digText(a.response, "metadata", "uid"), a.said.ObjectRef.UID, a.said.ResponseStatus.Details.UID, digText(a.response, "details", "uid")} {
		if s != "" {
			return s
		}
	}
	return ""
}

// version is the resource version that the request led to, "" if the event does not tell.
func (a *act) version() string { return digText(a.response, "metadata", "resourceVersion") }

// base is the resource version that the request was made for, "" if it did not say.
func (a *act) base() string {
	if s := a.said.ObjectRef.ResourceVersion; s != "" {
		return s
	}
	return digText(a.request, "metadata", "resourceVersion")
}

// dryRun says that the request was to change nothing.
func (a *act) dryRun() bool { return slices.Contains(a.params["dryRun"], "All") }

// failed says that the request changed nothing.
func (a *act) failed() bool { return a.event.Code >= 400 && !a.timedOut() }

// timedOut says that the API server gave up waiting: the change may have been made.
func (a *act) timedOut() bool {
	reason := a.said.ResponseStatus.Reason
	return a.event.Code == 504 || reason == "Timeout" || a.event.Code == 500 && reason == "ServerTimeout"
}

// whyNoAnswer says why the event does not hold the object that the API server answered with.
func (a *act) whyNoAnswer() string {
	switch {
	case a.withoutBodies:
		return "what requests and responses held is not yours to see (that takes a token with bodies)"
	case a.marked("salvaged"):
		return "the event arrived cut short"
	case a.marked("truncated"):
		return "the API server shortened the event and left out what was sent and answered"
	}
	switch a.event.Level {
	case "Metadata":
		return "recorded at level Metadata, without what was sent and answered"
	case "Request":
		return "recorded at level Request, without the answer"
	}
	if kind := digText(a.response, "kind"); kind != "" {
		return "the answer is a " + kind + ", not the object"
	}
	return "the event does not hold the answer"
}

// mutated says whether admission changed what was sent.
func (a *act) mutated() bool {
	for k, v := range a.said.Annotations {
		if len(k) > len(mutation) && k[:len(mutation)] == mutation && bytes.Contains([]byte(v), []byte(`"mutated":true`)) {
			return true
		}
	}
	return false
}

const mutation = "mutation.webhook.admission.k8s.io/"
