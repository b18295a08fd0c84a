// Package audit is the Kubernetes audit event: reading one, and writing one.
//
// Start with View. It reads an event's bytes in one pass and without allocating, and accepts exactly the
// JSON objects that encoding/json accepts; ParseCut saves what is whole of an event that was cut. Event is the same as Go
// values, for those who make events; AppendJSON writes it byte for byte as kube-apiserver does.
package audit

// Text is a JSON string's content as it stands between its quotes, escapes and all. Nil means the member is absent (or
// null); empty but not nil means "".
type Text []byte

// Span is a JSON value exactly as it stands in the event. Nil means absent.
type Span []byte

// View is one event's bytes, read in a single pass without unmarshalling or allocating: each field is a piece of Raw.
// A View is reused: Parse overwrites it. Nothing in it outlives the bytes it was made from.
type View struct {
	Raw []byte

	Kind, APIVersion                         Text
	Level, AuditID, Stage, RequestURI, Verb  Text
	User, ImpersonatedUser                   UserView
	SourceIPs                                Span
	UserAgent                                Text
	ObjectRef                                ObjectRefView
	ResponseStatus                           StatusView
	RequestObject, ResponseObject            Span
	RequestReceivedTimestamp, StageTimestamp Text
	Annotations, AuthenticationMetadata      Span
	Decision, Reason                         Text // authorization.k8s.io/decision and /reason, from Annotations

	// RequestTime and Time are the two timestamps in microseconds since 1970, 0 where absent or unreadable. Time falls
	// back on v1beta1's metadata.creationTimestamp, RequestTime on its timestamp; v1alpha1 has only that, and Time too is
	// then taken from it.
	RequestTime, Time int64

	Unknown   int  // members of the event that no field above holds, v1beta1's metadata and timestamp among them
	Duplicate bool // a member that is read here stands twice in its object; the last one counts, alone
	Cut       bool // the bytes end before the event does; the members before the cut are here
}

// UserView is user or impersonatedUser.
type UserView struct {
	Raw           Span
	Username, UID Text
	Groups, Extra Span
}

// ObjectRefView is objectRef.
type ObjectRefView struct {
	Raw                                                Span
	Resource, Namespace, Name, UID                     Text
	APIGroup, APIVersion, ResourceVersion, Subresource Text
}

// StatusView is responseStatus.
type StatusView struct {
	Raw                     Span
	Status, Message, Reason Text
	Code                    int32 // 0: absent
}
