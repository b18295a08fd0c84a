package audit

import "bytes"

// mark notes that a field was seen.
func (v *View) mark(seen *uint32, f field) {
	if f == unknown {
		return
	}
	if *seen&(1<<f) != 0 {
		v.Duplicate = true
	}
	*seen |= 1 << f
}

// The methods below read the object at b[p] into v and return the position after it. They set each field as soon as
// its value has been read, so that an event that is cut keeps what came before.

func (v *View) event(b []byte, p int, old *older) int {
	var seen uint32
	p, more := first(b, p)
	for more {
		key, at := member(b, p)
		if at < 0 {
			return at
		}
		f := eventField(key)
		v.mark(&seen, f)
		switch f {
		case fKind:
			v.Kind, p = text(b, at, 1)
		case fAPIVersion:
			v.APIVersion, p = text(b, at, 1)
		case fLevel:
			v.Level, p = text(b, at, 1)
		case fAuditID:
			v.AuditID, p = text(b, at, 1)
		case fStage:
			v.Stage, p = text(b, at, 1)
		case fRequestURI:
			v.RequestURI, p = text(b, at, 1)
		case fVerb:
			v.Verb, p = text(b, at, 1)
		case fUser:
			p = v.user(b, at, &v.User)
		case fImpersonatedUser:
			p = v.user(b, at, &v.ImpersonatedUser)
		case fAuthenticationMetadata:
			v.AuthenticationMetadata, p = span(b, at, 1, '{')
		case fSourceIPs:
			v.SourceIPs, p = span(b, at, 1, '[')
		case fUserAgent:
			v.UserAgent, p = text(b, at, 1)
		case fObjectRef:
			p = v.objectRef(b, at)
		case fResponseStatus:
			p = v.responseStatus(b, at)
		case fRequestObject:
			v.RequestObject, p = body(b, at, 1)
		case fResponseObject:
			v.ResponseObject, p = body(b, at, 1)
		case fRequestReceivedTimestamp:
			v.RequestReceivedTimestamp, p = text(b, at, 1)
		case fStageTimestamp:
			v.StageTimestamp, p = text(b, at, 1)
		case fAnnotations:
			p = v.annotations(b, at)
		case fMetadata:
			v.Unknown++
			old.metadata, p = span(b, at, 1, '{')
		case fTimestamp:
			v.Unknown++
			old.timestamp, p = text(b, at, 1)
		default:
			v.Unknown++
			p = skipValue(b, at, 1)
		}
		p, more = next(b, p)
	}
	return p
}

func (v *View) user(b []byte, from int, u *UserView) int {
	*u = UserView{}
	if from >= len(b) || b[from] != '{' {
		return skipValue(b, from, 1)
	}
	var seen uint32
	p, more := first(b, from)
	for more {
		key, at := member(b, p)
		if at < 0 {
			return at
		}
		f := userField(key)
		v.mark(&seen, f)
		switch f {
		case fUsername:
			u.Username, p = text(b, at, 2)
		case fUserUID:
			u.UID, p = text(b, at, 2)
		case fGroups:
			u.Groups, p = span(b, at, 2, '[')
		case fExtra:
			u.Extra, p = span(b, at, 2, '{')
		default:
			p = skipValue(b, at, 2)
		}
		p, more = next(b, p)
	}
	u.Raw = whole(b, from, p)
	return p
}

func (v *View) objectRef(b []byte, from int) int {
	r := &v.ObjectRef
	*r = ObjectRefView{}
	if from >= len(b) || b[from] != '{' {
		return skipValue(b, from, 1)
	}
	var seen uint32
	p, more := first(b, from)
	for more {
		key, at := member(b, p)
		if at < 0 {
			p = at
			break
		}
		f := objectRefField(key)
		v.mark(&seen, f)
		switch f {
		case fResource:
			r.Resource, p = text(b, at, 2)
		case fNamespace:
			r.Namespace, p = text(b, at, 2)
		case fName:
			r.Name, p = text(b, at, 2)
		case fObjectUID:
			r.UID, p = text(b, at, 2)
		case fAPIGroup:
			r.APIGroup, p = text(b, at, 2)
		case fObjectAPIVersion:
			r.APIVersion, p = text(b, at, 2)
		case fResourceVersion:
			r.ResourceVersion, p = text(b, at, 2)
		case fSubresource:
			r.Subresource, p = text(b, at, 2)
		default:
			p = skipValue(b, at, 2)
		}
		p, more = next(b, p)
	}
	if r.APIGroup == nil {
		r.split()
	}
	r.Raw = whole(b, from, p)
	return p
}

// split takes apart v1alpha1's group/version, which stands where v1 has the version alone.
func (r *ObjectRefView) split() {
	slash := bytes.LastIndexByte(r.APIVersion, '/')
	if slash >= 0 && r.APIVersion.Plain() {
		r.APIGroup, r.APIVersion = r.APIVersion[:slash:slash], r.APIVersion[slash+1:]
	}
}

func (v *View) responseStatus(b []byte, from int) int {
	s := &v.ResponseStatus
	*s = StatusView{}
	if from >= len(b) || b[from] != '{' {
		return skipValue(b, from, 1)
	}
	var seen uint32
	p, more := first(b, from)
	for more {
		key, at := member(b, p)
		if at < 0 {
			return at
		}
		f := statusField(key)
		v.mark(&seen, f)
		switch f {
		case fStatus:
			s.Status, p = text(b, at, 2)
		case fMessage:
			s.Message, p = text(b, at, 2)
		case fStatusReason:
			s.Reason, p = text(b, at, 2)
		case fCode:
			s.Code, p = number(b, at, 2)
		default:
			p = skipValue(b, at, 2)
		}
		p, more = next(b, p)
	}
	s.Raw = whole(b, from, p)
	return p
}

func (v *View) annotations(b []byte, from int) int {
	v.Annotations, v.Decision, v.Reason = nil, nil, nil
	if from >= len(b) || b[from] != '{' {
		return skipValue(b, from, 1)
	}
	var seen uint32
	p, more := first(b, from)
	for more {
		key, at := member(b, p)
		if at < 0 {
			return at
		}
		f := annotationField(key)
		v.mark(&seen, f)
		switch f {
		case fDecision:
			v.Decision, p = text(b, at, 2)
		case fReason:
			v.Reason, p = text(b, at, 2)
		default:
			p = skipValue(b, at, 2)
		}
		p, more = next(b, p)
	}
	v.Annotations = whole(b, from, p)
	return p
}

// whole is the object that ends at end, nil if reading it failed.
func whole(b []byte, from, end int) Span {
	if end < 0 {
		return nil
	}
	return b[from:end:end]
}
