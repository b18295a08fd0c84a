package format

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"annals.dev/audit"
)

// eventOf reads a v1 event made by hand. Times that cannot be read are left out.
func eventOf(b []byte, e *audit.Event) error {
	var v audit.View
	if err := v.Parse(b); err != nil {
		return err
	}
	_ = e.UnmarshalFrom(&v) // only times can be wrong
	return nil
}

// aksColumns are the columns of AKSAudit, AKSAuditAdmin and ArcK8sAudit that an event is made of.
var aksColumns = map[string]string{
	"Level": "level", "AuditId": "auditID", "Stage": "stage", "RequestUri": "requestURI", "Verb": "verb", "User": "user",
	"SourceIps": "sourceIPs", "UserAgent": "userAgent", "ObjectRef": "objectRef", "ResponseStatus": "responseStatus",
	"RequestObject": "requestObject", "ResponseObject": "responseObject", "RequestReceivedTime": "requestReceivedTimestamp",
	"StageReceivedTime": "stageTimestamp", "Annotations": "annotations",
}

// fromAKS reads a row of a Log Analytics table. Exports write objects as JSON or as strings of JSON.
func fromAKS(b []byte, e *audit.Event) error {
	members := map[string][]byte{}
	walk(b, func(column string, value audit.Span) bool {
		key := aksColumns[column]
		if key == "" || len(value) == 0 {
			return true
		}
		switch key {
		case "user", "sourceIPs", "objectRef", "responseStatus", "requestObject", "responseObject", "annotations":
			if text := content(value); text != nil {
				inner := []byte(text.String())
				var v audit.View
				if len(inner) == 0 {
					return true
				}
				if v.Parse(inner) == nil || inner[0] == '[' && skipValue(inner, 0) == len(inner) {
					value = inner
				}
			}
		case "stageTimestamp", "requestReceivedTimestamp":
			if t := timeOf(value); t != 0 {
				value = []byte(`"` + formatMicros(t) + `"`)
			}
		}
		members[key] = value
		return true
	})
	if members["auditID"] == nil {
		return errors.New("a row without AuditId")
	}
	made := []byte{'{'}
	for i, key := range slices.Sorted(maps.Keys(members)) {
		if i > 0 {
			made = append(made, ',')
		}
		made = append(append(appendString(made, []byte(key)), ':'), members[key]...)
	}
	return eventOf(append(made, '}'), e)
}

// fromElastic reads a document of Filebeat or Elastic Agent. Dots in the names of annotations became underscores: in the
// part before the slash, where no underscore can have been, they become dots again.
func fromElastic(b []byte, e *audit.Event) error {
	inner := memberOf(memberOf(b, "kubernetes"), "audit")
	if err := eventOf(inner, e); err != nil {
		return err
	}
	restored := make(map[string]string, len(e.Annotations))
	for key, value := range e.Annotations {
		if domain, name, ok := strings.Cut(key, "/"); ok {
			key = strings.ReplaceAll(domain, "_", ".") + "/" + name
		}
		restored[key] = value
	}
	e.Annotations = restored
	return nil
}

// fromViaQ reads an event that OpenShift's ClusterLogForwarder sent: its level stands under another name.
func fromViaQ(b []byte, e *audit.Event) error {
	if err := eventOf(b, e); err != nil {
		return err
	}
	for _, key := range []string{"k8s_audit_level", "openshift_audit_level"} {
		if level := content(memberOf(b, key)); level != nil {
			e.Level = audit.Level(level.String())
			return nil
		}
	}
	return errors.New("neither k8s_audit_level nor openshift_audit_level")
}
