package policy

import "testing"

func TestSummary(t *testing.T) {
	for _, tt := range []struct {
		rule Rule
		want string
	}{
		{Rule{Level: metadata}, "Metadata · everything"},
		{Rule{Level: no, Users: []string{"a", "b"}, UserGroups: []string{"g"}, Verbs: []string{"get", "list"}}, "None · users a b · groups g · get list"},
		{Rule{Level: full, Resources: []GroupResources{{}, {Group: "*"}, {Group: "apps"}, {"batch", []string{"jobs", "cronjobs"}, []string{"x"}}, {Resources: []string{"pods"}}}, Namespaces: []string{"", "d"}},
			`RequestResponse · core group · any group · apps · jobs,cronjobs.batch named x · pods · in "" d`},
		{Rule{Level: no, NonResourceURLs: []string{"/a*", "/b c"}}, `None · /a* "/b c"`},
		{Rule{Level: no, Verbs: []string{"1", "2", "3", "4", "5", "6", "7", "8"}}, "None · 1 2 3 4 5 and 3 more"},
	} {
		if got := tt.rule.Summary(); got != tt.want {
			t.Errorf("%s, want %s", got, tt.want)
		}
	}
}
