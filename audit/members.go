package audit

import "bytes"

const (
	decisionKey = "authorization.k8s.io/decision"
	reasonKey   = "authorization.k8s.io/reason"
)

// first returns the position of an object's first key, or the position after the object and false if it has none;
// b[p] is its opening bracket.
func first(b []byte, p int) (int, bool) {
	if p++; p < len(b) && b[p] <= ' ' {
		p = space(b, p)
	}
	if p < len(b) && b[p] == '}' {
		return p + 1, false
	}
	return p, true
}

// member reads a key and its colon and returns the key and the value's position.
func member(b []byte, p int) (Text, int) {
	if p >= len(b) || b[p] != '"' {
		return nil, fault(p)
	}
	end := skipString(b, p+1)
	if end < 0 {
		return nil, end
	}
	key := Text(b[p+1 : end-1])
	if p = end; p < len(b) && b[p] <= ' ' {
		p = space(b, p)
	}
	if p >= len(b) || b[p] != ':' {
		return nil, fault(p)
	}
	if p++; p < len(b) && b[p] <= ' ' {
		p = space(b, p)
	}
	return key, p
}

// next returns the position of the next key, or the position after the object and false; b[p] follows a value. An error
// ends the object too.
func next(b []byte, p int) (int, bool) {
	if p < 0 {
		return p, false
	}
	if p < len(b) && b[p] <= ' ' {
		p = space(b, p)
	}
	if p >= len(b) {
		return fault(p), false
	}
	switch b[p] {
	case ',':
		if p++; p < len(b) && b[p] <= ' ' {
			p = space(b, p)
		}
		return p, true
	case '}':
		return p + 1, false
	}
	return fault(p), false
}

// text reads a value: nil unless it is a string.
func text(b []byte, p, depth int) (Text, int) {
	if p < len(b) && b[p] == '"' {
		end := skipString(b, p+1)
		if end < 0 {
			return nil, end
		}
		return Text(b[p+1 : end-1 : end-1]), end
	}
	return nil, skipValue(b, p, depth)
}

// span reads a value: nil unless it begins with the bracket.
func span(b []byte, p, depth int, bracket byte) (Span, int) {
	end := skipValue(b, p, depth)
	if end < 0 || b[p] != bracket {
		return nil, end
	}
	return Span(b[p:end:end]), end
}

// body reads a value of any type but null.
func body(b []byte, p, depth int) (Span, int) {
	end := skipValue(b, p, depth)
	switch {
	case end == len(b):
		return nil, fault(end) // where the input was cut this may be half a number
	case end < 0 || b[p] == 'n':
		return nil, end
	}
	return Span(b[p:end:end]), end
}

// number reads a value: 0 unless it is a whole number that fits.
func number(b []byte, p, depth int) (int32, int) {
	end := skipValue(b, p, depth)
	switch {
	case end == len(b):
		return 0, fault(end) // as in body
	case end < 0:
		return 0, end
	}
	return int32Of(b[p:end]), end
}

// int32Of is a JSON value as a number, 0 unless it is a whole number that fits.
func int32Of(value []byte) int32 {
	digits, sign := value, int64(1)
	if digits[0] == '-' {
		digits, sign = digits[1:], -1
	}
	if len(digits) > 10 {
		return 0
	}
	n := int64(0)
	for _, c := range digits {
		if c-'0' > 9 {
			return 0
		}
		n = n*10 + int64(c-'0')
	}
	if n *= sign; n != int64(int32(n)) {
		return 0
	}
	return int32(n)
}

// plainKey decodes a key written with escapes; one longer than any known key need not be.
func plainKey(key Text, scratch []byte) Text {
	if bytes.IndexByte(key, '\\') < 0 || len(key) > len(scratch) {
		return key
	}
	return key.Append(scratch[:0])
}

func (v *View) seen(set *uint32, bit uint) {
	if *set&(1<<bit) != 0 {
		v.Duplicate = true
	}
	*set |= 1 << bit
}

func (v *View) event(b []byte, p int, old *older) int {
	var set uint32
	var scratch [256]byte
	p, more := first(b, p)
	for more {
		key, at := member(b, p)
		if at < 0 {
			return at
		}
		bit := uint(0)
		switch string(plainKey(key, scratch[:])) {
		case "kind":
			v.Kind, p = text(b, at, 1)
		case "apiVersion":
			bit = 1
			v.APIVersion, p = text(b, at, 1)
		case "level":
			bit = 2
			v.Level, p = text(b, at, 1)
		case "auditID":
			bit = 3
			v.AuditID, p = text(b, at, 1)
		case "stage":
			bit = 4
			v.Stage, p = text(b, at, 1)
		case "requestURI":
			bit = 5
			v.RequestURI, p = text(b, at, 1)
		case "verb":
			bit = 6
			v.Verb, p = text(b, at, 1)
		case "user":
			bit = 7
			p = v.user(b, at, &v.User)
		case "impersonatedUser":
			bit = 8
			p = v.user(b, at, &v.ImpersonatedUser)
		case "sourceIPs":
			bit = 9
			v.SourceIPs, p = span(b, at, 1, '[')
		case "userAgent":
			bit = 10
			v.UserAgent, p = text(b, at, 1)
		case "objectRef":
			bit = 11
			p = v.objectRef(b, at)
		case "responseStatus":
			bit = 12
			p = v.responseStatus(b, at)
		case "requestObject":
			bit = 13
			v.RequestObject, p = body(b, at, 1)
		case "responseObject":
			bit = 14
			v.ResponseObject, p = body(b, at, 1)
		case "requestReceivedTimestamp":
			bit = 15
			v.RequestReceivedTimestamp, p = text(b, at, 1)
		case "stageTimestamp":
			bit = 16
			v.StageTimestamp, p = text(b, at, 1)
		case "annotations":
			bit = 17
			p = v.annotations(b, at)
		case "authenticationMetadata":
			bit = 18
			v.AuthenticationMetadata, p = span(b, at, 1, '{')
		case "metadata":
			bit = 19
			v.Unknown++
			p = v.metadata(b, at, old)
		case "timestamp":
			bit = 20
			v.Unknown++
			old.timestamp, p = text(b, at, 1)
		default:
			bit = 31
			set &^= 1 << 31
			v.Unknown++
			p = skipValue(b, at, 1)
		}
		v.seen(&set, bit)
		p, more = next(b, p)
	}
	return p
}

func (v *View) user(b []byte, from int, u *UserView) int {
	*u = UserView{}
	if from >= len(b) || b[from] != '{' {
		return skipValue(b, from, 1)
	}
	var set uint32
	var scratch [256]byte
	p, more := first(b, from)
	for more {
		key, at := member(b, p)
		if at < 0 {
			return at
		}
		bit := uint(0)
		switch string(plainKey(key, scratch[:])) {
		case "username":
			u.Username, p = text(b, at, 2)
		case "uid":
			bit = 1
			u.UID, p = text(b, at, 2)
		case "groups":
			bit = 2
			u.Groups, p = span(b, at, 2, '[')
		case "extra":
			bit = 3
			u.Extra, p = span(b, at, 2, '{')
		default:
			bit = 31
			set &^= 1 << 31
			p = skipValue(b, at, 2)
		}
		v.seen(&set, bit)
		p, more = next(b, p)
	}
	if p >= 0 {
		u.Raw = b[from:p:p]
	}
	return p
}

func (v *View) objectRef(b []byte, from int) int {
	r := &v.ObjectRef
	*r = ObjectRefView{}
	if from >= len(b) || b[from] != '{' {
		return skipValue(b, from, 1)
	}
	var set uint32
	var scratch [256]byte
	p, more := first(b, from)
	for more {
		key, at := member(b, p)
		if at < 0 {
			p = at
			break
		}
		bit := uint(0)
		switch string(plainKey(key, scratch[:])) {
		case "resource":
			r.Resource, p = text(b, at, 2)
		case "namespace":
			bit = 1
			r.Namespace, p = text(b, at, 2)
		case "name":
			bit = 2
			r.Name, p = text(b, at, 2)
		case "uid":
			bit = 3
			r.UID, p = text(b, at, 2)
		case "apiGroup":
			bit = 4
			r.APIGroup, p = text(b, at, 2)
		case "apiVersion":
			bit = 5
			r.APIVersion, p = text(b, at, 2)
		case "resourceVersion":
			bit = 6
			r.ResourceVersion, p = text(b, at, 2)
		case "subresource":
			bit = 7
			r.Subresource, p = text(b, at, 2)
		default:
			bit = 31
			set &^= 1 << 31
			p = skipValue(b, at, 2)
		}
		v.seen(&set, bit)
		p, more = next(b, p)
	}
	if slash := bytes.LastIndexByte(r.APIVersion, '/'); slash >= 0 && r.APIGroup == nil && r.APIVersion.Plain() {
		r.APIGroup, r.APIVersion = r.APIVersion[:slash:slash], r.APIVersion[slash+1:] // v1alpha1 has both in one
	}
	if p >= 0 {
		r.Raw = b[from:p:p]
	}
	return p
}

func (v *View) responseStatus(b []byte, from int) int {
	s := &v.ResponseStatus
	*s = StatusView{}
	if from >= len(b) || b[from] != '{' {
		return skipValue(b, from, 1)
	}
	var set uint32
	var scratch [256]byte
	p, more := first(b, from)
	for more {
		key, at := member(b, p)
		if at < 0 {
			return at
		}
		bit := uint(0)
		switch string(plainKey(key, scratch[:])) {
		case "status":
			s.Status, p = text(b, at, 2)
		case "message":
			bit = 1
			s.Message, p = text(b, at, 2)
		case "reason":
			bit = 2
			s.Reason, p = text(b, at, 2)
		case "code":
			bit = 3
			s.Code, p = number(b, at, 2)
		default:
			bit = 31
			set &^= 1 << 31
			p = skipValue(b, at, 2)
		}
		v.seen(&set, bit)
		p, more = next(b, p)
	}
	if p >= 0 {
		s.Raw = b[from:p:p]
	}
	return p
}

func (v *View) annotations(b []byte, from int) int {
	v.Annotations, v.Decision, v.Reason = nil, nil, nil
	if from >= len(b) || b[from] != '{' {
		return skipValue(b, from, 1)
	}
	var set uint32
	var scratch [256]byte
	p, more := first(b, from)
	for more {
		key, at := member(b, p)
		if at < 0 {
			return at
		}
		bit := uint(0)
		switch string(plainKey(key, scratch[:])) {
		case decisionKey:
			v.Decision, p = text(b, at, 2)
		case reasonKey:
			bit = 1
			v.Reason, p = text(b, at, 2)
		default:
			bit = 31
			set &^= 1 << 31
			p = skipValue(b, at, 2)
		}
		v.seen(&set, bit)
		p, more = next(b, p)
	}
	if p >= 0 {
		v.Annotations = b[from:p:p]
	}
	return p
}

func (v *View) metadata(b []byte, from int, old *older) int {
	old.creation = nil
	if from >= len(b) || b[from] != '{' {
		return skipValue(b, from, 1)
	}
	var scratch [256]byte
	p, more := first(b, from)
	for more {
		key, at := member(b, p)
		if at < 0 {
			return at
		}
		if string(plainKey(key, scratch[:])) == "creationTimestamp" {
			old.creation, p = text(b, at, 2)
		} else {
			p = skipValue(b, at, 2)
		}
		p, more = next(b, p)
	}
	return p
}
