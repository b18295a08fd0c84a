package capture

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"

	"annals.dev/audit"
	"annals.dev/policy"
)

// Annotations that say why a body is not in the event as it was sent.
const (
	requestNote  = "audit.annals.dev/request-object"
	responseNote = "audit.annals.dev/response-object"
)

// kept is the copy of a body that passes by. scope.mu guards it.
type kept struct {
	buffer *[]byte
	total  int64 // of the body so far; more than the buffer has if that is full
}

var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 4096); return &b }}

// add keeps b, up to limit bytes altogether.
func (k *kept) add(b []byte, limit int64) {
	k.total += int64(len(b))
	if k.buffer == nil {
		k.buffer = buffers.Get().(*[]byte)
	}
	room := max(limit-int64(len(*k.buffer)), 0)
	*k.buffer = append(*k.buffer, b[:min(int64(len(b)), room)]...)
}

func (k *kept) bytes() []byte {
	if k.buffer == nil {
		return nil
	}
	return *k.buffer
}

func (k *kept) release() {
	if k.buffer != nil && cap(*k.buffer) <= maxPooled {
		*k.buffer = (*k.buffer)[:0]
		buffers.Put(k.buffer)
	}
	*k = kept{}
}

// requestBody copies what the handler within reads.
type requestBody struct {
	io.ReadCloser
	x *exchange
}

func (b *requestBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.x.scope.mu.Lock()
	if !b.x.scope.closed {
		b.x.request.add(p[:n], b.x.h.cfg.MaxBody)
		b.x.requestEnded = b.x.requestEnded || err == io.EOF
	}
	b.x.scope.mu.Unlock()
	return n, err
}

// watchRequestBody puts requestBody into the request, if anything of its body may go into the event.
func (x *exchange) watchRequestBody() {
	if x.r.Body == nil || x.r.Body == http.NoBody || x.long {
		return
	}
	switch x.r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace, http.MethodConnect:
		return
	}
	if !x.level.AtLeast(audit.LevelRequest) && !x.namedByBody() {
		return
	}
	x.requestForm, x.requestLength = formOf(x.r.Header), x.r.ContentLength
	x.body = requestBody{x.r.Body, x}
	x.r.Body = &x.body
}

// namedByBody reports whether the body says more of the object than the URL.
func (x *exchange) namedByBody() bool {
	return x.info.ResourceRequest && (x.info.Verb == "create" || x.info.Verb == "update")
}

// settle reads the copies of the bodies into the event. The caller holds scope.mu.
func (x *exchange) settle() {
	if x.request.total > 0 {
		x.settleRequest()
	}
	if x.response.total > 0 {
		c := x.read(x.answerForm, &x.response, true, 0)
		isStatus := c.note == "" && readStatus(c.value, &x.status)
		if x.level.AtLeast(audit.LevelRequestResponse) && (isStatus || !x.long) {
			x.event.ResponseObject = x.object(responseNote, c, true)
		}
	}
}

func (x *exchange) settleRequest() {
	f, body := x.requestForm, x.request.bytes()
	recorded := x.level.AtLeast(audit.LevelRequest)
	if !recorded && f.encoding == "" && kindOf(f.contentType) == jsonBody && x.request.total == int64(len(body)) {
		nameObject(&x.objectRef, body) // as far as it is JSON, which nobody needs to know
		return
	}
	c := x.read(f, &x.request, x.requestEnded, x.requestLength)
	if c.value == nil || c.note != "" {
		c = x.insist(f, c)
	}
	switch {
	case !x.namedByBody():
	case c.note == "":
		nameObject(&x.objectRef, c.value)
	default:
		nameObject(&x.objectRef, body)
	}
	if recorded {
		x.event.RequestObject = x.object(requestNote, c, x.info.Verb != "patch")
	} else if strings.HasPrefix(c.note, "cut") { // its end may have named the object
		x.scope.set(requestNote, c.note)
	}
}

// insist is for a request's body that could not be read as its headers say. They are the client's, and many handlers do
// not look at them: a wrong one must not hide what was sent.
func (x *exchange) insist(f form, c content) content {
	body := x.request.bytes()
	if x.request.total == int64(len(body)) && audit.Span(body).Valid() && bytes.ContainsAny(body[:1], "{[ \t\r\n") {
		return content{body, ""}
	}
	if c.note == "" {
		c.note = fmt.Sprintf("not recorded: %d bytes of content type %.100q", x.request.total, f.contentType)
	}
	return c
}

// form says how to read a body.
type form struct{ contentType, encoding string }

func formOf(h http.Header) form {
	return form{first(h, "Content-Type"), strings.ToLower(first(h, "Content-Encoding"))}
}

// content is a body as an event has it.
type content struct {
	value audit.Span // nil: it has none
	note  string     // why that is not the body as JSON
}

func (x *exchange) object(key string, c content, mayStrip bool) audit.Span {
	if c.note != "" {
		x.scope.set(key, c.note)
	} else if x.strip && mayStrip {
		return withoutManagedFields(c.value)
	}
	return c.value
}

// read makes a body JSON. ended says that it was seen to its end, expected how long it was to be, if that was known.
func (x *exchange) read(f form, k *kept, ended bool, expected int64) content {
	body, kind := k.bytes(), kindOf(f.contentType)
	cut := k.total > int64(len(body))
	note := "" // of a cut; "" is the usual one
	plainly := f.encoding == "" || f.encoding == "identity"
	if f.encoding == "gzip" && bytes.HasPrefix(body, gzipMagic) {
		plain, more, err := gunzip(body, x.h.cfg.MaxBody)
		switch {
		case more:
			cut, note = true, fmt.Sprintf("cut: the first %d bytes of what was compressed", len(plain))
		case err != nil && !cut:
			return kind.unread(nil, fmt.Sprintf("undecodable: %.200s", err))
		}
		body, plainly = plain, true
	}
	if note == "" && (cut || !ended) {
		note = fmt.Sprintf("cut: the first %d of %d bytes", len(body), max(k.total, expected))
	}
	if cut && !plainly {
		return kind.unread(nil, note)
	}
	if cut {
		return kind.unread(body, note)
	}
	value, ok, err := x.h.decode(f.contentType, body)
	if err != nil && !plainly {
		return kind.unread(nil, fmt.Sprintf("content encoding %.100q", f.encoding))
	}
	unsure := !ended && k.total != expected
	switch {
	case unsure && (err != nil || ok && kind != jsonBody):
		return kind.unread(body, note)
	case err != nil:
		return kind.unread(body, fmt.Sprintf("undecodable: %.200s", err))
	case !ok:
		return content{}
	}
	return content{value, ""}
}

// decode is Config.Body. Decoders read what anybody sends, and one that panics must not take the event with it.
func (h *Handler) decode(contentType string, body []byte) (value []byte, ok bool, err error) {
	defer func() {
		if thrown := recover(); thrown != nil {
			err = fmt.Errorf("the decoder panicked: %v", thrown)
			h.trouble.Problem("decoder", fmt.Errorf("content type %.100q: %w", contentType, err))
		}
	}()
	value, ok, err = h.cfg.Body(contentType, body)
	// DecodeBody has read what it gives back as it was. All else is looked at, since nobody does after this.
	if as := len(value) > 0 && len(body) > 0 && &value[0] == &body[0]; ok && err == nil && (h.custom || !as) && !audit.Span(value).Valid() {
		return nil, false, errNotJSON
	}
	return value, ok, err
}

// unread is a body that could not be made JSON: text is kept as a JSON string.
func (kind bodyKind) unread(body []byte, note string) content {
	switch kind {
	case otherBody:
		return content{}
	case jsonBody, yamlBody:
		if body != nil {
			s, _ := json.Marshal(string(body)) // a string always can
			return content{s, note}
		}
	}
	return content{nil, note}
}

var gzipMagic = []byte{0x1f, 0x8b}

// gunzip undoes gzip, up to limit bytes; more says that there were more.
func gunzip(b []byte, limit int64) (plain []byte, more bool, err error) {
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, false, err
	}
	plain, err = io.ReadAll(io.LimitReader(z, limit+1))
	if int64(len(plain)) > limit {
		return plain[:limit], true, nil
	}
	return plain, false, err
}

// watchAnswer decides what to keep of the answer's body, when its header is known. The caller holds scope.mu.
func (x *exchange) watchAnswer(code int) {
	x.keep = nothing
	if x.level == policy.LevelMinimal || code == http.StatusSwitchingProtocols || code == http.StatusNoContent || code == http.StatusNotModified {
		return
	}
	x.answerForm = formOf(x.w.Header())
	kind := kindOf(x.answerForm.contentType)
	if x.level.AtLeast(audit.LevelRequestResponse) && !x.long {
		if x.h.reads(kind) {
			x.keep = whole
		}
		return
	}
	if kind == otherBody {
		return
	}
	plain := x.answerForm.encoding == ""
	switch {
	case plain && (kind == jsonBody || kind == protobufBody):
		x.keep = ifStatus
	case code >= 400:
		x.keep = small
	}
}

// reads reports whether Config.Body may know a kind of body.
func (h *Handler) reads(kind bodyKind) bool {
	return h.custom || kind != otherBody
}

// keeping says what is kept of an answer's body.
type keeping int

const (
	nothing  keeping = iota
	ifStatus         // whole if it begins as a Status
	small            // whole up to maxStatus, because only the end tells whether it is a Status
	whole
)

const (
	maxStatus = 64 << 10
	// maxUndecided is how much may come before it shows that an answer is a Status: white space may go on for ever, and is read
	// anew with each piece.
	maxUndecided = 4 << 10
)

// copyAnswer keeps what it should of b. The caller holds scope.mu.
func (x *exchange) copyAnswer(b []byte) {
	switch x.keep {
	case ifStatus:
		begin := b
		if x.response.total > 0 {
			x.response.add(b, x.h.cfg.MaxBody)
			begin = x.response.bytes()
		}
		switch beginsAsStatus(begin) {
		case no:
			x.keep = nothing
		case yes:
			x.keep = whole
		}
		if x.keep != nothing && x.response.total == 0 {
			x.response.add(b, x.h.cfg.MaxBody)
		}
		if x.keep == ifStatus && x.response.total > maxUndecided {
			x.keep = nothing
		}
	case small:
		if x.response.add(b, maxStatus); x.response.total > maxStatus {
			x.keep = nothing
		}
	case whole:
		x.response.add(b, x.h.cfg.MaxBody)
	}
	if x.keep == nothing {
		x.response.release()
	}
}
