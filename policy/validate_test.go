package policy

import (
	"testing"

	"annals.dev/audit"
)

// TestValidate is about policies made in Go. What is wrong with each has its text in TestParseUpstream.
func TestValidate(t *testing.T) {
	good := []Rule{
		{Level: audit.LevelMetadata},
		{Level: audit.LevelNone, UserGroups: []string{"system:nodes", "robots"}},
		{Level: audit.LevelRequestResponse, Verbs: []string{"get"}, Namespaces: []string{"shop"}, Resources: []GroupResources{{Group: "batch", Resources: []string{"jobs"}}}},
		{Level: audit.LevelMetadata, UserGroups: []string{"people"}, NonResourceURLs: []string{"/logs*", "/healthz*", "/metrics", "*"}},
		{Level: audit.LevelRequest, OmitStages: []audit.Stage{audit.StageRequestReceived}},
		{Level: audit.LevelRequest, Resources: []GroupResources{{Group: "*"}, {Resources: []string{"pods"}, ResourceNames: []string{"a"}}}},
		{Level: audit.LevelRequest, Resources: []GroupResources{{Group: "a-1.example.com"}}},
	}
	policies := []Policy{{}, {OmitStages: []audit.Stage{audit.StagePanic}}, {Rules: good}}
	for _, r := range good {
		policies = append(policies, Policy{Rules: []Rule{r}})
	}
	for _, p := range policies {
		if err := p.Validate(Options{}); err != nil {
			t.Errorf("%+v: %v", p, err)
		}
	}
	for _, r := range []Rule{
		{},
		{Verbs: []string{"get"}},
		{Level: "Everything"},
		{Level: LevelMinimal},
		{Level: audit.LevelMetadata, Namespaces: []string{"shop"}, NonResourceURLs: []string{"/logs*"}},
		{Level: audit.LevelMetadata, Resources: []GroupResources{{}}, NonResourceURLs: []string{"/logs*"}},
		{Level: audit.LevelMetadata, Resources: []GroupResources{{Group: "batch/v1"}}},
		{Level: audit.LevelMetadata, Resources: []GroupResources{{Group: "batch."}}},
		{Level: audit.LevelMetadata, Resources: []GroupResources{{ResourceNames: []string{"a"}}}},
		{Level: audit.LevelMetadata, NonResourceURLs: []string{"logs"}},
		{Level: audit.LevelMetadata, NonResourceURLs: []string{""}},
		{Level: audit.LevelMetadata, NonResourceURLs: []string{"/a/*/*"}},
		{Level: audit.LevelMetadata, NonResourceURLs: []string{"/a/*.log"}},
		{Level: audit.LevelMetadata, OmitStages: []audit.Stage{"done"}},
	} {
		for _, p := range []Policy{{Rules: []Rule{r}}, {Rules: append(good[:len(good):len(good)], r)}} {
			if err := p.Validate(Options{}); err == nil {
				t.Errorf("%+v is accepted", r)
			}
		}
	}
	if err := (&Policy{OmitStages: []audit.Stage{"done"}}).Validate(Options{}); err == nil {
		t.Error("an unknown stage of the policy is accepted")
	}
}
