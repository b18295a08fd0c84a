package sigma

import "testing"

// BenchmarkTests asks one event for tests of every sort.
func BenchmarkTests(b *testing.B) {
	event := row(b, `{"level":"Request","stage":"ResponseComplete","verb":"create","requestURI":"/api/v1/namespaces/prod/pods?fieldManager=kubectl-create","user":{"username":"system:serviceaccount:ci:deployer","groups":["system:serviceaccounts","system:authenticated"]},`+
		`"sourceIPs":["10.1.2.3"],"userAgent":"kubectl/v1.36.0 (linux/amd64)","objectRef":{"resource":"pods","namespace":"prod"},"responseStatus":{"code":201},`+
		`"requestObject":{"kind":"Pod","spec":{"containers":[{"name":"a","image":"nginx:1.27"}]}}}`)
	for _, c := range []struct{ name, selection string }{
		{"exact", "verb: delete"}, {"list", "objectRef.resource: [secrets, configmaps, deployments, daemonsets]"}, {"contains", "requestURI|contains: [/bin/sh, /bin/bash, /usr/bin/curl]"},
		{"wildcards", "user.username: 'system:*:kube-*'"}, {"re", "requestURI|re: '/exec$'"}, {"cidr", "peer|cidr: 203.0.113.0/24"}, {"number", "code|gte: 400"},
		{"body", "requestObject.spec.containers.image|startswith: evil/"}, {"groups", "user.groups: 'system:masters'"}, {"null", "ns: null"}, {"keyword", "- mimikatz"},
	} {
		rules, _ := parseText(ruleText(c.selection), nil)
		where := rules[0].Where
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if where.Match(event) {
					b.Fatal("it matches")
				}
			}
		})
	}
}
