// Package policy decides which requests become audit events, and how much of each: it is the audit.k8s.io/v1 Policy.
//
// Start with Parse or Load, which read a policy and refuse a wrong one with kube-apiserver's own words. Compile makes an
// Evaluator of it, whose Decide gives the verdict on one request, and says which rule gave it. Explain says the same rule by
// rule, for people.
//
// It promises: the verdict is kube-apiserver's, for every policy that both accept.
package policy

import "annals.dev/audit"

// LevelMinimal is an extension of ours: an event that holds the verb, the object reference and the response code, and
// nothing of who asked. A policy that uses it needs Options.Minimal; kube-apiserver refuses it.
const LevelMinimal audit.Level = "Minimal"

// Policy is which requests are recorded. The first rule that matches a request decides; if none does, it is not recorded.
type Policy struct {
	Rules             []Rule        `json:"rules"`
	OmitStages        []audit.Stage `json:"omitStages,omitempty"` // in addition to each rule's own
	OmitManagedFields bool          `json:"omitManagedFields,omitempty"`
}

// Rule matches a request if every list that is not empty holds something of it. Strings are compared exactly.
type Rule struct {
	Level             audit.Level      `json:"level"`
	Users             []string         `json:"users,omitempty"`
	UserGroups        []string         `json:"userGroups,omitempty"`
	Verbs             []string         `json:"verbs,omitempty"`
	Resources         []GroupResources `json:"resources,omitempty"`
	Namespaces        []string         `json:"namespaces,omitempty"`      // "" is no namespace: cluster-wide, lists of all namespaces too
	NonResourceURLs   []string         `json:"nonResourceURLs,omitempty"` // a path, or the beginning of one and *
	OmitStages        []audit.Stage    `json:"omitStages,omitempty"`
	OmitManagedFields *bool            `json:"omitManagedFields,omitempty"` // nil: the policy's
}

// GroupResources are resources of one API group. In Resources, * is all, pods/log is a subresource, */scale is that
// subresource of any resource, and pods/* is pods and all its subresources; none at all is all.
type GroupResources struct {
	Group         string   `json:"group,omitempty"` // "" is the core group, * is any
	Resources     []string `json:"resources,omitempty"`
	ResourceNames []string `json:"resourceNames,omitempty"`
}

// Attributes are what a policy sees of a request.
type Attributes struct {
	User            *audit.UserInfo // who was authenticated, not who is impersonated; nil if nobody was
	Verb            string          // the Kubernetes verb, or the HTTP method in lower case
	ResourceRequest bool
	APIGroup        string
	Resource        string
	Subresource     string
	Namespace       string
	Name            string
	Path            string // of a request that is not for a resource
}

// Decision is the verdict on one request.
type Decision struct {
	Level             audit.Level
	Omit              Stages
	OmitManagedFields bool
	Rule              int // the index of the rule that decided, -1 if none matched
}

// Stages is a set of stages.
type Stages uint8

// StagesOf is the set of these stages.
func StagesOf(stages ...audit.Stage) (s Stages) {
	for _, stage := range stages {
		if n := stage.Order(); n >= 0 {
			s |= 1 << n
		}
	}
	return s
}

// Has reports whether the set holds the stage.
func (s Stages) Has(stage audit.Stage) bool {
	n := stage.Order()
	return n >= 0 && s&(1<<n) != 0
}
