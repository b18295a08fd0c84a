package e2e

import (
	"encoding/base64"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"annals.dev/test/e2e/kube"
)

// differences are all in which the proxy's event may differ from the API server's.
var differences = []*difference{
	{
		id: "times", reason: "the proxy receives a request before the API server does, and has each stage at a moment of its own",
		explains: func(d delta) bool {
			switch d.path {
			case "requestReceivedTimestamp":
				return isTime(d.one) && isTime(d.both) && d.one.(string) < d.both.(string)
			case "stageTimestamp":
				return isTime(d.one) && isTime(d.both)
			}
			return false
		},
	},
	{
		id: "identity", reason: "in mode impersonate the API server's user is the proxy, and its impersonatedUser is the proxy's impersonatedUser or user",
		explains: func(d delta) bool {
			if d.mode != impersonate || d.theirs.str("user", "username") != proxyUser {
				return false
			}
			switch {
			case d.path == "impersonatedUser":
				return d.one == absent && reflect.DeepEqual(d.both, d.ours["user"])
			case d.path == "authenticationMetadata":
				return d.one == absent && d.theirs.at("authenticationMetadata", "impersonationConstraint") == "impersonate:user-info"
			}
			// The impersonation is known from the second stage on, and compared there.
			return strings.HasPrefix(d.path, "user.") && (d.theirs.str("stage") == "RequestReceived" || d.theirs.at("impersonatedUser") != absent)
		},
	},
	{
		id: "constraint", reason: "by which right a caller may impersonate another is the API server's own finding",
		explains: func(d delta) bool {
			return d.mode == passthrough && d.path == "authenticationMetadata" && d.one == absent && d.ours.at("impersonatedUser") != absent
		},
	},
	{
		id: "upstream-annotations", reason: "what the API server notes of its own decisions is not known before it",
		explains: func(d delta) bool { return d.one == absent && annotated(d, upstreamNotes...) },
	},
	{
		id: "source-ips", reason: "to the API server the proxy is one more hop, and the nearest",
		explains: func(d delta) bool {
			ours, _ := d.one.([]any)
			theirs, _ := d.both.([]any)
			return d.path == "sourceIPs" && len(theirs) > 0 && slices.Equal(append(slices.Clone(ours), "127.0.0.1"), theirs)
		},
	},
	{
		id: "body-as-sent", reason: "the API server records an object as it decoded it, with the defaults of its fields",
		explains: func(d delta) bool {
			verb := d.ours.str("verb")
			return strings.HasPrefix(d.path, "requestObject.") && d.one == absent && (verb == "create" || verb == "update")
		},
	},
	{
		id: "body-as-sent (string-data)", reason: "a secret's stringData becomes data when the API server decodes it",
		explains: func(d delta) bool {
			ours, _ := d.one.(map[string]any)
			for key, v := range ours {
				text, _ := v.(string)
				if d.theirs.at("requestObject", "data", key) != base64.StdEncoding.EncodeToString([]byte(text)) {
					return false
				}
			}
			return d.path == "requestObject.stringData" && d.both == absent && len(ours) > 0
		},
	},
	{
		id: "body-as-sent (delete-options)", reason: "the API server records the options of a deletion in its internal version",
		explains: func(d delta) bool {
			verb := d.ours.str("verb")
			return (d.path == "requestObject.apiVersion" || d.path == "requestObject.kind") && (verb == "delete" || verb == "deletecollection") &&
				d.theirs.str("requestObject", "kind") == "DeleteOptions" && d.theirs.str("requestObject", "apiVersion") == "meta.k8s.io/__internal"
		},
	},
	{
		id: "body-refused", reason: "the API server does not record a body that it does not want to decode, nor what it names",
		explains: func(d delta) bool {
			if code := d.theirs.code(); code != "400" && code != "405" && code != "413" || d.theirs.at("requestObject") != absent {
				return false
			}
			return d.both == absent && (d.path == "requestObject" || d.path == "objectRef.name" || annotated(d, "audit.annals.dev/request-object"))
		},
	},
	{
		id: "answer-as-sent", reason: "the API server records answers that are Kubernetes objects, the proxy any JSON",
		explains: func(d delta) bool {
			uri := d.ours.str("requestURI")
			return d.path == "responseObject" && d.both == absent && d.ours.at("objectRef") == absent &&
				(strings.HasPrefix(uri, "/openapi/") || strings.HasPrefix(uri, "/version"))
		},
	},
	{
		id: "head", reason: "the answer to HEAD has no body of which the proxy could read a status",
		explains: func(d delta) bool {
			return d.one == absent && d.ours.str("verb") == "list" && d.theirs.code() == "405" &&
				(d.path == "responseObject" || strings.HasPrefix(d.path, "responseStatus."))
		},
	},
	{
		id: "invalid-timeout", reason: "the API server looks at ?timeout= before it knows the user, and has one event of a bad one; to the proxy it is as any other request",
		explains: func(d delta) bool {
			e := d.ours
			if e == nil {
				e = d.theirs
			}
			return d.path == "" && strings.Contains(e.str("requestURI"), "timeout=never")
		},
	},
	{
		id: "aborted", reason: "the proxy notes that an answer broke off or its client went away",
		explains: func(d delta) bool {
			stream := d.ours.str("verb") == "watch" || d.ours.str("objectRef", "subresource") == "log"
			return d.both == absent && annotated(d, "audit.annals.dev/aborted") && d.ours.str("stage") == "ResponseComplete" && stream
		},
	},
	{
		id: "body-not-json", reason: "kube-apiserver before 1.37 loses the event of a patch whose body is not JSON",
		explains: func(d delta) bool {
			return d.path == "" && d.both == absent && d.ours.str("verb") == "patch" && d.ours.str("stage") == "ResponseComplete"
		},
	},
	{
		id: "credentials-in-url", reason: "the proxy writes no credential down, wherever it stands",
		explains: func(d delta) bool {
			theirs, _ := d.both.(string)
			return d.path == "requestURI" && d.one == strings.Replace(theirs, "in-the-clear", "REDACTED", 1)
		},
	},
	{
		id: "refused-here", reason: "what the proxy refuses the API server never sees",
		explains: func(d delta) bool {
			return d.path == "" && d.theirs == nil && d.ours.str("stage") == "ResponseStarted" && d.ours.code() == "401" && len(d.ours["user"].(map[string]any)) == 0
		},
	},
	{
		id: "own-questions", reason: "the proxy asks the API server who a caller is and what a caller may",
		explains: func(d delta) bool {
			if d.path != "" || d.ours != nil || d.theirs.str("userAgent") != "annals-proxy" {
				return false
			}
			if d.mode == passthrough {
				return d.theirs.str("objectRef", "resource") == "selfsubjectreviews" // by the caller's own token
			}
			asked := d.theirs.str("objectRef", "resource")
			return d.theirs.str("user", "username") == proxyUser && (asked == "tokenreviews" || asked == "subjectaccessreviews")
		},
	},
}

// upstreamNotes are the annotations of which only the API server can know.
var upstreamNotes = []string{
	"authorization.k8s.io/decision", "authorization.k8s.io/reason", "pod-security.kubernetes.io/enforce-policy",
	"apiserver.latency.k8s.io/", // of slow requests
}

// annotated says of a delta that it is of these annotations alone; a key that ends in / is any that begins so.
func annotated(d delta, keys ...string) bool {
	if key, ok := strings.CutPrefix(d.path, "annotations."); ok {
		return slices.ContainsFunc(keys, func(k string) bool { return key == k || strings.HasSuffix(k, "/") && strings.HasPrefix(key, k) })
	}
	if d.path != "annotations" {
		return false
	}
	for _, side := range []any{d.one, d.both} {
		notes, _ := side.(map[string]any)
		for key := range notes {
			if !annotated(delta{path: "annotations." + key}, keys...) {
				return false
			}
		}
	}
	return true
}

var timeForm = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$`)

func isTime(v any) bool {
	s, ok := v.(string)
	return ok && timeForm.MatchString(s)
}

var yamlBlock = regexp.MustCompile("(?s)```yaml\n(.*?)```")

// allowProxy gives the proxy the rights that its document says it needs, by the document's own words.
func allowProxy(t *testing.T, s *kube.Server) {
	t.Helper()
	doc, err := os.ReadFile("../../docs/proxy.md")
	must(t, err)
	for _, block := range yamlBlock.FindAllStringSubmatch(string(doc), -1) {
		if !strings.Contains(block[1], "kind: ClusterRole") {
			continue
		}
		if _, complaint, err := s.Kubectl(s.Admin(), block[1], "apply", "-f", "-"); err != nil {
			t.Fatalf("what docs/proxy.md gives the proxy is not accepted: %v: %s", err, complaint)
		}
	}
}
