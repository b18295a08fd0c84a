package audit

import (
	"bytes"
	"fmt"
)

// UnmarshalFrom makes e the event that v views; it shares nothing with v's bytes. What an Event has no field for is left
// out. A timestamp that cannot be read is an error, with everything else filled in.
func (e *Event) UnmarshalFrom(v *View) error {
	*e = Event{
		Level:          Level(v.Level.String()),
		AuditID:        v.AuditID.String(),
		Stage:          Stage(v.Stage.String()),
		RequestURI:     v.RequestURI.String(),
		Verb:           v.Verb.String(),
		User:           v.User.info(),
		SourceIPs:      v.SourceIPs.strings(),
		UserAgent:      v.UserAgent.String(),
		RequestObject:  bytes.Clone(v.RequestObject),
		ResponseObject: bytes.Clone(v.ResponseObject),
		Annotations:    v.Annotations.stringMap(),
	}
	if u := &v.ImpersonatedUser; u.Raw != nil || u.Username != nil {
		info := u.info()
		e.ImpersonatedUser = &info
	}
	if v.AuthenticationMetadata != nil {
		e.AuthenticationMetadata = &AuthenticationMetadata{}
		for key, value := range v.AuthenticationMetadata.Members {
			if key.Is("impersonationConstraint") {
				e.AuthenticationMetadata.ImpersonationConstraint = value.string()
			}
		}
	}
	if r := &v.ObjectRef; r.Raw != nil || r.Resource != nil {
		e.ObjectRef = &ObjectReference{
			Resource:        r.Resource.String(),
			Namespace:       r.Namespace.String(),
			Name:            r.Name.String(),
			UID:             r.UID.String(),
			APIGroup:        r.APIGroup.String(),
			APIVersion:      r.APIVersion.String(),
			ResourceVersion: r.ResourceVersion.String(),
			Subresource:     r.Subresource.String(),
		}
	}
	if s := &v.ResponseStatus; s.Raw != nil || s.Code != 0 || s.Status != nil {
		e.ResponseStatus = &Status{
			Status:  s.Status.String(),
			Message: s.Message.String(),
			Reason:  s.Reason.String(),
			Details: s.details(),
			Code:    s.Code,
		}
	}
	if v.Annotations == nil && v.Decision != nil { // the annotations were cut
		e.Annotations = map[string]string{decisionKey: v.Decision.String()}
		if v.Reason != nil {
			e.Annotations[reasonKey] = v.Reason.String()
		}
	}
	err := e.RequestReceivedTimestamp.set("requestReceivedTimestamp", v.RequestReceivedTimestamp, v.RequestTime)
	if err2 := e.StageTimestamp.set("stageTimestamp", v.StageTimestamp, v.Time); err == nil {
		err = err2
	}
	return err
}

// UnmarshalJSON reads an event as View does.
func (e *Event) UnmarshalJSON(b []byte) error {
	var v View
	if err := v.Parse(b); err != nil {
		return err
	}
	return e.UnmarshalFrom(&v)
}

func (t *MicroTime) set(name string, text Text, micros int64) error {
	switch {
	case micros != 0:
		*t = microTime(micros)
	case len(text) > 0:
		if _, ok := Micros(text); !ok {
			return fmt.Errorf("%s %q is not an RFC 3339 time", name, text.String())
		}
		*t = microTime(0)
	}
	return nil
}

func (u *UserView) info() UserInfo {
	info := UserInfo{Username: u.Username.String(), UID: u.UID.String(), Groups: u.Groups.strings()}
	for key, value := range u.Extra.Members {
		if info.Extra == nil {
			info.Extra = make(map[string][]string)
		}
		info.Extra[key.String()] = value.strings()
	}
	return info
}

// details are in the Span only: nobody searches by them.
func (s *StatusView) details() (d *StatusDetails) {
	for key, value := range s.Raw.Members {
		if !key.Is("details") {
			continue
		}
		d = nil // of two the last counts
		if value[0] != '{' {
			continue
		}
		d = &StatusDetails{}
		for key, value := range value.Members {
			switch key.String() {
			case "name":
				d.Name = value.string()
			case "group":
				d.Group = value.string()
			case "kind":
				d.Kind = value.string()
			case "uid":
				d.UID = value.string()
			case "causes":
				d.Causes = value.causes()
			case "retryAfterSeconds":
				d.RetryAfterSeconds = int32Of(value)
			}
		}
	}
	return d
}

func (s Span) causes() (causes []StatusCause) {
	for value := range s.elements {
		var c StatusCause
		for key, value := range value.Members {
			switch key.String() {
			case "reason":
				c.Reason = value.string()
			case "message":
				c.Message = value.string()
			case "field":
				c.Field = value.string()
			}
		}
		causes = append(causes, c)
	}
	return causes
}

// string is the value decoded, "" if it is not a string.
func (s Span) string() string { return s.text().String() }

// strings is nil unless s is an array.
func (s Span) strings() []string {
	if len(s) == 0 || s[0] != '[' {
		return nil
	}
	list := []string{}
	for t := range s.Strings {
		list = append(list, t.String())
	}
	return list
}

func (s Span) stringMap() map[string]string {
	if len(s) == 0 || s[0] != '{' {
		return nil
	}
	m := make(map[string]string)
	for key, value := range s.Members {
		m[key.String()] = value.string()
	}
	return m
}
