package audit

import (
	"strconv"
	"time"
)

// AppendLegacy appends the event as kube-apiserver's log has it with --audit-log-format=legacy, without the newline. The
// time is in the zone the event has it in.
func (e *Event) AppendLegacy(dst []byte) []byte {
	user, groups := "<none>", "<none>"
	if e.User.Username != "" {
		user, groups = e.User.Username, quoteAll(e.User.Groups, groups)
	}
	asUser, asGroups := "<self>", "<lookup>"
	if e.ImpersonatedUser != nil {
		asUser = e.ImpersonatedUser.Username
		if e.ImpersonatedUser.Groups != nil { // kube-apiserver tells an empty list from none, here alone
			asGroups = quoteAll(e.ImpersonatedUser.Groups, "")
		}
	}
	namespace := "<none>"
	if e.ObjectRef != nil && e.ObjectRef.Namespace != "" {
		namespace = e.ObjectRef.Namespace
	}
	ip := "<unknown>"
	if len(e.SourceIPs) > 0 {
		ip = e.SourceIPs[0]
	}
	response := "<deferred>"
	if e.ResponseStatus != nil {
		response = strconv.Itoa(int(e.ResponseStatus.Code))
	}
	dst = e.RequestReceivedTimestamp.AppendFormat(dst, time.RFC3339Nano)
	for _, field := range [...][2]string{
		{" AUDIT: id=", e.AuditID}, {" stage=", string(e.Stage)}, {" ip=", ip}, {" method=", e.Verb}, {" user=", user},
		{" groups=", groups}, {" as=", asUser}, {" asgroups=", asGroups}, {" user-agent=", e.UserAgent},
		{" namespace=", namespace}, {" uri=", e.RequestURI}, {" response=", response},
	} {
		dst = strconv.AppendQuote(append(dst, field[0]...), field[1])
	}
	return dst
}

// quoteAll quotes and joins a list; an empty one is none.
func quoteAll(list []string, none string) string {
	if len(list) == 0 {
		return none
	}
	var b []byte
	for i, s := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendQuote(b, s)
	}
	return string(b)
}
