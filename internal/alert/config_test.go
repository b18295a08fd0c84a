package alert

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	"annals.dev/internal/detect"
	"annals.dev/internal/disk"
	"annals.dev/internal/disk/sim"
)

// TestConfigWrong refuses what would never tell anybody, or could tell the wrong one, and says where it is.
func TestConfigWrong(t *testing.T) {
	hook := func(rest string) string {
		return "destinations: [{name: it, kind: webhook, url: 'https://x/', " + rest + "}]\nroutes: [{to: [it]}]"
	}
	plain := func(rest string) string { return "destinations: [{name: it, " + rest + "}]\nroutes: [{to: [it]}]" }
	for config, want := range map[string]string{
		"destination: []":                                                           `unknown field "destination"`,
		hook("urll: x"):                                                             `unknown field "urll"`,
		hook("kind: fax"):                                                           `key "kind" already set`,
		plain("kind: fax, url: 'https://x/'"):                                       `destinations[0] (it): kind "fax"`,
		plain("kind: webhook"):                                                      "url is missing",
		plain("kind: webhook, url: 'ftp://x/'"):                                     "it must begin with https://host",
		plain("kind: webhook, url: 'https://u:p@x/'"):                               "it holds a user or a password",
		plain("kind: webhook, url: 'https://x/', urlEnv: X"):                        "only one of them",
		plain("kind: webhook, url: 'http://x/', tokenEnv: X"):                       "in clear",
		plain("kind: slack, url: 'http://x/'"):                                      "in clear",
		plain("kind: pagerduty"):                                                    "the routing key",
		plain("kind: email, url: 'https://x/'"):                                     "url means nothing to a destination of kind email",
		plain("kind: syslog, address: localhost"):                                   `address "localhost": host:port`,
		plain("kind: syslog, address: 'a:1', network: sctp"):                        `network "sctp"`,
		plain("kind: syslog, address: 'a:1', facility: x"):                          `facility "x"`,
		plain("kind: email, address: 'a:25', from: x, to: [a@b]"):                   `from "x"`,
		plain("kind: email, address: 'a:25', from: a@b"):                            "to is missing",
		plain(`kind: email, address: 'a:25', from: "a@b", to: ["a@b\r\nBcc: c@d"]`): "it holds a line break",
		plain("kind: email, address: 'a:25', from: a@b, to: [a@b], tls: none, username: u, passwordEnv: P"): "in clear",
		hook("timeout: 10"):                                              "a duration is written as",
		hook("timeout: 10h"):                                             "a timeout of 10h0m0s",
		hook("maxPerMinute: -1"):                                         "maxPerMinute",
		hook("headers: {Authorization: Bearer x}"):                       "is a secret",
		hook("headers: {Host: x}"):                                       "not yours to set",
		hook(`headers: {X: "a\r\nb"}`):                                   "not a valid name and value",
		hook("username: x"):                                              "go together",
		hook("tokenEnv: X, tokenFile: y"):                                "only one of them",
		hook("tokenEnv: X, username: u, passwordEnv: Y"):                 "only one of them",
		hook("proxy: 'socks5://x'"):                                      "proxy:",
		hook("active: 1h"):                                               "active means nothing",
		strings.Replace(hook("timeout: 1s"), "name: it", "name: It!", 1): `name "It!"`,
		"destinations: [{name: a, kind: webhook, url: 'https://x/'}]":    `none leads to "a"`,
		hook("timeout: 1s") + "\ngrouping: {by: [pod]}":                  `grouping.by: "pod"`,
		hook("timeout: 1s") + "\ngrouping: {wait: 2h}":                   "grouping.wait",
		hook("timeout: 1s") + "\ngrouping: {interval: 48h}":              "grouping.interval",
		hook("timeout: 1s") + "\nrepeat: {by: [x]}":                      "repeat.by",
		hook("timeout: 1s") + "\ninhibit: [{severity: high}]":            "inhibit[0].by",
		hook("timeout: 1s") + "\ninhibit: [{severity: bad, by: [user]}]": "inhibit[0].severity",
		"routes: [{to: [x]}]":                                            `routes[0].to: there is no destination "x"`,
		"routes: [{severity: bad, to: []}]":                              "routes[0].to: it names no destination",
		"routes: [{severity: bad, to: [x]}]":                             `routes[0].severity: "bad"`,
		"routes: [{rules: [''], to: [x]}]":                               "routes[0].rules",
	} {
		if _, err := Parse([]byte(config)); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "alerts") {
			t.Errorf("%s\n\t%v\n\twant %s", config, err, want)
		}
	}
}

// TestStartWrong refuses to start with what cannot be read.
func TestStartWrong(t *testing.T) {
	for rest, want := range map[string]string{
		"url: http://localhost/\ntokenFile: /nowhere/token":                    "tokenFile: open /nowhere/token",
		"url: http://localhost/\ntokenFile: " + file(t, " \n"):                 "is empty",
		"url: http://localhost/\ntokenFile: " + file(t, "a\nb"):                "line break",
		"url: http://localhost/\ntokenEnv: ANNALS_TEST_THERE_IS_NONE":          "the variable ANNALS_TEST_THERE_IS_NONE is not set",
		"url: https://localhost/\ncaFile: " + file(t, "x"):                     "holds no certificate",
		"url: http://localhost/\ntitle: '{{.Titel}}'":                          "title:1:2",
		"urlFile: " + file(t, "http://s3cret.example.com/"):                    "",
		"urlFile: " + file(t, "http://u:s3cret@example.com/"):                  "it holds a user or a password",
		"urlFile: " + file(t, "http://s3cret.example.com/\x7f"):                "line break",
		"urlFile: " + file(t, "http://s3cret.example.com/%zz"):                 "cannot be read as one",
		"url: http://localhost/\nusername: u\npasswordFile: /nowhere/password": "passwordFile",
		"url: http://localhost/\nsecretFile: /nowhere/secret":                  "secretFile",
		"url: http://localhost/\nheaderFiles: {X: /nowhere/header}":            "headerFiles.X: open /nowhere/header",
	} {
		cfg, err := Parse([]byte(one("webhook", rest)))
		must(t, err)
		a, err := open(cfg, Deps{Source: newMemory()}, sim.New(1), quick)
		if want == "" {
			must(t, err)
			must(t, a.Close())
			continue
		}
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "alerts.destinations[0] (it)") || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s\n\t%v\n\twant %s", rest, err, want)
		}
	}
	if _, err := New(Config{}, Deps{Source: newMemory()}); err == nil {
		t.Error("there is no directory")
	}
}

// TestQueueWrong does not begin anew where what is not delivered cannot be read.
func TestQueueWrong(t *testing.T) {
	dir := t.TempDir()
	deps := Deps{Source: newMemory(), Dir: dir}
	a, err := New(Config{}, deps)
	must(t, err)
	for range 9 {
		must(t, a.commit(t.Context(), func(*state) *change { return &change{Cursor: 1} }))
	}
	must(t, a.Close())
	must(t, os.WriteFile(filepath.Join(dir, silenceFile), []byte("{"), 0o600))
	if _, err := New(Config{}, deps); err == nil || !strings.Contains(err.Error(), silenceFile) {
		t.Errorf("silences: %v", err)
	}
	must(t, os.Remove(filepath.Join(dir, silenceFile)))
	names, err := filepath.Glob(filepath.Join(dir, queueDir, "*"))
	must(t, err)
	b, err := os.ReadFile(names[0])
	must(t, err)
	b[len(b)/2] ^= 1
	must(t, os.WriteFile(names[0], b, 0o600))
	if _, err := New(Config{}, deps); err == nil || !strings.Contains(err.Error(), "findings stay in the ledger") {
		t.Errorf("the queue: %v", err)
	}
}

func TestSilenceWrong(t *testing.T) {
	a, err := open(Config{}, Deps{Source: newMemory()}, sim.New(1), quick)
	must(t, err)
	defer a.Close()
	end := time.Now().Add(time.Hour)
	good := Silence{Match: map[string]string{"rule": "x"}, Owner: "o", Reason: "r", End: end}
	for want, change := range map[string]func(s *Silence){
		"match is empty":            func(s *Silence) { s.Match = nil },
		"matches everything":        func(s *Silence) { s.Match = map[string]string{"rule": "*", "user": "**"} },
		"or matches everything":     func(s *Silence) { s.Match = map[string]string{"severity": "*i*", "rule": "*-*"} },
		`cannot match "verb"`:       func(s *Silence) { s.Match = map[string]string{"verb": "get"} },
		"has an owner":              func(s *Silence) { s.Owner = " " },
		"has a reason":              func(s *Silence) { s.Reason = "" },
		"has an end":                func(s *Silence) { s.End = time.Time{} },
		"past, or before it begins": func(s *Silence) { s.End = time.Now().Add(-time.Second) },
		"366 days":                  func(s *Silence) { s.End = time.Now().Add(400 * 24 * time.Hour) },
	} {
		s := good
		change(&s)
		if _, err := a.AddSilence(s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %s", err, want)
		}
	}
	s, err := a.AddSilence(good)
	must(t, err)
	if list := a.Silences(); len(list) != 1 || list[0].ID != s.ID || s.ID == "" || s.Start.IsZero() {
		t.Errorf("%+v", list)
	}
	if _, err := a.EndSilence("x", "me"); !errors.Is(err, ErrNoSilence) {
		t.Errorf("%v", err)
	}
}

// TestSilencesKept keeps silences over power cuts: one that was acknowledged is there.
func TestSilencesKept(t *testing.T) {
	for at := 1; ; at++ {
		d := sim.New(uint64(at))
		a, err := open(Config{}, Deps{Source: newMemory()}, d, quick)
		must(t, err)
		cut := d.N() + at
		d.FailAt(cut, sim.Crash)
		var kept []Silence
		for i := range 4 {
			s, err := a.AddSilence(Silence{Match: map[string]string{"rule": fmt.Sprint(i)}, Owner: "o", Reason: "r", End: time.Now().Add(time.Hour)})
			if err != nil {
				break
			}
			kept = append(kept, s)
		}
		done := d.N() <= cut
		_ = a.Close()
		again, err := openSilences(d.Crash())
		must(t, err)
		if len(again.list) < len(kept) || len(again.list) > len(kept)+1 {
			t.Errorf("cut at %d: %d silences of %d", at, len(again.list), len(kept))
		}
		for i, s := range kept {
			if again.list[i].ID != s.ID || !again.list[i].End.Equal(s.End) {
				t.Errorf("cut at %d: %+v", at, again.list[i])
			}
		}
		if done {
			return
		}
	}
}

func TestGlob(t *testing.T) {
	for _, c := range []struct {
		pattern, text string
		want          bool
	}{
		{"a", "a", true}, {"a", "ab", false}, {"", "", true}, {"*", "", true}, {"*", "a/b", true}, {"a*", "a", true}, {"a*", "ba", false}, {"*a", "ba", true},
		{"a*b", "ab", true}, {"a*b", "acb", true}, {"a*b", "a", false}, {"aa*aa", "aaa", false}, {"a**b", "ab", true}, {"*a*b*", "xaxbx", true}, {"*a*b*", "ba", false}, {"a?", "ab", false},
	} {
		if got := glob(c.pattern, c.text); got != c.want {
			t.Errorf("%q of %q: %v", c.pattern, c.text, got)
		}
	}
}

// TestOutcomeEvent makes an event that the ledger takes for the same when it comes again.
func TestOutcomeEvent(t *testing.T) {
	o := Outcome{Key: "k", Time: time.Date(2026, 1, 2, 3, 4, 5, 6789, time.UTC), Result: Silenced, Reason: "silenced by x", Destination: "d", Severity: detect.High, Findings: []string{"f"}, Count: 1}
	a, err := o.event()
	must(t, err)
	b, err := o.event()
	must(t, err)
	var e struct {
		AuditID, Stage, Level, Verb, RequestURI string
		User                                    struct{ Username string }
		ObjectRef                               struct{ Resource, Name, APIGroup string }
		RequestObject                           Outcome
		Annotations                             map[string]string
	}
	must(t, json.Unmarshal(a, &e))
	if string(a) != string(b) || e.ObjectRef.Resource != "alerts" || e.ObjectRef.Name != "k" || e.RequestObject.Reason != o.Reason || e.User.Username != alertUser ||
		e.Annotations["annals.dev/outcome"] != "silenced" || !regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`).MatchString(e.AuditID) {
		t.Errorf("%s", a)
	}
}

// TestDocs reads every configuration and every silence in docs/alerts.md as a user would paste it.
func TestDocs(t *testing.T) {
	doc, err := os.ReadFile("../../docs/alerts.md")
	must(t, err)
	dir := t.TempDir()
	t.Setenv("SLACK_URL", "https://hooks.slack.com/services/T/B/x")
	seen := map[Kind]bool{}
	for i, block := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllSubmatch(doc, -1) {
		text := regexp.MustCompile(`/etc/annals/[a-z.-]+`).ReplaceAllStringFunc(string(block[1]), func(name string) string {
			made := filepath.Join(dir, filepath.Base(name))
			content := "s3cret"
			if strings.HasSuffix(name, ".pem") {
				_, ca := certificate(t)
				b, err := os.ReadFile(ca)
				must(t, err)
				content = string(b)
			}
			must(t, writeFile(made, content))
			return made
		})
		var watch struct {
			Alerts Config `json:"alerts"`
		}
		if err := yaml.UnmarshalStrict([]byte(text), &watch); err != nil {
			t.Fatalf("example %d: %v\n%s", i+1, err, text)
		}
		if len(watch.Alerts.Destinations) == 0 {
			t.Errorf("example %d configures no destination:\n%s", i+1, text)
		}
		for _, d := range watch.Alerts.Destinations {
			seen[d.Kind] = true
		}
		a, err := open(watch.Alerts, Deps{Source: newMemory()}, sim.New(1), quick)
		if err != nil {
			t.Fatalf("example %d: %v\n%s", i+1, err, text)
		}
		must(t, a.Close())
	}
	for _, kind := range kinds {
		if !seen[kind] {
			t.Errorf("docs/alerts.md has no example of kind %s", kind)
		}
	}
	blocks := regexp.MustCompile("(?s)```json silence\n(.*?)```").FindAllSubmatch(doc, -1)
	for _, block := range blocks {
		var s Silence
		must(t, json.Unmarshal(block[1], &s))
		s.Start, s.End = time.Now(), time.Now().Add(time.Hour)
		if err := s.check(time.Now()); err != nil {
			t.Errorf("%v\n%s", err, block[1])
		}
	}
	if len(blocks) == 0 {
		t.Error("docs/alerts.md has no silence")
	}
	for _, word := range slices.Concat(groupWords, silenceWords, []string{fmt.Sprint(maxQueue), fmt.Sprint(maxMessage), "1,000"}) {
		if !strings.Contains(string(doc), word) {
			t.Errorf("docs/alerts.md does not say %q", word)
		}
	}
}

// FuzzConfig reads anything without panic, and what it lets pass starts or says why not.
func FuzzConfig(f *testing.F) {
	f.Add([]byte(one("webhook", "url: http://localhost/")))
	f.Add([]byte(crashConfig))
	f.Add([]byte(toA + "inhibit: [{severity: high, by: [user]}]\nrepeat: {after: 1h}"))
	f.Add([]byte("destinations: [{name: a, kind: email, address: 'a:1', from: a@b, to: [c@d], title: '{{.Severity}}', body: '{{range .Findings}}{{.ID}}{{end}}'}]\nroutes: [{to: [a]}]"))
	f.Fuzz(func(t *testing.T, b []byte) {
		cfg, err := Parse(b)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "alerts") {
				t.Errorf("it does not say where: %v", err)
			}
			return
		}
		a, err := open(cfg, Deps{Source: newMemory()}, disk.FS(sim.New(1)), quick)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "alerts") {
				t.Errorf("it does not say where: %v", err)
			}
			return
		}
		for _, s := range detect.Severities {
			for _, target := range a.targets(clip(with(finding(1), func(f *detect.Finding) { f.Severity = s }))) {
				if target.dest.sender == nil || target.wait < 0 {
					t.Errorf("%+v", target)
				}
			}
		}
		must(t, a.Close())
	})
}

// TestSilencesOfAnnals: that somebody made a silence is not held back by that silence, unless it says so.
func TestSilencesOfAnnals(t *testing.T) {
	f := &detect.Finding{Rule: "silence-created", Cluster: "annals", Severity: detect.Low, User: "carol"}
	for _, tt := range []struct {
		match map[string]string
		want  bool
	}{
		{map[string]string{"user": "carol"}, false},
		{map[string]string{"severity": "low"}, false},
		{map[string]string{"cluster": "anna*"}, false},
		{map[string]string{"rule": "silence-*"}, false},
		{map[string]string{"rule": "silence-created"}, true},
		{map[string]string{"cluster": "annals", "user": "carol"}, true},
		{map[string]string{"cluster": "annals", "user": "bob"}, false},
	} {
		if got := (&Silence{Match: tt.match}).matches(f); got != tt.want {
			t.Errorf("%v: %v, want %v", tt.match, got, tt.want)
		}
	}
}
