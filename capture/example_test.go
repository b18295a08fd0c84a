package capture_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"

	"annals.dev/audit"
	"annals.dev/capture"
	"annals.dev/policy"
	"annals.dev/sink/logfile"
)

// Audit your own server: a policy, a log file, and a handler around yours.
func Example() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "audit.log")

	p, err := policy.Load("testdata/policy.yaml", policy.Options{})
	if err != nil {
		log.Fatal(err)
	}
	file, err := logfile.New(logfile.Config{Path: path})
	if err != nil {
		log.Fatal(err)
	}
	defer file.Close(context.Background())
	audited, err := capture.New(http.DefaultServeMux, capture.Config{Policy: p, Sink: file})
	if err != nil {
		log.Fatal(err)
	}

	server := httptest.NewServer(audited) // yours is http.ListenAndServe(addr, audited)
	defer server.Close()
	answer, err := http.Get(server.URL + "/orders/17")
	if err != nil {
		log.Fatal(err)
	}
	answer.Body.Close()

	b, err := os.ReadFile(path)
	if err != nil {
		log.Fatal(err)
	}
	var event audit.View
	if err := event.Parse(b); err != nil {
		log.Fatal(err)
	}
	fmt.Println(event.Stage, event.Verb, event.RequestURI, event.ResponseStatus.Code)
	// Output: ResponseComplete get /orders/17 404
}

// Handlers know things about a request that its URL does not tell. An Authenticator says who makes it, RequestInfo what it
// is about, SourceIPs where it comes from, and Annotate adds the rest.
func ExampleConfig() {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		capture.Annotate(r.Context(), "shop.example/tenant", "blue")
		io.WriteString(w, "done")
	})
	h, err := capture.New(handler, capture.Config{
		Policy:       &policy.Policy{Rules: []policy.Rule{{Level: audit.LevelMetadata, OmitStages: []audit.Stage{audit.StageRequestReceived}}}},
		Sink:         stdout{},
		Authenticate: byCertificate{},
		SourceIPs:    capture.TrustedSourceIPs([]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}),
		RequestInfo: func(r *http.Request) (*capture.RequestInfo, error) {
			return &capture.RequestInfo{APIVersion: "v2", Attributes: policy.Attributes{ResourceRequest: true,
				Verb: "cancel", APIGroup: "shop.example", Resource: "orders", Name: r.URL.Query().Get("order")}}, nil
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	r := httptest.NewRequest("POST", "/cancel?order=17", nil)
	r.RemoteAddr = "10.0.0.1:1234"
	r.Header.Set("X-Forwarded-For", "203.0.113.9")
	h.ServeHTTP(httptest.NewRecorder(), r)
	// Output: jane from ["203.0.113.9","10.0.0.1"]: cancel {"resource":"orders","name":"17","apiGroup":"shop.example","apiVersion":"v2"} {"shop.example/tenant":"blue"}
}

// byCertificate takes the user from the client's certificate, when the server has checked that.
type byCertificate struct{}

func (byCertificate) Authenticate(r *http.Request) (*audit.UserInfo, error) {
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return &audit.UserInfo{Username: "jane"}, nil // in earnest: an error
	}
	return &audit.UserInfo{Username: r.TLS.PeerCertificates[0].Subject.CommonName}, nil
}

// stdout is a sink that shows some of each event.
type stdout struct{}

func (stdout) Send(_ context.Context, events ...[]byte) error {
	var e audit.View
	for _, b := range events {
		if err := e.Parse(b); err != nil {
			return err
		}
		fmt.Printf("%s from %s: %s %s %s\n", e.User.Username, e.SourceIPs, e.Verb, e.ObjectRef.Raw, e.Annotations)
	}
	return nil
}
func (stdout) Close(context.Context) error { return nil }
func (stdout) String() string              { return "stdout" }
