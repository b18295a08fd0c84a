package session

import (
	"cmp"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"annals.dev/audit"
	"annals.dev/internal/ledger"
	"annals.dev/internal/query"
)

// States of a session.
const (
	Denied  = "denied"  // refused: 401, 403 or another 4xx
	Failed  = "failed"  // 5xx, or the API server panicked
	Open    = "open"    // it began, and no end of it is recorded
	Ended   = "ended"   // it began and ended; 101 and 200 both say that it was let in
	Unknown = "unknown" // an attempt: what came of it is not recorded
)

// joined is the events of one request.
type joined struct{ rows []*query.Row }

func (j *joined) add(r *query.Row) { j.rows = append(j.rows, r) }

// kindOf is what sort of session an event is of.
func kindOf(r *query.Row) string {
	switch r.Subresource {
	case "exec", "attach", "portforward", "proxy":
		return r.Subresource
	case "ephemeralcontainers":
		return "ephemeralcontainer"
	}
	return "debug"
}

// rank orders stages; what an unknown one says counts least.
func rank(stage string) int {
	return slices.Index([]string{"RequestReceived", "ResponseStarted", "ResponseComplete", "Panic"}, stage)
}

func (j *joined) session() Session {
	slices.SortStableFunc(j.rows, func(a, b *query.Row) int {
		return cmp.Or(cmp.Compare(rank(a.Stage), rank(b.Stage)), cmp.Compare(a.Time, b.Time), cmp.Compare(a.Position, b.Position))
	})
	last := j.rows[len(j.rows)-1]
	s := Session{
		Kind: kindOf(last), Cluster: last.Cluster, AuditID: last.AuditID, User: last.User, Namespace: last.Namespace,
		Target: last.Resource + "/" + last.Name, Agent: last.UserAgent, Positions: []uint64{},
	}
	if ips := last.IPs(); len(ips) > 0 {
		s.From = ips[len(ips)-1]
	}
	for _, r := range j.rows {
		s.Positions = append(s.Positions, r.Position)
		s.As, s.Reason, s.Code = cmp.Or(r.As, s.As), cmp.Or(r.Reason, s.Reason), cmp.Or(r.Code, s.Code)
	}
	slices.Sort(s.Positions)
	s.State = stateOf(last.Stage, s.Code)
	s.times(j.rows)
	s.decode(last)
	for _, r := range j.rows {
		s.body(r)
	}
	s.Sentence = s.sentence()
	return s
}

func stateOf(stage string, code int64) string {
	switch {
	case stage == "Panic" || code >= 500:
		return Failed
	case code >= 400:
		return Denied
	case stage == "ResponseStarted":
		return Open
	case stage == "ResponseComplete" && code != 0:
		return Ended
	}
	return Unknown
}

func (s *Session) times(rows []*query.Row) {
	first, last := rows[0], rows[len(rows)-1]
	start := first.Time
	if first.Latency != ledger.NullInt {
		start = first.Time - first.Latency
	}
	s.Start = time.UnixMicro(start).UTC()
	if rank(last.Stage) >= rank("ResponseComplete") {
		s.End = time.UnixMicro(last.Time).UTC()
		s.Seconds = max(0, s.End.Sub(s.Start).Seconds())
	}
}

// decode reads what the request's path and parameters say.
func (s *Session) decode(r *query.Row) {
	path, parameters := parse(r.RequestURI)
	switch s.Kind {
	case "exec", "attach", "portforward":
		s.Container = parameters.first("container")
		s.Stdin, s.TTY = truth(parameters.first("stdin")), truth(parameters.first("tty"))
		s.Command = parameters.all("command")
		for _, p := range parameters.all("ports") {
			for port := range strings.SplitSeq(p, ",") {
				s.port(port)
			}
		}
		if s.Kind == "exec" && copies(s.Command) {
			s.Kind = "cp"
		}
	case "proxy":
		// The name may hold a scheme and a port: https:web:8443.
		name := strings.Split(r.Name, ":")
		switch len(name) {
		case 3:
			s.Target = r.Resource + "/" + name[1]
			s.port(name[2])
		case 2:
			s.Target = r.Resource + "/" + name[0]
			s.port(name[1])
		}
		if _, rest, ok := strings.Cut(path, "/"+r.Name+"/proxy"); ok {
			s.Path = rest
		}
	case "debug":
		if node, ok := strings.CutPrefix(r.Name, "node-debugger-"); ok {
			if i := strings.LastIndexByte(node, '-'); i > 0 {
				s.Target = "nodes/" + node[:i]
			}
		}
	}
}

func (s *Session) port(text string) {
	if n, err := strconv.ParseUint(text, 10, 16); err == nil {
		s.Ports = append(s.Ports, int(n))
	}
}

// copies says whether a command is that of kubectl cp.
func copies(command []string) bool {
	if len(command) == 3 && command[0] == "sh" && command[1] == "-c" {
		return strings.HasPrefix(command[2], "tar cf - ") && strings.Contains(command[2], "| tail -c+")
	}
	if len(command) < 3 || command[0] != "tar" {
		return false
	}
	for i, flag := range command[1 : len(command)-1] {
		switch flag {
		case "cf", "-cf", "xf", "-xf", "xmf", "-xmf":
			return command[i+2] == "-"
		}
	}
	return false
}

// body reads what a request's body says of the container that is to run: of an ephemeral one, or of a pod for debugging.
func (s *Session) body(r *query.Row) {
	if (s.Kind != "ephemeralcontainer" && s.Kind != "debug") || len(r.Bytes) == 0 {
		return
	}
	var view audit.View
	if view.Parse(r.Event(query.Whole).Event) != nil || len(view.RequestObject) == 0 {
		return
	}
	var c container
	if s.Kind == "ephemeralcontainer" {
		c = ephemeral(view.RequestObject)
	} else {
		var pod struct {
			Spec struct {
				NodeName   string      `json:"nodeName"`
				Containers []container `json:"containers"`
			} `json:"spec"`
		}
		if json.Unmarshal(view.RequestObject, &pod) != nil {
			return
		}
		if pod.Spec.NodeName != "" && strings.HasPrefix(s.Target, "nodes/") {
			s.Target = "nodes/" + pod.Spec.NodeName
		}
		for _, of := range pod.Spec.Containers {
			if c.Name == "" || strings.HasPrefix(of.Name, "debugger") {
				c = of
			}
		}
	}
	if c.Name != "" || c.Image != "" {
		s.Container, s.Image, s.Stdin, s.TTY = c.Name, c.Image, c.Stdin, c.TTY
		s.Command = append(c.Command, c.Args...)
	}
}

type container struct {
	Name    string   `json:"name"`
	Image   string   `json:"image"`
	Command []string `json:"command"`
	Args    []string `json:"args"`
	Stdin   bool     `json:"stdin"`
	TTY     bool     `json:"tty"`
}

// ephemeral is the container that a request adds: the last of those in a whole pod or a merge patch, or the value of a JSON
// patch's last operation that adds one.
func ephemeral(body []byte) (c container) {
	var pod struct {
		Spec struct {
			Containers []container `json:"ephemeralContainers"`
		} `json:"spec"`
	}
	if json.Unmarshal(body, &pod) == nil {
		if n := len(pod.Spec.Containers); n > 0 {
			c = pod.Spec.Containers[n-1]
		}
		return c
	}
	var operations []struct {
		Op, Path string
		Value    json.RawMessage
	}
	if json.Unmarshal(body, &operations) != nil {
		return c
	}
	for _, o := range operations {
		if o.Op != "add" || !strings.HasPrefix(o.Path, "/spec/ephemeralContainers") {
			continue
		}
		var one container
		var list []container
		if json.Unmarshal(o.Value, &one) == nil {
			c = one
		} else if json.Unmarshal(o.Value, &list) == nil && len(list) > 0 {
			c = list[len(list)-1]
		}
	}
	return c
}
