package audit

import "bytes"

// A field is a member that a View knows: its number within its object, and its bit in a set of those seen.
type field uint

const unknown field = 31

// The fields of an event.
const (
	fKind field = iota
	fAPIVersion
	fLevel
	fAuditID
	fStage
	fRequestURI
	fVerb
	fUser
	fImpersonatedUser
	fAuthenticationMetadata
	fSourceIPs
	fUserAgent
	fObjectRef
	fResponseStatus
	fRequestObject
	fResponseObject
	fRequestReceivedTimestamp
	fStageTimestamp
	fAnnotations
	fMetadata
	fTimestamp
)

func eventField(key Text) field {
	switch string(key) {
	case "kind":
		return fKind
	case "apiVersion":
		return fAPIVersion
	case "level":
		return fLevel
	case "auditID":
		return fAuditID
	case "stage":
		return fStage
	case "requestURI":
		return fRequestURI
	case "verb":
		return fVerb
	case "user":
		return fUser
	case "impersonatedUser":
		return fImpersonatedUser
	case "authenticationMetadata":
		return fAuthenticationMetadata
	case "sourceIPs":
		return fSourceIPs
	case "userAgent":
		return fUserAgent
	case "objectRef":
		return fObjectRef
	case "responseStatus":
		return fResponseStatus
	case "requestObject":
		return fRequestObject
	case "responseObject":
		return fResponseObject
	case "requestReceivedTimestamp":
		return fRequestReceivedTimestamp
	case "stageTimestamp":
		return fStageTimestamp
	case "annotations":
		return fAnnotations
	case "metadata":
		return fMetadata
	case "timestamp":
		return fTimestamp
	}
	var scratch keyScratch
	if key = key.unescape(&scratch); key != nil {
		return eventField(key)
	}
	return unknown
}

// The fields of user and impersonatedUser.
const (
	fUsername field = iota
	fUserUID
	fGroups
	fExtra
)

func userField(key Text) field {
	switch string(key) {
	case "username":
		return fUsername
	case "uid":
		return fUserUID
	case "groups":
		return fGroups
	case "extra":
		return fExtra
	}
	var scratch keyScratch
	if key = key.unescape(&scratch); key != nil {
		return userField(key)
	}
	return unknown
}

// The fields of objectRef.
const (
	fResource field = iota
	fNamespace
	fName
	fObjectUID
	fAPIGroup
	fObjectAPIVersion
	fResourceVersion
	fSubresource
)

func objectRefField(key Text) field {
	switch string(key) {
	case "resource":
		return fResource
	case "namespace":
		return fNamespace
	case "name":
		return fName
	case "uid":
		return fObjectUID
	case "apiGroup":
		return fAPIGroup
	case "apiVersion":
		return fObjectAPIVersion
	case "resourceVersion":
		return fResourceVersion
	case "subresource":
		return fSubresource
	}
	var scratch keyScratch
	if key = key.unescape(&scratch); key != nil {
		return objectRefField(key)
	}
	return unknown
}

// The fields of responseStatus.
const (
	fStatus field = iota
	fMessage
	fStatusReason
	fCode
)

func statusField(key Text) field {
	switch string(key) {
	case "status":
		return fStatus
	case "message":
		return fMessage
	case "reason":
		return fStatusReason
	case "code":
		return fCode
	}
	var scratch keyScratch
	if key = key.unescape(&scratch); key != nil {
		return statusField(key)
	}
	return unknown
}

// The annotations that a View picks out.
const (
	fDecision field = iota
	fReason

	decisionKey = "authorization.k8s.io/decision"
	reasonKey   = "authorization.k8s.io/reason"
)

func annotationField(key Text) field {
	switch string(key) {
	case decisionKey:
		return fDecision
	case reasonKey:
		return fReason
	}
	var scratch keyScratch
	if key = key.unescape(&scratch); key != nil {
		return annotationField(key)
	}
	return unknown
}

// keyScratch has room for the longest key a View knows with every letter written as \u0061.
type keyScratch [6 * len(decisionKey)]byte

// unescape decodes a key that is written with escapes; nil if it has none, or none that could make it a key to know.
// What is left has no backslash, so that it is not decoded again.
func (t Text) unescape(scratch *keyScratch) Text {
	if bytes.IndexByte(t, '\\') < 0 || len(t) > len(scratch) {
		return nil
	}
	decoded := t.Append(scratch[:0])
	if bytes.IndexByte(decoded, '\\') >= 0 {
		return nil
	}
	return decoded
}
