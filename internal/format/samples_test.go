package format

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"annals.dev/audit"
	"github.com/google/go-cmp/cmp"
)

// fact is what a test compares of an event.
type fact struct {
	AuditID, Stage, Verb, User, Resource, Namespace, Name, Subresource, Level string
	Code                                                                      int32
	Time                                                                      int64
	Decision                                                                  string
}

func factOf(v *audit.View) fact {
	return fact{
		v.AuditID.String(), v.Stage.String(), v.Verb.String(), v.User.Username.String(), v.ObjectRef.Resource.String(),
		v.ObjectRef.Namespace.String(), v.ObjectRef.Name.String(), v.ObjectRef.Subresource.String(), v.Level.String(),
		v.ResponseStatus.Code, v.Time, v.Decision.String(),
	}
}

// found is an item, copied.
type found struct {
	fact
	Bytes, Note, Skipped, Path, Node string
	Dialect                          Dialect
	Marks                            Marks
	Offset, CarrierTime              int64
	Incomplete                       bool
}

func foundOf(e *Event, p Place, kind string) found {
	return found{factOf(&e.View), string(e.Bytes), e.Note, kind, p.Path, p.Node, e.Dialect, e.Marks, p.Offset, p.CarrierTime, p.Incomplete}
}

// all reads everything, and checks what holds for every input.
func all(t testing.TB, r *Reader) (items []found) {
	t.Helper()
	for {
		it, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		checkItem(t, &it)
		items = append(items, foundOf(&it.Event, it.Place, it.Skipped))
	}
	if _, err := r.Next(); err != io.EOF {
		t.Fatalf("after io.EOF: %v", err)
	}
	checkCounts(t, items, r.Counts())
	return items
}

func checkItem(t testing.TB, it *Item) {
	t.Helper()
	if it.Skipped != "" {
		return
	}
	if len(it.Bytes) == 0 || len(it.Bytes) > MaxRecord {
		t.Fatalf("%d bytes of evidence", len(it.Bytes))
	}
	if quarantined := it.Marks&Quarantined != 0; quarantined != (it.Dialect == Unreadable) || quarantined && (it.Note == "" || len(it.Bytes) > MaxHead) {
		t.Fatalf("dialect %d, marks %b, %d bytes, note %q", it.Dialect, it.Marks, len(it.Bytes), it.Note)
	}
	// What is stored has to say later what it says now.
	var again audit.View
	if _, err := View(it.Dialect, it.Bytes, &again, nil); err != nil {
		t.Fatalf("View of a stored event: %v", err)
	}
	if diff := cmp.Diff(factOf(&it.View), factOf(&again)); diff != "" {
		t.Fatalf("the view when stored:\n%s", diff)
	}
}

func checkCounts(t testing.TB, items []found, got Counts) {
	t.Helper()
	want := Counts{Bytes: got.Bytes}
	for _, it := range items {
		switch {
		case it.Skipped != "":
			if want.Skipped == nil {
				want.Skipped = map[string]int64{}
			}
			want.Skipped[it.Skipped]++
		case it.Dialect != Unreadable:
			want.Events++
			if it.Marks&Salvaged != 0 {
				want.Salvaged++
			}
		default:
			want.Quarantined = got.Quarantined // by reason, which items do not tell
		}
	}
	sum := int64(0)
	for _, n := range got.Quarantined {
		sum += n
	}
	if n := len(items) - int(want.Events) - int(total(want.Skipped)); sum != int64(n) {
		t.Fatalf("%d pieces in quarantine, counted %d", n, sum)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("counts:\n%s", diff)
	}
}

func total(m map[string]int64) (n int64) {
	for _, k := range m {
		n += k
	}
	return n
}

func readFile(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func readSample(t testing.TB, name string) []found {
	t.Helper()
	return all(t, NewReader(bytes.NewReader(readFile(t, name)), filepath.Base(name)))
}

func events(items []found) (events []found) {
	for _, it := range items {
		if it.Skipped == "" && it.Dialect != Unreadable {
			events = append(events, it)
		}
	}
	return events
}

func facts(items []found) (facts []fact) {
	for _, it := range items {
		facts = append(facts, it.fact)
	}
	return facts
}

// theFive are the five events, and their lines.
func theFive(t testing.TB) (facts []fact, lines []string) {
	t.Helper()
	for line := range strings.Lines(string(readFile(t, "v1-jsonl/audit.log"))) {
		line = strings.TrimSuffix(line, "\n")
		var v audit.View
		if err := v.Parse([]byte(line)); err != nil {
			t.Fatal(err)
		}
		facts, lines = append(facts, factOf(&v)), append(lines, line)
	}
	if len(facts) != 5 || facts[0].AuditID != "2989ad38-6090-45d4-9612-395d3b28aa93" || facts[0].Code != 201 || facts[0].Time == 0 {
		t.Fatalf("the samples have changed: %v", facts)
	}
	return facts, lines
}

// TestSamples holds the carriers to what their files hold.
func TestSamples(t *testing.T) {
	five, lines := theFive(t)
	gke := slices.Clone(five)
	for i := range gke { // one time, that of the request; one code for success
		gke[i].Time = []int64{1795220698603486, 1795220708190422, 1795220770545956, 1795220680222083, 1795220704263026}[i]
		if gke[i].Code < 300 {
			gke[i].Code = 200
		}
	}
	gke[1].Level = "Metadata" // it had no body to tell more
	legacy := make([]fact, 0, 10)
	for i, f := range gke {
		f.Level, f.Decision = "", ""
		if f.Verb == "create" {
			f.Name = "" // it stands in the body
		}
		f.Stage, f.Code = "RequestReceived", 0
		legacy = append(legacy, f)
		f.Stage, f.Code = "ResponseComplete", five[i].Code
		legacy = append(legacy, f)
	}
	items := make([]string, 5) // of an EventList
	for i, line := range lines {
		items[i] = "{" + strings.TrimPrefix(line, `{"kind":"Event","apiVersion":"audit.k8s.io/v1",`)
	}
	whole := func(facts []fact, lines []string) sample { return sample{facts: facts, lines: lines} }
	cut := sample{facts: []fact{{five[0].AuditID, "ResponseComplete", "create", five[0].User, "pods", "prod", five[0].Name, "", "RequestResponse", 201, 0, ""}}, marks: Salvaged}
	for name, want := range map[string]sample{
		"aks/eventhub.json":                                   {facts: five, lines: lines, skipped: "AKS log of another category"},
		"aks/log-analytics-AKSAudit.json":                     {facts: five, dialect: AKSTable},
		"aks/log-analytics-AzureDiagnostics.json":             whole(five, lines),
		"aks/log-as-object.json":                              whole(five[:1], lines[:1]),
		"aks/storage/PT1H.json":                               whole(five, lines),
		"aks/truncated-16k.json":                              cut,
		"cri/kube-apiserver-0.log":                            {facts: five, lines: lines, skipped: "klog line"},
		"docker-json-file/kube-apiserver-json.log":            whole(five, lines),
		"eks/filter-log-events.json":                          whole(five, lines),
		"eks/firehose-s3-concatenated.gz":                     {facts: append(five[:5:5], five...), lines: append(lines[:5:5], lines...), skipped: "CloudWatch control message"},
		"eks/get-log-events.json":                             whole(five, lines),
		"eks/insights-results.csv":                            whole(five, lines),
		"eks/kinesis-record.json":                             whole(five, lines),
		"eks/lambda-event.json":                               whole(five, lines),
		"eks/logs-tail-short.txt":                             whole(five, lines),
		"eks/subscription-record.json":                        whole(five, lines),
		"eks/truncated.json":                                  cut,
		"elastic/filebeat-ndjson.jsonl":                       {facts: five, dialect: Elastic},
		"elastic/search-hits.json":                            {facts: five[:1], dialect: Elastic},
		"falco/alert-k8s_audit.jsonl":                         {facts: []fact{{AuditID: "618c79e1-5d4a-ac3b-8b99-a6f286663a06", Stage: "ResponseComplete", Verb: "alert", Resource: "falcoalerts", Namespace: "default", Name: "Attach/Exec Pod", Level: "Request", Time: 1540561114902914}}, dialect: FalcoAlert},
		"fluentbit/forward-forward-mode.json":                 whole(five, lines),
		"fluentbit/tail-json.jsonl":                           whole(five, nil),
		"fluentbit/tail-raw.jsonl":                            whole(five, lines),
		"fluentd/in_tail-kubernetes.jsonl":                    whole(five, lines),
		"gke/gcloud-logging-read.json":                        {facts: gke, dialect: GKE},
		"gke/gcs-sink-08:00:00_08:59:59_S0.json":              {facts: gke, dialect: GKE},
		"gke/pubsub-push.json":                                {facts: gke[:1], dialect: GKE},
		"legacy-text/k8s-1.8plus.log":                         {facts: legacy, dialect: LegacyText},
		"loki/logcli-default.txt":                             whole(five, lines),
		"loki/logcli-jsonl.jsonl":                             whole(five, lines),
		"nasty/bom-crlf.jsonl":                                whole(five, lines),
		"nasty/kind-zero.json":                                {quarantined: 1},
		"nasty/no-final-newline.jsonl":                        whole(five, lines),
		"nasty/nul-hole.jsonl":                                {facts: five[:2], lines: lines[:2], skipped: "run of NUL bytes"},
		"nasty/pretty-printed.json":                           whole(five[:2], nil),
		"openshift/oc-adm-node-logs-role-master.txt":          whole(five, lines),
		"openshift/viaq-clusterlogforwarder.jsonl":            {facts: five, dialect: ViaQ},
		"openshift/must-gather.tar.gz":                        {facts: append(five[:5:5], five...), lines: append(lines[:5:5], lines...), skipped: "must-gather's own file"},
		"rancher/rancher-api-audit.jsonl":                     {skipped: "Rancher API audit"},
		"splunk/hec.jsonl":                                    whole(five, lines),
		"v1-eventlist/webhook-body.json":                      whole(five, items),
		"v1-jsonl/audit-2018-10-25T14-09-12.581.log.gz":       whole(five, lines),
		"v1-jsonl/audit.log":                                  whole(five, lines),
		"vector/file-source.jsonl":                            whole(five, lines),
		"nasty/no-apiversion.jsonl":                           whole(five[1:2], nil),
		"nasty/dup-key.json":                                  {facts: []fact{{AuditID: "x", Stage: "ResponseComplete", Verb: "delete", User: "a", Level: "Metadata"}}, marks: DuplicateMember},
		"eks/exportedlogs/5a1b/" + auditStream + "/000000.gz": whole(five, lines),
		"nasty/half-last-line.jsonl":                          {facts: append(five[:5:5], fact{five[0].AuditID, "ResponseComplete", "create", five[0].User, "pods", "prod", five[0].Name, "", "RequestResponse", 0, 0, ""})},
		"v1alpha1/audit.log":                                  {facts: []fact{{"2e79f0c9-a941-45ae-a9ce-663a1b19ff14", "ResponseComplete", "list", "kubecfg", "pods", "default", "", "", "Metadata", 200, 1499857363000000, ""}}},
		"v1alpha1/eventlist.json":                             {facts: []fact{{"4faf711a-9094-400f-a876-d9188ceda548", "ResponseComplete", "get", "system:apiserver", "rolebindings", "kube-public", "system:controller:bootstrap-signer", "", "Metadata", 200, 1497568060000000, ""}}},
		"legacy-text/k8s-1.6-two-line.log":                    {facts: []fact{{"c939d2a7-1c37-4ef1-b2f7-4ba9b1e43b53", "ResponseComplete", "list", "admin", "pods", "default", "", "", "", 200, 1490083029108403, ""}}, dialect: LegacyText},
	} {
		t.Run(name, func(t *testing.T) { want.check(t, readSample(t, name)) })
		seen[name] = true
	}
	for _, name := range sampleNames(t) {
		if !seen[name] {
			t.Errorf("nothing is said about %s", name)
		}
	}
}

const auditStream = "kube-apiserver-audit-71976ca11bea5d3083393f7d32dab75b"

var seen = map[string]bool{"README.md": true}

// sample is what a file holds.
type sample struct {
	facts       []fact
	lines       []string // the events' bytes
	dialect     Dialect
	marks       Marks // of each event
	skipped     string
	quarantined int
}

func (want *sample) check(t *testing.T, items []found) {
	events := events(items)
	if diff := cmp.Diff(want.facts, facts(events)); diff != "" {
		t.Errorf("events:\n%s", diff)
	}
	for i, e := range events {
		if i < len(want.lines) && e.Bytes != want.lines[i] {
			t.Errorf("the bytes of event %d:\n%s", i, cmp.Diff(want.lines[i], e.Bytes))
		}
		if marks := e.Marks; e.Dialect != want.dialect || i < 5 && marks != want.marks {
			t.Errorf("event %d has dialect %d and marks %b", i, e.Dialect, marks)
		}
	}
	quarantined := 0
	for _, it := range items {
		if it.Skipped != "" && it.Skipped != want.skipped {
			t.Errorf("skipped as %q", it.Skipped)
		}
		if it.Marks&Quarantined != 0 {
			quarantined++
		}
	}
	if want.skipped != "" && !slices.ContainsFunc(items, func(it found) bool { return it.Skipped == want.skipped }) {
		t.Errorf("nothing was skipped as %q", want.skipped)
	}
	if quarantined != want.quarantined {
		t.Errorf("%d in quarantine, want %d", quarantined, want.quarantined)
	}
}

func sampleNames(t testing.TB) (names []string) {
	err := filepath.WalkDir("testdata", func(path string, d fs.DirEntry, err error) error {
		if err != nil || strings.HasPrefix(path, filepath.Join("testdata", "fuzz")) {
			return err
		}
		if !d.IsDir() {
			name, err := filepath.Rel("testdata", path)
			names = append(names, filepath.ToSlash(name))
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(names) < 40 {
		t.Fatal(errors.New("testdata is not complete"))
	}
	return names
}

// TestPlaces checks what carriers add.
func TestPlaces(t *testing.T) {
	for name, want := range map[string]Place{
		"openshift/oc-adm-node-logs-role-master.txt": {Path: "oc-adm-node-logs-role-master.txt", Node: "ci-ln-m0wpfjb-f76d1-vnb5x-master-0"},
		"openshift/must-gather.tar.gz":               {Path: "must-gather.tar.gz!must-gather.local.1/quay-io/audit_logs/kube-apiserver/master-0-audit.log.gz", Node: "master-0"},
		"vector/file-source.jsonl":                   {Path: "file-source.jsonl", Node: "cp-0", CarrierTime: 1540476552581000},
		"splunk/hec.jsonl":                           {Path: "hec.jsonl", Node: "cp-0", CarrierTime: 1540476552581000},
		"cri/kube-apiserver-0.log":                   {Path: "kube-apiserver-0.log", Offset: 64, CarrierTime: 1540476552581541},
		"eks/logs-tail-short.txt":                    {Path: "logs-tail-short.txt", CarrierTime: 1540476552581000},
		"eks/insights-results.csv":                   {Path: "insights-results.csv", Offset: 20, CarrierTime: 1540476552581000},
		"fluentbit/forward-forward-mode.json":        {Path: "forward-forward-mode.json", Offset: 27, CarrierTime: 1540476552000000},
		"nasty/bom-crlf.jsonl":                       {Path: "bom-crlf.jsonl", Offset: 3},
		"eks/kinesis-record.json":                    {Path: "kinesis-record.json", Offset: 12, CarrierTime: 1540476552581000},
		"openshift/viaq-clusterlogforwarder.jsonl":   {Path: "viaq-clusterlogforwarder.jsonl", Node: "master-0", CarrierTime: 1540476552581000},
		"v1-eventlist/webhook-body.json":             {Path: "webhook-body.json", Offset: 74},
		"eks/firehose-s3-concatenated.gz":            {Path: "firehose-s3-concatenated.gz", Offset: 446, CarrierTime: 1540476552581000},
	} {
		e := events(readSample(t, name))[0]
		got := Place{e.Path, e.Offset, e.Node, e.CarrierTime, e.Incomplete}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
	}
}
