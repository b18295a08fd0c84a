package audit

import (
	"bytes"
	"fmt"
	"time"
)

// Event is one request at one stage: an audit.k8s.io/v1 Event. It has no kind and apiVersion; AppendJSON writes them.
// The fields stand in the order in which kube-apiserver writes them.
type Event struct {
	Level                    Level                   `json:"level"`                            // how much of the request was recorded; never None
	AuditID                  string                  `json:"auditID"`                          // one for all stages of a request; the client may choose it with the header Audit-ID, so it is no key
	Stage                    Stage                   `json:"stage"`                            // how far the request had come when this event was made
	RequestURI               string                  `json:"requestURI"`                       // the path and the query as they were asked for; commands of exec stand in it
	Verb                     string                  `json:"verb"`                             // get, list, watch, create, update, patch, delete, deletecollection or proxy; the method in small letters where the request is about no resource
	User                     UserInfo                `json:"user"`                             // who made the request; empty where authentication failed
	ImpersonatedUser         *UserInfo               `json:"impersonatedUser,omitempty"`       // as whom it was made, once that was allowed
	AuthenticationMetadata   *AuthenticationMetadata `json:"authenticationMetadata,omitempty"` // by what right the impersonation was allowed
	SourceIPs                []string                `json:"sourceIPs,omitempty"`              // whence it came: what the client claims of X-Forwarded-For and X-Real-Ip, and last the address that connected
	UserAgent                string                  `json:"userAgent,omitempty"`              // what the client calls itself; beyond 1,024 bytes cut, with ...TRUNCATED behind it
	ObjectRef                *ObjectReference        `json:"objectRef,omitempty"`              // the object that the request is about; absent where it is about none
	ResponseStatus           *Status                 `json:"responseStatus,omitempty"`         // how the request ended
	RequestObject            Span                    `json:"requestObject,omitempty"`          // the body of the request as JSON, in the version of the API that was used; of a patch the patch itself
	ResponseObject           Span                    `json:"responseObject,omitempty"`         // the body of the answer as JSON: what the client got, a Table for kubectl get
	RequestReceivedTimestamp MicroTime               `json:"requestReceivedTimestamp"`         // when the request came
	StageTimestamp           MicroTime               `json:"stageTimestamp"`                   // when it came to this stage
	Annotations              map[string]string       `json:"annotations,omitempty"`            // what authentication, authorization, admission and the API server noted, by keys like authorization.k8s.io/decision
}

// UserInfo is who made the request, or as whom.
type UserInfo struct {
	Username string              `json:"username,omitempty"` // the name: of a service account system:serviceaccount:NAMESPACE:NAME, of nobody in particular system:anonymous
	UID      string              `json:"uid,omitempty"`      // what tells users of one name apart over time
	Groups   []string            `json:"groups,omitempty"`   // the groups that the user is in
	Extra    map[string][]string `json:"extra,omitempty"`    // what else authentication knows, such as authentication.kubernetes.io/credential-id
}

// AuthenticationMetadata is by what right an impersonation was allowed.
type AuthenticationMetadata struct {
	ImpersonationConstraint string `json:"impersonationConstraint,omitempty"` // the verb by which a constrained impersonation was allowed, such as impersonate:user-info
}

// ObjectReference is what the request was about.
type ObjectReference struct {
	Resource        string `json:"resource,omitempty"`        // the kind of object, in the plural and small letters
	Namespace       string `json:"namespace,omitempty"`       // the namespace; of a namespace itself its name
	Name            string `json:"name,omitempty"`            // the object's name; absent of lists, and of objects whose name the server makes
	UID             string `json:"uid,omitempty"`             // the object's UID, where the request's body tells it
	APIGroup        string `json:"apiGroup,omitempty"`        // the API group; absent for the core group
	APIVersion      string `json:"apiVersion,omitempty"`      // the version of the API
	ResourceVersion string `json:"resourceVersion,omitempty"` // the version of the object that the request's body names
	Subresource     string `json:"subresource,omitempty"`     // the part of the object, such as status, log or exec
}

// Status is how the request ended: what an event carries of a metav1.Status.
type Status struct {
	Metadata struct{}       `json:"metadata"`          // always there, always empty
	Status   string         `json:"status,omitempty"`  // Success or Failure, where the answer was a Status
	Message  string         `json:"message,omitempty"` // what the answer said, in words
	Reason   string         `json:"reason,omitempty"`  // why it failed, in one word, such as NotFound
	Details  *StatusDetails `json:"details,omitempty"` // more about a failure
	Code     int32          `json:"code,omitempty"`    // the HTTP status; 101 of a session that began
}

// StatusDetails is more about a Status.
type StatusDetails struct {
	Name              string        `json:"name,omitempty"`              // the object that the failure is about
	Group             string        `json:"group,omitempty"`             // its API group
	Kind              string        `json:"kind,omitempty"`              // its resource
	UID               string        `json:"uid,omitempty"`               // its UID
	Causes            []StatusCause `json:"causes,omitempty"`            // what was wrong, one by one
	RetryAfterSeconds int32         `json:"retryAfterSeconds,omitempty"` // when to try again
}

// StatusCause is one thing that is wrong with a request.
type StatusCause struct {
	Reason  string `json:"reason,omitempty"`  // what sort of mistake it is
	Message string `json:"message,omitempty"` // it in words
	Field   string `json:"field,omitempty"`   // where in the object it is
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
