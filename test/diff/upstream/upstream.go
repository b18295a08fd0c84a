// Package upstream is kube-apiserver's own way of auditing, put together from its filters.
//
// Start with Chain.
package upstream

import (
	"net/http"
	"time"

	"k8s.io/apimachinery/pkg/util/sets"
	auditinternal "k8s.io/apiserver/pkg/apis/audit"
	"k8s.io/apiserver/pkg/audit"
	"k8s.io/apiserver/pkg/audit/policy"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/apiserver/pkg/endpoints/filters"
	"k8s.io/apiserver/pkg/endpoints/filters/impersonation"
	"k8s.io/apiserver/pkg/endpoints/request"
	genericfilters "k8s.io/apiserver/pkg/server/filters"
	"k8s.io/client-go/kubernetes/scheme"
)

// Resolver reads URLs as kube-apiserver does.
var Resolver = &request.RequestInfoFactory{APIPrefixes: sets.NewString("api", "apis"), GrouplessAPIPrefixes: sets.NewString("api")}

// LongRunning is kube-apiserver's check, not the smaller one of a generic API server.
var LongRunning = genericfilters.BasicLongRunningRequestCheck(
	sets.NewString("watch", "proxy"), sets.NewString("attach", "exec", "proxy", "log", "portforward"))

// Config is what a chain needs.
type Config struct {
	Policy        *auditinternal.Policy // the chain has a copy
	Sink          audit.Sink
	Authenticator authenticator.Request
	Authorizer    authorizer.Authorizer // nil: no impersonation and no authorization
}

// Chain puts kube-apiserver's filters around a handler, in its order: all that have to do with auditing.
func Chain(handler http.Handler, c Config) http.Handler {
	evaluator := policy.NewPolicyRuleEvaluator(c.Policy.DeepCopy())
	if c.Authorizer != nil {
		handler = Inner(handler, c.Authorizer)
	}
	handler = audited(handler, c, evaluator)
	handler = filters.WithRequestDeadline(handler, c.Sink, evaluator, LongRunning, scheme.Codecs, time.Minute)
	return outer(filters.WithLatencyTrackers(handler))
}

// Audit is the part of Chain without which nothing is recorded.
func Audit(handler http.Handler, c Config) http.Handler {
	return outer(audited(handler, c, policy.NewPolicyRuleEvaluator(c.Policy.DeepCopy())))
}

func audited(handler http.Handler, c Config, evaluator audit.PolicyRuleEvaluator) http.Handler {
	handler = filters.WithAudit(handler, c.Sink, evaluator, LongRunning)
	failed := filters.WithFailedAuthenticationAudit(filters.Unauthorized(scheme.Codecs), c.Sink, evaluator)
	return filters.WithAuthentication(handler, c.Authenticator, failed, nil, nil)
}

func outer(handler http.Handler) http.Handler {
	handler = filters.WithRequestInfo(handler, Resolver)
	handler = filters.WithRequestReceivedTimestamp(handler)
	return filters.WithAuditInit(handler)
}

// Inner is what of the chain lies within auditing.
func Inner(handler http.Handler, a authorizer.Authorizer) http.Handler {
	handler = filters.WithAuthorization(handler, a, scheme.Codecs)
	return impersonation.WithConstrainedImpersonation(handler, a, scheme.Codecs)
}
