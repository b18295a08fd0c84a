package audit_test

import (
	"fmt"
	"log"
	"os"
	"time"

	"annals.dev/audit"
)

func ExampleView() {
	line := []byte(`{"kind":"Event","verb":"get","user":{"username":"jane","groups":["sre"]},"requestURI":"/a?b=1\u0026c=2"}`)
	var v audit.View // use it again for the next line
	if err := v.Parse(line); err != nil {
		log.Fatal(err)
	}
	fmt.Println(v.Verb.Is("get"), v.User.Username, v.RequestURI, v.ObjectRef.Raw == nil)
	for group := range v.User.Groups.Strings {
		fmt.Println(group)
	}
	// Output:
	// true jane /a?b=1&c=2 true
	// sre
}

func ExampleEvent_AppendJSON() {
	e := audit.Event{
		Level:          audit.LevelMetadata,
		Stage:          audit.StageResponseComplete,
		Verb:           "get",
		RequestURI:     "/healthz",
		StageTimestamp: audit.MicroTime{Time: time.Date(2026, 11, 21, 0, 52, 58, 834785000, time.UTC)},
	}
	os.Stdout.Write(e.AppendJSON(nil))
	// Output:
	// {"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"","stage":"ResponseComplete","requestURI":"/healthz","verb":"get","user":{},"requestReceivedTimestamp":null,"stageTimestamp":"2026-11-21T00:52:58.834785Z"}
}
