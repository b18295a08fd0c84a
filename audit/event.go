package audit

import (
	"bytes"
	"fmt"
	"time"
)

// Event is one request at one stage: an audit.k8s.io/v1 Event. It has no kind and apiVersion; AppendJSON writes them.
// The fields stand in the order in which kube-apiserver writes them.
type Event struct {
	Level                    Level                   `json:"level"`
	AuditID                  string                  `json:"auditID"`
	Stage                    Stage                   `json:"stage"`
	RequestURI               string                  `json:"requestURI"`
	Verb                     string                  `json:"verb"`
	User                     UserInfo                `json:"user"`
	ImpersonatedUser         *UserInfo               `json:"impersonatedUser,omitempty"`
	AuthenticationMetadata   *AuthenticationMetadata `json:"authenticationMetadata,omitempty"`
	SourceIPs                []string                `json:"sourceIPs,omitempty"`
	UserAgent                string                  `json:"userAgent,omitempty"`
	ObjectRef                *ObjectReference        `json:"objectRef,omitempty"`
	ResponseStatus           *Status                 `json:"responseStatus,omitempty"`
	RequestObject            Span                    `json:"requestObject,omitempty"`
	ResponseObject           Span                    `json:"responseObject,omitempty"`
	RequestReceivedTimestamp MicroTime               `json:"requestReceivedTimestamp"`
	StageTimestamp           MicroTime               `json:"stageTimestamp"`
	Annotations              map[string]string       `json:"annotations,omitempty"`
}

// UserInfo is who made the request, or as whom.
type UserInfo struct {
	Username string              `json:"username,omitempty"`
	UID      string              `json:"uid,omitempty"`
	Groups   []string            `json:"groups,omitempty"`
	Extra    map[string][]string `json:"extra,omitempty"`
}

// AuthenticationMetadata is by what right an impersonation was allowed.
type AuthenticationMetadata struct {
	ImpersonationConstraint string `json:"impersonationConstraint,omitempty"`
}

// ObjectReference is what the request was about.
type ObjectReference struct {
	Resource        string `json:"resource,omitempty"`
	Namespace       string `json:"namespace,omitempty"`
	Name            string `json:"name,omitempty"`
	UID             string `json:"uid,omitempty"`
	APIGroup        string `json:"apiGroup,omitempty"`
	APIVersion      string `json:"apiVersion,omitempty"`
	ResourceVersion string `json:"resourceVersion,omitempty"`
	Subresource     string `json:"subresource,omitempty"`
}

// Status is how the request ended: what an event carries of a metav1.Status.
type Status struct {
	Metadata struct{}       `json:"metadata"` // always there, always empty
	Status   string         `json:"status,omitempty"`
	Message  string         `json:"message,omitempty"`
	Reason   string         `json:"reason,omitempty"`
	Details  *StatusDetails `json:"details,omitempty"`
	Code     int32          `json:"code,omitempty"`
}

// StatusDetails is more about a Status.
type StatusDetails struct {
	Name              string        `json:"name,omitempty"`
	Group             string        `json:"group,omitempty"`
	Kind              string        `json:"kind,omitempty"`
	UID               string        `json:"uid,omitempty"`
	Causes            []StatusCause `json:"causes,omitempty"`
	RetryAfterSeconds int32         `json:"retryAfterSeconds,omitempty"`
}

// StatusCause is one thing that is wrong with a request.
type StatusCause struct {
	Reason  string `json:"reason,omitempty"`
	Message string `json:"message,omitempty"`
	Field   string `json:"field,omitempty"`
}

// Level says how much of a request an event holds.
type Level string

const (
	LevelNone            Level = "None"
	LevelMetadata        Level = "Metadata"
	LevelRequest         Level = "Request"
	LevelRequestResponse Level = "RequestResponse"
)

// Order numbers the levels from 0 for None, and any unknown one, to 3 for RequestResponse.
func (l Level) Order() int {
	switch l {
	case LevelMetadata:
		return 1
	case LevelRequest:
		return 2
	case LevelRequestResponse:
		return 3
	}
	return 0
}

// AtLeast reports whether an event at level l holds all that one at m does.
func (l Level) AtLeast(m Level) bool { return l.Order() >= m.Order() }

// Stage says how far the request had come.
type Stage string

const (
	StageRequestReceived  Stage = "RequestReceived"
	StageResponseStarted  Stage = "ResponseStarted"
	StageResponseComplete Stage = "ResponseComplete"
	StagePanic            Stage = "Panic"
)

// Order numbers the stages from 0 to 3 in the order a request goes through them; an unknown one is -1.
func (s Stage) Order() int {
	switch s {
	case StageRequestReceived:
		return 0
	case StageResponseStarted:
		return 1
	case StageResponseComplete:
		return 2
	case StagePanic:
		return 3
	}
	return -1
}

// MicroTime is a time that JSON has in UTC with six fraction digits, or null for the zero time.
type MicroTime struct{ time.Time }

const microLayout = "2006-01-02T15:04:05.000000Z"

func (t MicroTime) appendJSON(dst []byte) []byte {
	if t.IsZero() {
		return append(dst, "null"...)
	}
	dst = append(dst, '"')
	const from, to = -62167219200, 253402300800 // the years 0 and 10000
	if s := t.Unix(); s >= from && s < to {
		dst = AppendMicros(dst, t.UnixMicro())
	} else {
		dst = t.UTC().AppendFormat(dst, microLayout)
	}
	return append(dst, '"')
}

func (t MicroTime) MarshalJSON() ([]byte, error) { return t.appendJSON(nil), nil }

func (t *MicroTime) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		*t = MicroTime{}
		return nil
	}
	if len(b) >= 2 && b[0] == '"' {
		if micros, ok := Micros(Text(b[1 : len(b)-1]).Decode(nil)); ok {
			*t = microTime(micros)
			return nil
		}
	}
	return fmt.Errorf("audit time %s is not RFC 3339, such as \"2006-01-02T15:04:05.000000Z\"", b)
}

func microTime(micros int64) MicroTime { return MicroTime{time.UnixMicro(micros).UTC()} }

// MarshalJSON and UnmarshalJSON make a Span its own JSON, as json.RawMessage is.
func (s Span) MarshalJSON() ([]byte, error) {
	if s == nil {
		return []byte("null"), nil
	}
	return s, nil
}

func (s *Span) UnmarshalJSON(b []byte) error {
	*s = bytes.Clone(b)
	return nil
}
