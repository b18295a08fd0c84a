package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"annals.dev/test/e2e/kube"
)

// finds asks what a person would, of events that were made a moment ago.
func (a *annals) finds(s *kube.Server) {
	out, complaint, err := s.Kubectl(s.Admin(), "", "create", "secret", "generic", "fresh", "-n", shop, "--from-literal=k=v")
	if err != nil {
		a.t.Fatal(err, out, complaint)
	}
	a.soonFinds("verb:create resource:secrets name:fresh")
	for query, least := range map[string]int{
		"verb:create resource:secrets ns:shop": 3,
		"code:401":                             3,
		"user:bob code:403":                    2,
		"user:system:anonymous resource:secrets code:403":                   1,
		"impersonatedUser.username:bob":                                     2,
		"verb:deletecollection resource:configmaps":                         1,
		"subresource:exec":                                                  1,
		"user:system:serviceaccount:shop:till resource:secrets":             2,
		"resource:clusterrolebindings name:mallory cluster-admin":           1,
		`resource:pods verb:create hostPath privileged`:                     1,
		"auditID:chosen-by-the-client-of-shop verb:get resource:secrets":    1,
		"auditID:chosen-by-the-client-of-shop verb:delete resource:secrets": 1,
		"resource:namespaces verb:create 漢字":                                1,
		"ip:203.0.113.9":                                                    1,
	} {
		if err := a.answers(query, least); err != nil {
			a.t.Error(err)
		}
	}
}

// soonFinds asks until the one event that there must be is found, and tells how long that took.
func (a *annals) soonFinds(query string) {
	a.t.Helper()
	begun := time.Now()
	eventually(a.t, "found: "+query, func() error { return a.answers(query, 1) })
	now := time.Now()
	var row struct {
		Origin   string
		Received time.Time
	}
	must(a.t, json.Unmarshal(a.lines("search", "--cluster", "prod", "-o", "jsonl", query)[0], &row))
	a.t.Logf("annals search %s: found %d ms after it was delivered by %s, %d ms after kubectl had ended",
		query, now.Sub(row.Received).Milliseconds(), row.Origin, now.Sub(begun).Milliseconds())
}

// seesConflict: an audit ID is the client's to choose, so who gives two requests the same one hides neither.
func (a *annals) seesConflict() {
	var marks []string
	rows := a.lines("search", "--cluster", "prod", "-o", "jsonl", "auditID:chosen-by-the-client-of-shop stage:ResponseComplete")
	for _, l := range rows {
		var row struct{ Marks []string }
		must(a.t, json.Unmarshal(l, &row))
		marks = append(marks, row.Marks...)
	}
	if len(rows) != 2 || !slices.Equal(marks, []string{"conflict"}) {
		a.t.Errorf("%d events under the chosen audit ID, marked %q; wanted 2, one of them marked as a conflict", len(rows), marks)
	}
}

// answers asks a question and counts what comes back.
func (a *annals) answers(query string, least int) error {
	out, said, code := a.run("search", "--cluster", "prod", "-o", "jsonl", "--limit", "0", query)
	if n := bytes.Count(out, []byte("\n")); code != 0 || n < least {
		return fmt.Errorf("annals search %s: exit %d, %d events, at least %d expected: %s", query, code, n, least, said)
	}
	return nil
}
