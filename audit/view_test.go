package audit

import "testing"

const line = `{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"RequestResponse","auditID":"4f324695-f13f-4b34-a14c-8d78976be95a","stage":"ResponseComplete","requestURI":"/api/v1/namespaces/prod/secrets?limit=500\u0026watch=0","verb":"list","user":{"username":"alice@example.com","groups":["sre","system:authenticated"],"extra":{"authentication.kubernetes.io/credential-id":["X509SHA256=0989"]}},"impersonatedUser":{"username":"jane@example.com","groups":["system:masters"]},"sourceIPs":["127.0.0.1"],"userAgent":"kubectl/v1.32.4","objectRef":{"resource":"secrets","namespace":"prod","apiVersion":"v1"},"responseStatus":{"metadata":{},"code":200},"responseObject":{"kind":"Table","rows":[{"cells":["a",1,true,null]}]},"requestReceivedTimestamp":"2026-11-21T00:52:58.832647Z","stageTimestamp":"2026-11-21T00:52:58.834785Z","annotations":{"authorization.k8s.io/decision":"allow","authorization.k8s.io/reason":""}}`

func TestParseAllocatesNothing(t *testing.T) {
	b := []byte(line)
	var v View
	if n := testing.AllocsPerRun(100, func() {
		if err := v.Parse(b); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("Parse allocates %v times", n)
	}
	if !v.RequestURI.Is("/api/v1/namespaces/prod/secrets?limit=500&watch=0") || v.Time-v.RequestTime != 2138 || v.ResponseStatus.Code != 200 {
		t.Errorf("%+v", v)
	}
}
