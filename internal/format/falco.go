package format

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"time"

	"annals.dev/audit"
)

// falcoPriorities are Falco's, and what our own findings would call them.
var falcoPriorities = map[string]string{
	"emergency": "critical", "alert": "critical", "critical": "critical", "error": "high", "warning": "medium", "notice": "low",
	"informational": "informational", "info": "informational", "debug": "informational",
}

// isFalcoText knows a line of Falco's text output: 22:57:09.163982780: Notice A shell was spawned …, or with a date before it.
func isFalcoText(b []byte) bool {
	_, _, _, ok := falcoLine(b)
	return ok
}

// falcoLine splits it. A line that tells the time of day alone has no time.
func falcoLine(b []byte) (at int64, priority, output string, ok bool) {
	stamp, rest, found := bytes.Cut(b[:min(len(b), 128)], []byte(": "))
	if !found || len(stamp) < len("22:57:09") {
		return 0, "", "", false
	}
	if at = falcoTime(stamp); at == 0 && !isTimeOfDay(stamp) {
		return 0, "", "", false
	}
	word, _, found := bytes.Cut(rest, []byte(" "))
	if priority = string(word); !found || falcoPriorities[strings.ToLower(priority)] == "" {
		return 0, "", "", false
	}
	return at, priority, string(b[len(stamp)+len(": ")+len(word)+1:]), true
}

func isTimeOfDay(t []byte) bool {
	clock, fraction, _ := bytes.Cut(t, []byte("."))
	if len(clock) != len("22:57:09") || len(fraction) > 9 {
		return false
	}
	for i, want := range []byte("00:00:00") {
		if c := clock[i]; want == '0' && c-'0' > 9 || want != '0' && c != want {
			return false
		}
	}
	return len(bytes.Trim(fraction, "0123456789")) == 0
}

// falcoTime reads RFC 3339, and ISO 8601 as Falco writes it: with +0000 for the zone.
func falcoTime(t []byte) int64 {
	if n := len(t) - 5; n > 10 && (t[n] == '+' || t[n] == '-') && t[4] == '-' {
		t = append(append(bytes.Clone(t[:n+3]), ':'), t[n+3:]...)
	}
	if len(t) < len("2006-01-02T15:04:05") {
		return 0
	}
	return timeText(t)
}

// falcoText takes a line of Falco's text output.
func (r *Reader) falcoText(b []byte, c *context) bool {
	if !r.take(FalcoAlert, b, c) {
		return false
	}
	if e := &r.events[len(r.events)-1]; e.View.Time == 0 {
		e.Note = c.where() + ": the alert tells the time of day alone"
		if c.time != 0 {
			e.Note += "; its carrier says " + formatMicros(c.time)
		}
	}
	return true
}

// isFalco says whether an object is one of Falco's alerts.
func (d *document) isFalco() bool {
	return d.has["rule"] && d.has["priority"] && d.has["time"] && (d.has["output_fields"] || d.has["output"])
}

// fromFalco reads an alert of Falco, JSON or text. Nobody asked the API server for anything, so the event has no user: whom the
// alert is about stands among the annotations. Its audit ID is made of its bytes, since alerts have none.
func fromFalco(b []byte, e *audit.Event) error {
	sum := sha256.Sum256(b)
	e.AuditID = fmt.Sprintf("%x-%x-%x-%x-%x", sum[:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
	e.Level, e.Stage, e.Verb = audit.LevelRequest, audit.StageResponseComplete, "alert"
	e.ObjectRef = &audit.ObjectReference{Resource: "falcoalerts", APIGroup: "falco.org", APIVersion: "v1"}
	e.Annotations = map[string]string{}
	var at int64
	if len(b) > 0 && b[0] == '{' {
		var v audit.View
		if err := v.Parse(b); err != nil {
			return err
		}
		at = fromFalcoJSON(b, e)
	} else {
		var priority, output string
		var ok bool
		if at, priority, output, ok = falcoLine(b); !ok {
			return errors.New("neither an object nor a line of Falco's")
		}
		note(e, "priority", priority)
		e.RequestObject = falcoBody(priority, output)
		falcoWords(output, e)
	}
	severity := falcoPriorities[strings.ToLower(e.Annotations[falcoDomain+"priority"])]
	if severity == "" {
		return fmt.Errorf("an alert of Falco without a priority that is one: %.40q", e.Annotations[falcoDomain+"priority"])
	}
	e.Annotations["annals.dev/severity"] = severity
	e.ObjectRef.Name, e.ObjectRef.Namespace = e.Annotations[falcoDomain+"rule"], e.Annotations[falcoDomain+"namespace"]
	if at != 0 {
		e.StageTimestamp = audit.MicroTime{Time: time.UnixMicro(at).UTC()}
		e.RequestReceivedTimestamp = e.StageTimestamp
	}
	return nil
}

const falcoDomain = "falco.org/"

// note adds what an alert says, if it says something.
func note(e *audit.Event, key, value string) {
	if value != "" && value != "<NA>" {
		e.Annotations[falcoDomain+key] = value
	}
}

func falcoBody(priority, output string) audit.Span {
	b := appendString([]byte(`{"priority":`), []byte(priority))
	return append(appendString(append(b, `,"output":`...), []byte(output)), '}')
}

// fromFalcoJSON gives the alert's time.
func fromFalcoJSON(b []byte, e *audit.Event) (at int64) {
	e.RequestObject = b
	walk(b, func(key string, value audit.Span) bool {
		switch key {
		case "rule", "priority", "source", "hostname":
			note(e, key, content(value).String())
		case "time":
			if t := content(value); t != nil {
				at = falcoTime(t)
			}
		case "output_fields":
			falcoFields(value, e)
		}
		return true
	})
	return at
}

// falcoFields reads what Falco knew of where it was: the pod of a process, or that of a request to the API server.
func falcoFields(fields audit.Span, e *audit.Event) {
	said := map[string]string{}
	walk(fields, func(key string, value audit.Span) bool {
		if t := content(value); t != nil {
			said[key] = t.String()
		}
		return true
	})
	pod := said["k8s.pod.name"]
	if sub := said["ka.target.subresource"]; pod == "" && (said["ka.target.resource"] == "pods" || sub == "exec" || sub == "attach" || sub == "portforward") {
		pod = said["ka.target.name"]
	}
	note(e, "pod", pod)
	for key, names := range map[string][2]string{
		"namespace": {"ka.target.namespace", "k8s.ns.name"}, "user": {"user.name", "ka.user.name"}, "auditID": {"ka.auditid"},
		"container": {"container.id", "container.name"},
	} {
		for _, name := range names {
			note(e, key, said[name])
		}
	}
}

// falcoWords reads key=value in a text. The last of a key counts: Falco adds its own behind what a process may have chosen.
func falcoWords(output string, e *audit.Event) {
	for word := range strings.FieldsSeq(output) {
		key, value, ok := strings.Cut(strings.TrimLeft(word, "("), "=")
		if !ok {
			continue
		}
		value = strings.TrimRight(value, "),")
		switch strings.ReplaceAll(key, "_", ".") {
		case "k8s.pod", "k8s.pod.name", "pod":
			note(e, "pod", value)
		case "k8s.ns", "k8s.ns.name", "ns":
			note(e, "namespace", value)
		case "user", "user.name":
			note(e, "user", value)
		case "container.name":
			note(e, "container", value)
		}
	}
}
