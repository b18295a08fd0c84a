package capture

import (
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"annals.dev/audit"
	"annals.dev/policy"
)

const maxUserAgent = 1024 // bytes, kube-apiserver's limit

// exchange is a request that is recorded, and its answer. It is also the http.ResponseWriter and the body that the handler
// within gets, and so is never used again for another request.
type exchange struct {
	h     *Handler
	scope *scope
	level audit.Level
	omit  policy.Stages
	strip bool // managed fields are left out
	long  bool // it has the stage ResponseStarted
	alone bool // it has only the stage ResponseStarted: a failed login
	info  RequestInfo
	w     http.ResponseWriter
	r     *http.Request

	// scope.mu guards the rest.
	event     audit.Event
	objectRef audit.ObjectReference
	status    audit.Status
	peer      [1]string

	answered time.Time   // when the answer's header was written; zero: not yet
	held     bool        // ResponseStarted waits for the answer's body, which may be a Status
	keep     keeping     // of the answer's body
	passing  atomic.Bool // the answer was begun, and what follows of it is not looked at; not guarded

	body              requestBody
	requestEnded      bool
	request, response kept
	answerForm        form // as it was when the answer began
}

// encoding is an event on its way to the sink.
type encoding struct {
	bytes []byte
	list  [1][]byte
}

var encodings = sync.Pool{New: func() any { return &encoding{bytes: make([]byte, 0, 2048)} }}

// maxPooled is the largest buffer that is kept for another request.
const maxPooled = 1 << 20

// metadata fills in what is known of a request before anybody answers it.
func (x *exchange) metadata(received time.Time) {
	x.scope.mu.Lock()
	x.scope.x = x
	x.scope.mu.Unlock()

	e := &x.event
	e.Level, e.AuditID, e.Verb = x.level, x.scope.id, x.info.Verb
	e.RequestReceivedTimestamp.Time = received
	if i := &x.info; i.ResourceRequest {
		x.objectRef = audit.ObjectReference{Resource: i.Resource, Namespace: i.Namespace, Name: i.Name,
			APIGroup: i.APIGroup, APIVersion: i.APIVersion, Subresource: i.Subresource}
		e.ObjectRef = &x.objectRef
	}
	if x.level == policy.LevelMinimal {
		return
	}
	if x.info.User != nil {
		e.User = *x.info.User
	}
	e.RequestURI = x.r.URL.RequestURI()
	e.UserAgent = x.r.UserAgent()
	if len(e.UserAgent) > maxUserAgent {
		e.UserAgent = e.UserAgent[:maxUserAgent] + "...TRUNCATED"
	}
	if x.h.cfg.SourceIPs != nil {
		e.SourceIPs = x.h.cfg.SourceIPs(x.r)
	} else if _, ip, ok := peer(x.r); ok {
		x.peer[0] = ip
		e.SourceIPs = x.peer[:]
	}
}

// emit sends the event as it is at a stage, unless the policy omits that.
func (x *exchange) emit(stage audit.Stage, at time.Time) error {
	if x.omit.Has(stage) {
		return nil
	}
	x.h.cfg.Metrics.event()
	out := encodings.Get().(*encoding)
	x.scope.mu.Lock()
	x.event.Stage, x.event.StageTimestamp.Time = stage, at
	if x.level == policy.LevelMinimal {
		out.bytes = x.minimal().AppendJSON(out.bytes[:0])
	} else {
		x.event.Annotations = x.scope.annotations
		out.bytes = x.event.AppendJSON(out.bytes[:0])
	}
	x.scope.mu.Unlock()
	out.list[0] = out.bytes
	err := x.h.cfg.Sink.Send(background, out.list[:]...)
	if cap(out.bytes) <= maxPooled {
		encodings.Put(out)
	}
	return err
}

// tell is emit for a stage at which the request goes on, whatever the sink says.
func (x *exchange) tell(stage audit.Stage, at time.Time) {
	if err := x.emit(stage, at); err != nil {
		x.h.cfg.Metrics.unstored(stage)
		x.h.cfg.Log.Error("audit event was not stored", "auditID", x.scope.id, "stage", string(stage), "err", err)
	}
}

func (x *exchange) minimal() *audit.Event {
	e := &x.event
	m := &audit.Event{Level: e.Level, AuditID: e.AuditID, Stage: e.Stage, Verb: e.Verb, ObjectRef: e.ObjectRef,
		RequestReceivedTimestamp: e.RequestReceivedTimestamp, StageTimestamp: e.StageTimestamp}
	if e.ResponseStatus != nil {
		m.ResponseStatus = &audit.Status{Code: e.ResponseStatus.Code}
	}
	return m
}

// serve has next answer, and records how that ends.
func (x *exchange) serve(next http.Handler) {
	defer func() {
		thrown := recover()
		x.end(thrown)
		if thrown != nil {
			panic(thrown)
		}
	}()
	next.ServeHTTP(x.writer(), x.r)
}

const abortedKey = "audit.annals.dev/aborted"

// end writes the last events. thrown is what the handler within panicked with.
func (x *exchange) end(thrown any) {
	x.passing.Store(true)
	x.scope.mu.Lock()
	x.settle()
	at, started := x.answered, x.held
	if at.IsZero() {
		at = time.Now()
		started = (x.long || x.alone) && thrown == nil
		x.silent(thrown)
	}
	x.scope.mu.Unlock()
	if started {
		x.tell(audit.StageResponseStarted, at)
	}

	stage := audit.StageResponseComplete
	switch thrown {
	case nil:
	case http.ErrAbortHandler:
		x.scope.annotate(abortedKey, "true")
	default:
		stage = audit.StagePanic
		x.scope.mu.Lock()
		x.event.ResponseStatus = &audit.Status{Status: "Failure", Reason: "InternalError",
			Message: fmt.Sprintf("APIServer panic'd: %v", thrown), Code: http.StatusInternalServerError}
		x.scope.mu.Unlock()
	}
	if !x.alone || thrown != nil && !started {
		x.tell(stage, time.Now())
	}
	x.scope.mu.Lock()
	x.scope.closed = true
	x.request.release()
	x.response.release()
	x.event.RequestObject, x.event.ResponseObject = nil, nil
	x.scope.mu.Unlock()
}

// silent is the status of a request that nobody answered; net/http then sends 200, unless the handler was cut short.
func (x *exchange) silent(thrown any) {
	x.event.ResponseStatus = &x.status
	if x.alone { // it says already why the login failed
		x.status.Code = http.StatusOK
		return
	}
	x.status = audit.Status{Status: "Success", Message: "Connection closed early", Code: http.StatusOK}
	if thrown != nil {
		x.status.Status, x.status.Code = "Failure", 0
	}
}
