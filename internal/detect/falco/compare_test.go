package falco

import (
	"strings"
	"testing"

	"annals.dev/audit"
	"annals.dev/internal/match"
)

const sample = `{"kind":"Event","level":"RequestResponse","auditID":"a1","stage":"ResponseComplete",
 "requestURI":"/api/v1/namespaces/default/pods/web/exec?command=sh&command=-c&container=c%20d","verb":"create",
 "user":{"username":"Jane.Doe","groups":["dev","ops"]},"userAgent":"kubectl/v1.33.0 (linux/amd64)","sourceIPs":["10.1.2.3","192.0.2.9"],
 "objectRef":{"resource":"pods","namespace":"default","name":"web","subresource":"exec"},
 "responseStatus":{"code":201,"reason":""},
 "requestObject":{"data":{"a":"x\u003cy","b":"q\"r"},"spec":{"hostNetwork":true,"containers":[
  {"name":"c1","image":"busybox:1","args":["-n","-t","hello","rest"],"securityContext":{"privileged":true}},
  {"name":"c2","image":"nginx"}],"volumes":[{"name":"v","hostPath":{"path":"/etc/kubernetes/pki"}},{"name":"w","emptyDir":{}}]}},
 "annotations":{"authorization.k8s.io/decision":"allow","b64":"aGVsbG8=","bad64":"!!!"},
 "stageTimestamp":"2026-01-01T00:00:00.000001Z"}`

func row(t testing.TB, event string) *match.Row {
	t.Helper()
	v := new(audit.View)
	if err := v.Parse([]byte(event)); err != nil {
		t.Fatalf("%s: %v", event, err)
	}
	return &match.Row{View: v}
}

func condition(in string, upstream bool) (*match.Predicate, error) {
	l := newLoader()
	e, err := newResolver(l, Options{Upstream: upstream}).condition(in)
	if err != nil {
		return nil, err
	}
	return predicate(e), nil
}

// TestOperators is each operator over what is there, what is not, and several values.
func TestOperators(t *testing.T) {
	for in, want := range map[string]bool{
		// absent: every operator is false, and its negation true
		"ka.impuser.name exists":                false,
		"ka.impuser.name = x":                   false,
		"ka.impuser.name != x":                  false,
		"not ka.impuser.name = x":               true,
		"not ka.impuser.name != x":              true,
		"ka.impuser.name in (x)":                false,
		"ka.impuser.name in ()":                 false,
		"ka.impuser.name < 1":                   false,
		"ka.impuser.name contains ''":           false,
		"ka.impuser.name != oneof (x)":          false,
		"tolower(ka.impuser.name) exists":       false,
		"len(ka.impuser.name) = 0":              false,
		"ka.verb = val(ka.impuser.name)":        false,
		"ka.verb != val(ka.impuser.name)":       false,
		"ka.req.role.rules.verbs intersects ()": false,

		// there
		"ka.verb exists":                       true,
		"ka.response.reason exists":            true, // empty is there
		"ka.response.reason = ''":              true,
		"ka.verb = create":                     true,
		"ka.verb == create":                    true,
		"ka.verb = Create":                     false,
		"ka.verb != create":                    false,
		"ka.verb != get":                       true,
		"ka.verb in (get, create)":             true,
		"ka.verb in (get)":                     false,
		"ka.verb in ()":                        false,
		"ka.verb intersects (get, create)":     true,
		"ka.verb contains rea":                 true,
		"ka.verb contains ''":                  true,
		"ka.user.name contains jane":           false,
		"ka.user.name icontains jane":          true,
		"ka.user.name startswith Jane":         true,
		"ka.user.name startswith jane":         false,
		"ka.user.name endswith .Doe":           true,
		"ka.user.name endswith xxxxxxJane.Doe": false,
		"ka.user.name glob J*.D?e":             true,
		"ka.user.name glob j*":                 false,
		"ka.user.name iglob j*":                true,
		"ka.uri glob /api/*/exec*":             true, // * crosses /
		"ka.uri glob /api/?1*":                 true,
		"ka.user.name glob [A-K]ane*":          true,
		"ka.user.name glob [!A-K]ane*":         false,
		"ka.user.name glob [[:upper:]]*":       true,
		"ka.user.name regex Jane":              false, // the whole text
		"ka.user.name regex Jane..*":           true,
		"ka.user.name regex 'J(ane|oe)[.]Doe'": true,
		"ka.user.name regex '(?i)jane.*'":      true,
		"ka.response.code = 201":               true,
		"ka.response.code > 1000":              true, // as texts
		"ka.response.code < 1000":              false,
		"ka.response.code >= 201":              true,
		"ka.response.code <= 201":              true,
		"ka.response.code startswith 2":        true,
		"ka.target.name pmatch (web)":          true,

		// modifiers
		"ka.verb = oneof (get, create)":    true,
		"ka.verb startswith oneof (c, cr)": false,
		"ka.verb startswith anyof (c, cr)": true,
		"ka.verb startswith allof (c, cr)": true,
		"ka.verb startswith allof (c, x)":  false,
		"ka.verb contains anyof (x, y)":    false,
		"ka.verb = anyof (create)":         true,
		"ka.verb != allof (a, b)":          true,
		"ka.verb != anyof (create, b)":     true,
		"ka.verb startswith anyof ()":      false,
		"ka.verb startswith allof ()":      true,
		"ka.verb regex oneof (cr.*, x)":    true,
		"ka.verb glob anyof ('c*', x)":     true,

		// several values
		"ka.user.groups exists":                             true,
		"ka.user.groups in (dev, ops, x)":                   true, // all of them are
		"ka.user.groups in (dev)":                           false,
		"ka.user.groups intersects (dev, x)":                true,
		"ka.user.groups intersects (x)":                     false,
		"not ka.user.groups in (dev)":                       true,
		"tolower(ka.user.groups) intersects (dev)":          true,
		"toupper(ka.user.groups) in (DEV, OPS)":             true,
		"ka.req.pod.containers.image in (busybox:1, nginx)": true,
		"ka.req.pod.containers.image[0] in (busybox:1)":     true,
		"ka.req.pod.containers.image[1] in (nginx)":         true,
		"ka.req.pod.containers.image[2] exists":             false,
		"ka.req.pod.host_network intersects (true)":         true,

		// another field
		"ka.target.name = val(ka.target.resource)":      false,
		"ka.target.resource = val(ka.target.resource)":  true,
		"ka.user.groups intersects val(ka.user.groups)": true,
		"ka.uri contains val(ka.target.name)":           true,
		"ka.target.name in val(ka.user.groups)":         false,
		"tolower(ka.verb) = tolower(ka.verb)":           true,
		"ka.target.resource = ka.target.resource":       false, // a text

		// JSON
		"jevt.value[/stage] = ResponseComplete":                           true,
		"json.value[/verb] in (create)":                                   true,
		"jevt.value[/requestObject/spec/containers/1/name] = c2":          true,
		"jevt.value[/requestObject/spec/containers/2/name] exists":        false,
		"jevt.value[/requestObject/spec/containers/x] exists":             false,
		"jevt.value[/requestObject/spec/hostNetwork] = true":              true,
		"jevt.value[/responseStatus/code] = 201":                          true,
		"jevt.value[/annotations/authorization.k8s.io~1decision] = allow": true,
		"jevt.value[/user/groups] = '[\"dev\",\"ops\"]'":                  true,
		"jevt.value[/user/groups/1] = ops":                                true,
		"jevt.value[/requestObject/spec/volumes/1/emptyDir] = {}":         true,
		"jevt.value[/nosuch] exists":                                      false,
		"jevt.rawtime exists":                                             true,
		"jevt.rawtime = 0":                                                false,
		"jevt.rawtime = 1767225600000001000":                              true,
		"jevt.obj contains '\"verb\": \"create\"'":                        true,
		`ka.req.configmap.obj = '{"a":"x<y","b":"q\\"r"}'`:                true, // as compact as can be
		"ka.uri.param[command] = sh":                                      true, // the first
		"ka.uri.param[container] = 'c d'":                                 true,
		"ka.uri.param[nosuch] exists":                                     false,
	} {
		p, err := condition(in, false)
		if err != nil {
			t.Errorf("%s: %v", in, err)
		} else if got := p.Match(row(t, sample)); got != want {
			t.Errorf("%s is %v", in, got)
		}
	}
}

func TestTransformers(t *testing.T) {
	for in, want := range map[string]bool{
		"tolower(ka.user.name) = jane.doe":                              true,
		"toupper(ka.user.name) = JANE.DOE":                              true,
		"toupper(tolower(ka.user.name)) = JANE.DOE":                     true,
		"b64(json.value[/annotations/b64]) = hello":                     true,
		"b64(json.value[/annotations/bad64]) exists":                    false,
		"basename(ka.uri) startswith exec":                              true,
		"basename(ka.verb) = create":                                    true,
		"basename(ka.req.pod.volumes.hostpath) in (pki)":                true,
		"len(ka.verb) = 6":                                              true,
		"len(ka.verb) > 10":                                             false, // as numbers
		"len(ka.verb) < 10":                                             true,
		"len(ka.verb) in (5, 0x6)":                                      true,
		"len(ka.verb) != 6":                                             false,
		"len(ka.user.groups) = 2":                                       true,
		"len(ka.user.groups) = len(ka.req.pod.containers.name)":         true,
		"len(ka.response.reason) = 0":                                   true,
		`join(",", ka.user.groups) = "dev,ops"`:                         true,
		`join("-", (ka.verb, ka.target.resource)) = create-pods`:        true,
		`join("-", (ka.verb, "x", toupper(ka.verb))) = create-x-CREATE`: true,
		`join("-", (ka.verb)) = create`:                                 true,
		`join(",", ()) = ""`:                                            true,
		`join("-", (ka.verb, ka.impuser.name)) exists`:                  false,
		`concat(ka.verb, ":", ka.target.name) in ("create:web")`:        true,
		`concat(ka.verb, ka.impuser.name) exists`:                       false,
		`toupper(concat(ka.verb, "x")) = CREATEX`:                       true,
		`len(join("-", ("aaa", "bbb"))) = 7`:                            true,
		`b64(join("W", ("YWFhL", "JiYg"))) = "aaa-bbb"`:                 true,

		`getopt(("-n", "-t", "hello"), "nt:") in (n, t, hello)`: true,
		`getopt(("-n", "-t", "hello"), "nt:")[t] = hello`:       true,
		`getopt(("-n", "-t", "hello"), "nt:")[n] = n`:           true,
		`getopt(("-nthello"), "nt:")[t] = hello`:                true,
		`getopt(("-t", "1", "-t", "2"), "t:")[t] = 2`:           true,
		`getopt(("-n"), "nt:")[t] exists`:                       false,
		`getopt(("-t"), "t:")[t] = ""`:                          true,
		`getopt(("-x", "-n"), "n") in ("?", n)`:                 true,
		`getopt(("-n", "--", "-t"), "nt") intersects (t)`:       false,
		`getopt(("--long", "-n"), "n") intersects (n)`:          true,
		`getopt(("word", "-n"), "n") exists`:                    false,
		`getopt(("-n", "-", "-t"), "nt") intersects (t)`:        false,
		`getopt(("-n"), "") intersects (n)`:                     false,
	} {
		p, err := condition(in, false)
		if err != nil {
			t.Errorf("%s: %v", in, err)
		} else if got := p.Match(row(t, sample)); got != want {
			t.Errorf("%s is %v", in, got)
		}
	}
}

func TestConditionsThatCannotBe(t *testing.T) {
	for in, want := range map[string]string{
		"ka.nosuch = 1":                          "no field ka.nosuch",
		"evt.type = open":                        "no field evt.type",
		"ka.uri.param = x":                       "needs an argument",
		"jevt.value = x":                         "needs an argument",
		"ka.verb[0] = get":                       "takes no argument",
		"ka.req.pod.containers.image[x] exists":  "must be the number of an element",
		"ka.req.pod.containers.image[-1] exists": "must be the number of an element",
		"ka.user.groups = dev":                   "has several values",
		"ka.user.groups contains dev":            "has several values",
		"ka.user.groups pmatch (dev)":            "has several values",
		"ka.user.groups = anyof (dev)":           "has several values",
		"ka.verb bcontains 48":                   "compares bytes",
		"ka.verb bstartswith 48":                 "compares bytes",
		"ka.verb regex '('":                      "regular expression",
		"len(ka.verb) contains 1":                "is a number",
		"len(ka.verb) = x":                       "no whole number",
		"tolower(len(ka.verb)) = x":              "takes a text",
		"len(ka.verb) = val(ka.verb)":            "one is a number",
		"ka.verb = val(ka.user.groups)":          "has several values",
		"nosuch":                                 "no macro nosuch",
		`tolower("x") = x`:                       "takes a field",
		`tolower(ka.verb, ka.uri) = x`:           "takes one field",
		`join("-") = x`:                          "a separator and a list",
		`join("-", "x") = x`:                     "a separator and a list",
		`join(ka.user.groups, ("x")) = x`:        "a separator and a list",
		`concat("x") = x`:                        "two texts or more",
		`concat(ka.user.groups, "x") = x`:        "two texts or more",
		`getopt("x", "n") exists`:                "a list and a text",
		`getopt(("x")) exists`:                   "a list and a text",
		`getopt(("x"), "n")[nn] exists`:          "one character",
		`tolower(ka.verb)[x] = y`:                "no argument in brackets",
		`join("-", (ka.user.groups)) = x`:        "a list within a list",
	} {
		_, err := condition(in, false)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", in, err, want)
		}
	}
}

// TestPmatch is about the components of paths.
func TestPmatch(t *testing.T) {
	const path = "/opt/dir/sub/file.txt"
	for prefix, want := range map[string]bool{
		"/opt/dir": true, "/opt/dir/": true, "/opt": true, "/": true, "/opt/dir2": false, "/opt/di": false, "/opt/*": true, "/opt/*/sub": true, "/opt/di?/sub": true,
		"/opt/dii?/sub": false, "/opt/di[r]/sub": true, "/opt/di[!r]/sub": false, "/opt/*/other": false, "/opt/*/*/*": true, "/opt/*/*/*/*": false, path: true, path + "/x": false,
	} {
		if got := prefixed(prefix)([]byte(path)); got != want {
			t.Errorf("%s: %v", prefix, got)
		}
	}
}

func TestGlob(t *testing.T) {
	for _, tt := range []struct {
		pattern, text string
		want          bool
	}{
		{"", "", true}, {"", "a", false}, {"*", "", true}, {"**", "ab", true}, {"a*b*c", "aXbYbZc", true}, {"a*b*c", "aXbYbZ", false}, {"?", "", false}, {`\*`, "*", true},
		{`\*`, "a", false}, {`a\`, `a\`, true}, {"[", "[", true}, {"[a", "[a", true}, {"[]]", "]", true}, {"[!]]", "]", false}, {"[a-]", "-", true}, {"[a-c]x", "bx", true},
		{"[^a]", "b", true}, {`[\]]`, "]", true}, {"[[:digit:]-]", "-", true}, {"[[:nosuch:]]", "n", false}, {"*[0-9]", "a7", true}, {"*a*a*a*a*a*b", strings.Repeat("a", 300), false},
	} {
		if got := glob(tt.pattern, []byte(tt.text), false); got != tt.want {
			t.Errorf("%q %q: %v", tt.pattern, tt.text, got)
		}
	}
}

// TestWithoutAuditID: what is no audit event has none of the ka fields.
func TestWithoutAuditID(t *testing.T) {
	r := row(t, `{"verb":"get","requestObject":{"spec":{"hostPID":true}}}`)
	for in, want := range map[string]bool{
		"ka.verb exists": false, "ka.verb = get": false, "ka.verb in (get, list)": false, "ka.verb startswith g": false, "ka.req.pod.host_pid exists": false,
		"jevt.value[/verb] = get": true,
	} {
		p, err := condition(in, false)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Match(r); got != want {
			t.Errorf("%s is %v", in, got)
		}
	}
}

// TestWhatTestersSay: the same test has the same key, and what it says of itself is so.
func TestWhatTestersSay(t *testing.T) {
	for _, tt := range []struct{ in, key, field, exact string }{
		{"ka.verb = get", "falco:ka.verb in (get)", "verb", "get"},
		{"ka.verb == 'get'", "falco:ka.verb in (get)", "verb", "get"},
		{"ka.verb in (get)", "falco:ka.verb in (get)", "verb", "get"},
		{"ka.verb intersects (get)", "falco:ka.verb in (get)", "verb", "get"},
		{"ka.verb = anyof (b, a, b)", "falco:ka.verb in (a,b)", "verb", "a b"},
		{"ka.target.resource in (pods, nodes)", "", "objectRef.resource", "nodes pods"},
		{"ka.user.groups intersects (a)", "", "user.groups", "a"},
		{"ka.verb != get", "", "verb", ""},
		{"ka.verb startswith g", "", "verb", ""},
		{"ka.target.subresource exists", "", "objectRef.subresource", ""},
		{"ka.target.subresource = ''", "", "objectRef.subresource", ""},
		{"jevt.value[/stage] = Panic", "falco:json.value[/stage] in (Panic)", "stage", "Panic"},
		{"jevt.value[/requestObject/spec/type] = x", "", "requestObject.spec.type", "x"},
		{"jevt.value[/requestObject/spec/containers/0/name] = x", "", "", ""},
		{"jevt.value[/stageTimestamp] = x", "", "", ""},
		{"ka.req.role.rules.verbs intersects ('*')", "", "requestObject.rules.verbs", "*"},
		{"ka.req.pod.containers.privileged intersects (true)", "", "requestObject.spec.containers.securityContext.privileged", "true"},
		{"ka.req.pod.containers.image.repository in (x)", "", "requestObject.spec.containers.image", ""},
		{"tolower(ka.verb) = get", "", "", ""},
		{"ka.sourceips intersects (10.0.0.1)", "", "sourceIPs", "10.0.0.1"},
		{"ka.auth.decision = allow", "", "annotations.authorization.k8s.io/decision", "allow"},
	} {
		e, err := newResolver(newLoader(), Options{}).condition(tt.in)
		if err != nil {
			t.Fatal(err)
		}
		got := e.(*tester)
		if tt.key != "" && got.Key() != tt.key {
			t.Errorf("%s: key %q", tt.in, got.Key())
		}
		if got.Field() != tt.field || strings.Join(got.Exact(), " ") != tt.exact {
			t.Errorf("%s: %q, %q", tt.in, got.Field(), got.Exact())
		}
	}
}
