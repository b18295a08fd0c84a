package proxy

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	authentication "k8s.io/api/authentication/v1"
	authorization "k8s.io/api/authorization/v1"
	"k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"annals.dev/audit"
	"annals.dev/capture"
)

// asked is whom a request's own headers ask to act as; nil if they do not. What is missing is filled in as the API server
// does it.
func asked(h http.Header) (u *audit.UserInfo, err error) {
	u = &audit.UserInfo{Username: h.Get(impersonateUser), UID: h.Get(impersonateUID), Groups: slices.Clone(h[impersonateGroup])}
	more := len(u.Groups) > 0 || u.UID != ""
	var extra []string
	for name := range h {
		if strings.HasPrefix(name, impersonateExtra) {
			extra = append(extra, name)
		}
	}
	slices.Sort(extra) // two names may stand for one key
	for _, name := range extra {
		values, encoded := h[name], name[len(impersonateExtra):]
		key := strings.ToLower(encoded)
		if plain, err := url.PathUnescape(key); err == nil {
			key = plain
		}
		if u.Extra == nil {
			u.Extra = map[string][]string{}
		}
		u.Extra[key] = append(u.Extra[key], values...)
		more = true
	}
	if u.Username == "" {
		if more {
			return nil, fmt.Errorf("a group, UID or extra is to be impersonated, but no user")
		}
		return nil, nil
	}
	return u, nil
}

// completed is u with the groups that the API server gives to whom is impersonated.
func completed(u *audit.UserInfo) *audit.UserInfo {
	with := *u
	if namespace, _, ok := serviceAccount(u.Username); ok && len(u.Groups) == 0 {
		with.Groups = []string{"system:serviceaccounts", "system:serviceaccounts:" + namespace}
	}
	if u.Username != anonymous {
		return withAuthenticated(&with)
	}
	if !slices.Contains(with.Groups, unauthenticated) {
		with.Groups = append(slices.Clone(with.Groups), unauthenticated)
	}
	return &with
}

// serviceAccount splits the user name of a service account. What only looks like one is a user's, as to the API server.
func serviceAccount(user string) (namespace, name string, ok bool) {
	rest, ok := strings.CutPrefix(user, "system:serviceaccount:")
	if !ok {
		return "", "", false
	}
	namespace, name, ok = strings.Cut(rest, ":")
	return namespace, name, ok && len(validation.ValidateNamespaceName(namespace, false)) == 0 && len(validation.ValidateServiceAccountName(name, false)) == 0
}

// identity is as whom a request goes up: in Impersonate the caller, or whom the caller may impersonate; in Passthrough whom
// the upstream is asked to let the caller be, if anybody.
func (p *Proxy) identity(r *http.Request) (*audit.UserInfo, *refusal) {
	want, err := asked(r.Header)
	if p.cfg.Mode == Passthrough {
		if err != nil || want == nil {
			return nil, nil // the upstream says what is wrong with it
		}
		return completed(want), nil
	}
	c := callOf(r)
	caller := c.user
	named := slices.ContainsFunc(slices.Collect(maps.Keys(r.Header)), isImpersonation)
	switch {
	case named && !p.cfg.AllowImpersonation:
		return nil, refuse(http.StatusForbidden, "Forbidden", "this proxy does not let callers impersonate others")
	case named && c.anonymous:
		return nil, refuse(http.StatusForbidden, "Forbidden", "without credentials nobody can be impersonated")
	case c.anonymous:
		return nil, nil
	case err != nil:
		return nil, refuse(http.StatusBadRequest, "BadRequest", "%w", err)
	case named && want == nil:
		return nil, refuse(http.StatusBadRequest, "BadRequest", "the request has an Impersonate header that names nobody")
	}
	if want == nil {
		want = caller
	}
	// First, so that no question is asked about what is refused anyhow.
	if err := checkIdentity(want); err != nil {
		return nil, refuse(http.StatusForbidden, "Forbidden", "%w", err)
	}
	if want == caller {
		return want, nil
	}
	if f := p.mayImpersonate(r.Context(), caller, want); f != nil {
		return nil, f
	}
	want = completed(want)
	capture.SetImpersonatedUser(r.Context(), want, "")
	return want, nil
}

// maxImpersonated bounds the questions that one request may cause.
const maxImpersonated = 100

// mayImpersonate asks the upstream's authorizer about each part of whom a caller wants to be.
func (p *Proxy) mayImpersonate(ctx context.Context, caller, want *audit.UserInfo) *refusal {
	parts := []authorization.ResourceAttributes{{Resource: "users", Version: "v1", Name: want.Username}}
	if namespace, name, ok := serviceAccount(want.Username); ok {
		parts[0] = authorization.ResourceAttributes{Resource: "serviceaccounts", Version: "v1", Namespace: namespace, Name: name}
	}
	for _, g := range want.Groups {
		parts = append(parts, authorization.ResourceAttributes{Resource: "groups", Version: "v1", Name: g})
	}
	if want.UID != "" {
		parts = append(parts, authorization.ResourceAttributes{Group: authentication.GroupName, Version: "v1", Resource: "uids", Name: want.UID})
	}
	for _, key := range slices.Sorted(maps.Keys(want.Extra)) {
		for _, value := range want.Extra[key] {
			parts = append(parts, authorization.ResourceAttributes{Group: authentication.GroupName, Version: "v1", Resource: "userextras", Subresource: key, Name: value})
		}
	}
	if len(parts) > maxImpersonated {
		return refuse(http.StatusForbidden, "Forbidden", "%d users, groups and extras are to be impersonated at once; the limit is %d", len(parts), maxImpersonated)
	}
	for _, part := range parts {
		part.Verb = "impersonate"
		allowed, err := p.reviews.allowed(ctx, caller, &part)
		if err != nil {
			p.complain("proxy: the upstream does not say who may impersonate; the request is refused", err)
			return refuse(http.StatusServiceUnavailable, "ServiceUnavailable", "it cannot be told whether this impersonation is allowed")
		}
		if !allowed {
			what := part.Resource
			if part.Subresource != "" {
				what += "/" + part.Subresource
			}
			return refuse(http.StatusForbidden, "Forbidden", "%s %q is forbidden: User %q cannot impersonate resource %q in API group %q",
				what, part.Name, caller.Username, what, part.Group)
		}
	}
	return nil
}

// allowed asks whether the upstream's authorizer lets a user do something.
func (v *reviews) allowed(ctx context.Context, u *audit.UserInfo, what *authorization.ResourceAttributes) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	if err := v.asking.Acquire(ctx, 1); err != nil {
		return false, err
	}
	defer v.asking.Release(1)
	question := authorization.SubjectAccessReview{Spec: authorization.SubjectAccessReviewSpec{
		ResourceAttributes: what, User: u.Username, UID: u.UID, Groups: u.Groups,
	}}
	question.Kind, question.APIVersion = "SubjectAccessReview", "authorization.k8s.io/v1"
	for key, values := range u.Extra {
		if question.Spec.Extra == nil {
			question.Spec.Extra = map[string]authorization.ExtraValue{}
		}
		question.Spec.Extra[key] = values
	}
	var answer authorization.SubjectAccessReview
	if _, err := v.up.ask(ctx, pathAccess, "", &question, &answer); err != nil {
		return false, err
	}
	return answer.Status.Allowed && !answer.Status.Denied, nil
}

// impersonationHeld says of the upstream's answer to a request with Impersonate headers whether the upstream let the caller
// be whom they name. What it refuses, it refuses with its own words: only those about this caller count, since a name may
// hold any others.
func impersonationHeld(res *http.Response, caller string) bool {
	switch res.StatusCode {
	case http.StatusUnauthorized:
		return false
	case http.StatusForbidden:
		status, ok := peekStatus(res)
		return ok && !strings.Contains(status.Message, ": User "+strconv.Quote(caller)+" cannot impersonate")
	}
	return true
}

// maxStatus bounds what is read ahead of an answer.
const maxStatus = 64 << 10

// peekStatus reads the Status in an answer, and puts it back.
func peekStatus(res *http.Response) (*metav1.Status, bool) {
	b, err := io.ReadAll(io.LimitReader(res.Body, maxStatus))
	res.Body = &reread{io.MultiReader(strings.NewReader(string(b)), res.Body), res.Body}
	kind, _, _ := mime.ParseMediaType(cmp.Or(res.Header.Get("Content-Type"), "application/json"))
	if err != nil || res.Header.Get("Content-Encoding") != "" {
		return nil, false
	}
	return decodeStatus(kind, b)
}

type reread struct {
	io.Reader
	io.Closer
}
