package simulate

import (
	"slices"

	"annals.dev/audit"
	"annals.dev/policy"
)

// side is what one policy makes of an event.
type side struct {
	kept                            bool
	bytes                           int64
	request, response               bool // it holds that body
	unknownRequest, unknownResponse bool // it would, but the recording shows none
}

// recorded is the event as it is.
func recorded(v *audit.View) side {
	return side{kept: true, bytes: int64(len(v.Raw)), request: v.RequestObject != nil, response: v.ResponseObject != nil}
}

// decided is the event as a policy's verdict would have it, as far as the recording shows.
func decided(v *audit.View, a *policy.Attributes, d policy.Decision) side {
	if d.Level == audit.LevelNone || d.Omit.Has(audit.Stage(v.Stage)) {
		return side{}
	}
	s := recorded(v)
	s.bytes += int64(len(d.Level) - len(v.Level))
	request := d.Level == audit.LevelRequest || d.Level == audit.LevelRequestResponse
	response := d.Level == audit.LevelRequestResponse
	if s.request && !request {
		s.request = false
		s.bytes -= member("requestObject", v.RequestObject)
	}
	if s.response && !response {
		s.response = false
		s.bytes -= member("responseObject", v.ResponseObject)
	}
	if d.OmitManagedFields {
		if s.request && a.Verb != "patch" { // a patch is recorded as it came
			s.bytes -= managedFields(v.RequestObject)
		}
		if s.response {
			s.bytes -= managedFields(v.ResponseObject)
		}
	}
	if d.Level == policy.LevelMinimal {
		s.bytes -= member("user", v.User.Raw) + member("impersonatedUser", v.ImpersonatedUser.Raw) + member("sourceIPs", v.SourceIPs) +
			member("userAgent", audit.Span(v.UserAgent)) + member("annotations", v.Annotations)
	}
	// What a lower level left out was there only after the request was read, and some requests have no body to record.
	level := audit.Level(v.Level)
	if audit.Stage(v.Stage) != audit.StageResponseComplete || slices.Contains([]string{"exec", "attach", "portforward", "proxy"}, a.Subresource) {
		return s
	}
	writes := slices.Contains([]string{"create", "update", "patch", "delete", "deletecollection"}, a.Verb)
	s.unknownRequest = request && writes && !level.AtLeast(audit.LevelRequest)
	s.unknownResponse = response && a.Verb != "watch" && a.Subresource != "log" && !level.AtLeast(audit.LevelRequestResponse)
	return s
}

// member is what a member takes of its object, with its name and comma.
func member(name string, value audit.Span) int64 {
	if value == nil {
		return 0
	}
	return int64(len(name) + len(`,"":`) + len(value))
}

// managedFields is what they take of a body: of an object, of a list's objects, of a table's.
func managedFields(body audit.Span) (n int64) {
	for key, value := range body.Members {
		switch string(key) {
		case "metadata":
			for k, v := range value.Members {
				if string(k) == "managedFields" {
					n += member("managedFields", v)
				}
			}
		case "items":
			for item := range value.Elements {
				n += managedFields(item)
			}
		case "rows":
			for row := range value.Elements {
				for k, object := range row.Members {
					if string(k) == "object" {
						n += managedFields(object)
					}
				}
			}
		}
	}
	return n
}
