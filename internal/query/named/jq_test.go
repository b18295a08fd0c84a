package named

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"annals.dev/internal/query"
)

// jqDocument is testdata/jq.md: a prelude, and for each question a condition for each way in which it is asked.
type jqDocument struct {
	text    string
	prelude string
	of      map[string][]string
}

var (
	jqSection = regexp.MustCompile(`(?m)^## ([a-z-]+)\n`)
	jqBlock   = regexp.MustCompile("(?s)```jq\n(.*?)\n```")
)

func readJQ(t *testing.T) *jqDocument {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "jq.md"))
	if err != nil {
		t.Fatal(err)
	}
	d := &jqDocument{text: string(text), of: map[string][]string{}}
	heads := jqSection.FindAllStringSubmatchIndex(d.text, -1)
	d.prelude = jqBlock.FindStringSubmatch(d.text[:heads[0][0]])[1]
	for i, h := range heads {
		end := len(d.text)
		if i+1 < len(heads) {
			end = heads[i+1][0]
		}
		for _, m := range jqBlock.FindAllStringSubmatch(d.text[h[1]:end], -1) {
			d.of[d.text[h[2]:h[3]]] = append(d.of[d.text[h[2]:h[3]]], m[1])
		}
	}
	return d
}

// rawEvent is an event as encoding/json reads it: what answers are compared with, past all code of ours.
type rawEvent struct {
	cluster string
	line    []byte
}

// rawEvents are a recording's events that are JSON, each once for each cluster.
func rawEvents(t *testing.T, rec recording) (all []rawEvent) {
	t.Helper()
	for _, cluster := range rec.clusters() {
		if cluster == "legacy" {
			continue
		}
		seen := map[[32]byte]bool{}
		for _, path := range rec.files[cluster] {
			f, err := os.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			z, err := gzip.NewReader(f)
			if err != nil {
				t.Fatal(err)
			}
			lines := bufio.NewScanner(z)
			lines.Buffer(nil, 64<<20)
			for lines.Scan() {
				if sum := sha256.Sum256(lines.Bytes()); !seen[sum] {
					seen[sum] = true
					all = append(all, rawEvent{cluster, bytes.Clone(lines.Bytes())})
				}
			}
			if err := lines.Err(); err != nil {
				t.Fatal(err)
			}
			f.Close()
		}
	}
	return all
}

// TestJQ has jq answer every question over the raw files.
func TestJQ(t *testing.T) {
	jq, err := exec.LookPath("jq")
	if err != nil {
		t.Skip("jq is not installed: the answers are not checked with it")
	}
	doc := readJQ(t)
	type asked struct {
		name   string
		params map[string]string
	}
	var all []asked
	program := doc.prelude + "\n["
	for _, q := range BuiltIn().All() {
		if q.Clusters != nil {
			continue
		}
		if len(doc.of[q.Name]) != len(asks[q.Name]) {
			t.Fatalf("jq.md has %d conditions for %s, which is asked in %d ways", len(doc.of[q.Name]), q.Name, len(asks[q.Name]))
		}
		for i, condition := range doc.of[q.Name] {
			if len(all) > 0 {
				program += ","
			}
			program += fmt.Sprintf("\n(if %s then %d else empty end)", condition, len(all))
			all = append(all, asked{q.Name, asks[q.Name][i]})
		}
	}
	program += "]"
	counts := map[string]map[int]int{}
	for _, rec := range recordings(t) {
		events := rawEvents(t, rec)
		found := runJQ(t, jq, program, events, len(all))
		reader := rec.engine(t)
		clusters := slices.DeleteFunc(rec.clusters(), func(c string) bool { return c == "legacy" })
		counts[rec.name] = map[int]int{}
		for i, a := range all {
			counts[rec.name][i] = len(found[i])
			got := answer(t, reader, a.name, a.params, clusters)
			var diff string
			if by := got.asked.Question.By; by != nil {
				diff = difference(rawGroups(t, events, found[i], by), countsOf(got.groups))
			} else {
				diff = difference(rawKeys(t, events, found[i]), rowKeys(got.rows))
			}
			if diff != "" {
				t.Errorf("%s, %s %v: jq finds %d events, and they are not those of %s:\n%s", rec.name, a.name, a.params, len(found[i]), got.asked.Search, diff)
			}
		}
	}
	i := -1
	var at string
	text := regexp.MustCompile("(?m)^## ([a-z-]+)$|(?s)```jq\n.*?\n```\n(?:\n(?:samples|corpus): [0-9].*?\n)?").ReplaceAllStringFunc(doc.text, func(m string) string {
		if name, ok := strings.CutPrefix(m, "## "); ok {
			at = name
			return m
		}
		if at == "" {
			return m
		}
		i++
		block := m[:strings.LastIndex(m, "```\n")+4]
		if n, ok := counts["corpus"]; ok {
			return fmt.Sprintf("%s\nsamples: %d events, corpus: %d; both agree.\n", block, counts["samples"][i], n[i])
		}
		return m
	})
	path := filepath.Join("testdata", "jq.md")
	if *update && counts["corpus"] != nil && !t.Failed() {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if text != doc.text {
		t.Errorf("%s has other counts than jq finds now", path)
	}
}

// runJQ gives, for each question, the numbers of the events for which its condition is true.
func runJQ(t *testing.T, jq, program string, events []rawEvent, questions int) [][]int {
	t.Helper()
	cmd := exec.Command(jq, "-c", program)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		w := bufio.NewWriterSize(in, 1<<20)
		for _, e := range events {
			w.Write(e.line)
			w.WriteByte('\n')
		}
		w.Flush() // if jq has gone, its exit says why
		in.Close()
	}()
	found := make([][]int, questions)
	lines := bufio.NewScanner(out)
	n := 0
	for ; lines.Scan(); n++ {
		var of []int
		if err := json.Unmarshal(lines.Bytes(), &of); err != nil {
			t.Fatal(err)
		}
		for _, i := range of {
			found[i] = append(found[i], n)
		}
	}
	if err := cmd.Wait(); err != nil || n != len(events) {
		t.Fatalf("jq answered for %d of %d events: %v: %.2000s", n, len(events), err, said.String())
	}
	return found
}

func rawKeys(t *testing.T, events []rawEvent, of []int) map[string]int {
	keys := map[string]int{}
	for _, i := range of {
		var e struct{ AuditID, Stage string }
		if err := json.Unmarshal(events[i].line, &e); err != nil {
			t.Fatal(err)
		}
		keys[events[i].cluster+" "+e.AuditID+" "+e.Stage]++
	}
	return keys
}

func rowKeys(rows []*query.Row) map[string]int {
	keys := map[string]int{}
	for _, r := range rows {
		keys[r.Cluster+" "+r.AuditID+" "+r.Stage]++
	}
	return keys
}

// rawGroups counts events by fields that it reads itself.
func rawGroups(t *testing.T, events []rawEvent, of []int, by []string) map[string]int {
	groups := map[string]int{}
	for _, i := range of {
		var e struct {
			Verb, UserAgent string
			User            struct{ Username string }
			SourceIPs       []string
			ObjectRef       struct{ Resource, Subresource, Namespace, APIGroup string }
			ResponseStatus  struct{ Code int }
		}
		if err := json.Unmarshal(events[i].line, &e); err != nil {
			t.Fatal(err)
		}
		fields := map[string]string{
			"verb": e.Verb, "agent": e.UserAgent, "user": e.User.Username, "resource": e.ObjectRef.Resource, "subresource": e.ObjectRef.Subresource,
			"ns": e.ObjectRef.Namespace, "apiGroup": e.ObjectRef.APIGroup, "code": "", "ip": "",
		}
		if e.ResponseStatus.Code != 0 {
			fields["code"] = fmt.Sprint(e.ResponseStatus.Code)
		}
		if n := len(e.SourceIPs); n > 0 {
			fields["ip"] = e.SourceIPs[n-1]
		}
		var values []string
		for _, f := range by {
			value, known := fields[f]
			if !known {
				t.Fatalf("this test does not know how to count by %s", f)
			}
			values = append(values, value)
		}
		groups[strings.Join(values, " | ")]++
	}
	return groups
}

func countsOf(groups []query.Group) map[string]int {
	m := map[string]int{}
	for _, g := range groups {
		m[strings.Join(g.Values, " | ")] += g.Count
	}
	return m
}

func difference(jq, ours map[string]int) string {
	var b strings.Builder
	n := 0
	for _, key := range slices.Sorted(maps.Keys(jq)) {
		if jq[key] != ours[key] && n < 5 {
			n++
			fmt.Fprintf(&b, "  %s: jq %d, ours %d\n", key, jq[key], ours[key])
		}
	}
	for _, key := range slices.Sorted(maps.Keys(ours)) {
		if _, both := jq[key]; !both && n < 5 {
			n++
			fmt.Fprintf(&b, "  %s: jq 0, ours %d\n", key, ours[key])
		}
	}
	return b.String()
}
