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
	requestForm       form // as it came: the handler within may change the header that it was given
	requestLength     int64
	requestEnded      bool
	request, response kept
	answerForm        form // as it was when the answer began
}

// encoding is an event on its way to the sink.
type encoding struct {
	stage audit.Stage
	bytes []byte
	list  [1][]byte
}

var encodings = sync.Pool{New: func() any { return &encoding{bytes: make([]byte, 0, 2048)} }}

// maxPooled is the largest buffer that is kept for another request.
const maxPooled = 1 << 20

// begin makes the event, and returns it as it is before anybody answers the request.
func (x *exchange) begin(received time.Time) *encoding {
	x.metadata(received)
	if x.alone {
		x.event.ResponseStatus = &x.status
		x.status.Message = triedToAuthenticate(x.r)
	} else {
		x.watchRequestBody()
	}
	x.scope.mu.Lock()
	defer x.scope.mu.Unlock()
	x.scope.x = x
	if x.alone {
		return nil
	}
	return x.encode(audit.StageRequestReceived, received)
}

// metadata fills in what is known of a request before anybody answers it. It holds no lock: nobody else has the
// exchange yet, and Config.SourceIPs may annotate.
func (x *exchange) metadata(received time.Time) {
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
	e.UserAgent = first(x.r.Header, "User-Agent")
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

// encode is the event as it is at a stage, nil if the policy omits that. The caller holds scope.mu, and sends it when it
// does no more.
func (x *exchange) encode(stage audit.Stage, at time.Time) *encoding {
	if x.omit.Has(stage) {
		return nil
	}
	out := encodings.Get().(*encoding)
	out.stage = stage
	x.event.Stage, x.event.StageTimestamp.Time = stage, at
	if x.level == policy.LevelMinimal {
		out.bytes = x.minimal().AppendJSON(out.bytes[:0])
	} else {
		x.event.Annotations = x.scope.annotations
		out.bytes = x.event.AppendValidJSON(out.bytes[:0])
	}
	return out
}

func (x *exchange) send(out *encoding) error {
	if out == nil {
		return nil
	}
	x.h.cfg.Metrics.event()
	out.list[0] = out.bytes
	err := x.h.cfg.Sink.Send(background, out.list[:]...)
	if err != nil {
		x.h.cfg.Metrics.unstored(out.stage)
		x.h.trouble.Problem("unstored "+string(out.stage), err)
	}
	if cap(out.bytes) <= maxPooled {
		encodings.Put(out)
	}
	return err
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
	started, last := x.finish(thrown)
	x.send(started)
	x.send(last)
}

func (x *exchange) finish(thrown any) (started, last *encoding) {
	x.passing.Store(true)
	x.scope.mu.Lock()
	defer x.scope.mu.Unlock()
	x.settle()
	at, now := x.answered, time.Now()
	if at.IsZero() {
		at, x.held = now, (x.long || x.alone) && thrown == nil
		x.silent(thrown)
	}
	if x.held {
		started = x.encode(audit.StageResponseStarted, at)
	}
	stage := audit.StageResponseComplete
	switch thrown {
	case nil:
	case http.ErrAbortHandler:
		x.scope.set(abortedKey, "true")
	default:
		stage = audit.StagePanic
		x.event.ResponseStatus = &audit.Status{Status: "Failure", Reason: "InternalError",
			Message: fmt.Sprintf("APIServer panic'd: %v", thrown), Code: http.StatusInternalServerError}
	}
	if !x.alone || thrown != nil && started == nil {
		last = x.encode(stage, now)
	}
	x.scope.closed = true
	x.request.release()
	x.response.release()
	x.event.RequestObject, x.event.ResponseObject = nil, nil
	return started, last
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
