package sigma

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"annals.dev/internal/detect"
)

// rule makes a rule of the text of its selection.
func ruleText(selection string) string {
	return "title: t\nid: r\nlogsource: {product: kubernetes, service: audit}\ndetection:\n  selection:\n" + indent(selection, "    ") + "  condition: selection\n"
}

func indent(text, by string) string {
	var w strings.Builder
	for line := range strings.Lines(text) {
		w.WriteString(by + strings.TrimSuffix(line, "\n") + "\n")
	}
	return w.String()
}

// one parses a text that holds one rule, used without problems.
func one(t *testing.T, text string) *detect.Rule {
	t.Helper()
	rules, problems := parseText(text, testPlaceholders)
	if len(rules) != 1 || len(problems) > 0 {
		t.Fatalf("%d rules, problems:\n%s", len(rules), show(problems))
	}
	return rules[0]
}

var testPlaceholders = map[string][]string{
	"admins": {"alice", "bob-*"}, "networks": {"10.0.0.0/8", "fd00::/8"}, "port": {"80", "443"}, "none": {}, "word": {"a.b", "c"},
	"codes": {"401", "403"},
}

func agent(s string) string { return fmt.Sprintf(`{"userAgent":%q}`, s) }

// TestSelections has a row for every modifier, and for every form of value.
func TestSelections(t *testing.T) {
	for _, c := range []struct {
		selection string
		yes, no   []string
	}{
		// Plain values.
		{`verb: delete`, []string{`{"verb":"delete"}`, `{"verb":"DELETE"}`}, []string{`{"verb":"deletecollection"}`, `{}`, `{"verb":""}`}},
		{`verb: DELETE`, []string{`{"verb":"delete"}`}, []string{`{"verb":"get"}`}},
		{"verb: delete\nobjectRef.resource: secrets", []string{`{"verb":"delete","objectRef":{"resource":"secrets"}}`},
			[]string{`{"verb":"delete"}`, `{"objectRef":{"resource":"secrets"}}`}},
		{`verb: [create, delete]`, []string{`{"verb":"create"}`, `{"verb":"delete"}`}, []string{`{"verb":"get"}`}},
		{"- verb: delete\n- objectRef.resource: secrets", []string{`{"verb":"delete"}`, `{"objectRef":{"resource":"secrets"}}`}, []string{`{"verb":"get"}`}},
		{`responseStatus.code: [401, 403]`, []string{`{"responseStatus":{"code":403}}`}, []string{`{"responseStatus":{"code":200}}`, `{}`}},
		{`responseStatus.code: '403'`, []string{`{"responseStatus":{"code":403}}`}, []string{`{"responseStatus":{"code":4030}}`}},
		{`requestObject.spec.replicas: 0x10`, []string{`{"requestObject":{"spec":{"replicas":16}}}`, `{"requestObject":{"spec":{"replicas":1.6e1}}}`}, []string{`{"requestObject":{"spec":{"replicas":1}}}`}},
		{`requestObject.ratio: 1.50`, []string{`{"requestObject":{"ratio":1.5}}`, `{"requestObject":{"ratio":"1.5"}}`}, []string{`{"requestObject":{"ratio":15}}`}},
		{`requestObject.spec.hostPID: true`, []string{`{"requestObject":{"spec":{"hostPID":true}}}`, `{"requestObject":{"spec":{"hostPID":"true"}}}`}, []string{`{"requestObject":{"spec":{"hostPID":false}}}`, `{}`}},
		{`requestObject.on: 2026-11-21`, []string{`{"requestObject":{"on":"2026-11-21"}}`}, []string{`{"requestObject":{"on":"2026-11-22"}}`}},
		// Lists in the event: any element.
		{`user.groups: 'system:masters'`, []string{`{"user":{"groups":["a","system:masters"]}}`}, []string{`{"user":{"groups":["a"]}}`, `{"user":{"groups":[]}}`}},
		{`requestObject.spec.containers.image: nginx`, []string{`{"requestObject":{"spec":{"containers":[{"image":"a"},{"image":"nginx"}]}}}`}, []string{`{"requestObject":{"spec":{"containers":[]}}}`}},
		// Short names and annotations' keys.
		{`ns: prod`, []string{`{"objectRef":{"namespace":"prod"}}`}, []string{`{"objectRef":{"namespace":"dev"}}`}},
		{`annotations.authorization.k8s.io/decision: forbid`, []string{`{"annotations":{"authorization.k8s.io/decision":"forbid"}}`}, []string{`{"annotations":{"authorization.k8s.io/decision":"allow"}}`}},
		// Letters of other scripts.
		{`userAgent: GRÜSSE`, []string{agent("grüsse")}, []string{agent("grusse")}},
		{`userAgent: kilo`, []string{agent("KILO")}, []string{agent("\u212ailo")}},

		// Wildcards and escapes.
		{`objectRef.name: 'kube-*-x'`, []string{`{"objectRef":{"name":"kube-a-x"}}`, `{"objectRef":{"name":"KUBE--X"}}`}, []string{`{"objectRef":{"name":"kube-x"}}`, `{"objectRef":{"name":"kube-a-xy"}}`}},
		{`objectRef.name: 'a?c'`, []string{`{"objectRef":{"name":"abc"}}`, `{"objectRef":{"name":"aüc"}}`}, []string{`{"objectRef":{"name":"ac"}}`, `{"objectRef":{"name":"abbc"}}`}},
		{`objectRef.name: '*a?c*e?'`, []string{`{"objectRef":{"name":"xabcdef"}}`, `{"objectRef":{"name":"axcabcef"}}`}, []string{`{"objectRef":{"name":"abcde"}}`}},
		{`objectRef.name: '*ab*ab'`, []string{`{"objectRef":{"name":"abab"}}`}, []string{`{"objectRef":{"name":"ab"}}`}},
		{`userAgent: 'a\*b'`, []string{agent("a*b")}, []string{agent("axb")}},
		{`userAgent: 'a\?b'`, []string{agent("a?b")}, []string{agent("axb")}},
		{`userAgent: 'a\\*'`, []string{agent(`a\b`), agent(`a\`)}, []string{agent("ab")}},
		{`userAgent: 'a\\\*'`, []string{agent(`a\*`)}, []string{agent(`a\b`)}},
		{`userAgent: 'C:\Windows'`, []string{agent(`c:\windows`)}, []string{agent("c:windows")}},
		{`userAgent: 'C:\\Windows'`, []string{agent(`c:\windows`)}, []string{agent(`c:\\windows`)}},
		{`userAgent: 'a\\\b'`, []string{agent(`a\\b`)}, []string{agent(`a\b`)}},
		{`userAgent: 'a\\\\b'`, []string{agent(`a\\b`)}, []string{agent(`a\b`)}},
		{`userAgent: '*'`, []string{agent("x")}, []string{`{}`}},
		{`requestObject.spec: '*'`, []string{`{"requestObject":{"spec":{}}}`}, []string{`{"requestObject":{"spec":null}}`, `{}`}},

		// Null and the empty text.
		{`objectRef.namespace: null`, []string{`{}`, `{"objectRef":{"namespace":""}}`}, []string{`{"objectRef":{"namespace":"a"}}`}},
		{`objectRef.namespace: ''`, []string{`{}`, `{"objectRef":{"namespace":""}}`}, []string{`{"objectRef":{"namespace":"a"}}`}},
		{`requestObject.a: null`, []string{`{"requestObject":{"a":null}}`, `{"requestObject":{}}`}, []string{`{"requestObject":{"a":0}}`, `{"requestObject":{"a":{}}}`}},
		{`objectRef.namespace: ['', kube-system]`, []string{`{}`, `{"objectRef":{"namespace":"kube-system"}}`}, []string{`{"objectRef":{"namespace":"a"}}`}},
		{`objectRef.namespace|neq: null`, []string{`{"objectRef":{"namespace":"a"}}`}, []string{`{}`}},
		{`objectRef.namespace|neq: ''`, []string{`{"objectRef":{"namespace":"a"}}`}, []string{`{}`}},

		// Generic modifiers.
		{"userAgent|contains|all: [go, client]", []string{agent("Go-http-client")}, []string{agent("go")}},
		{"user.groups|all: [a, b]", []string{`{"user":{"groups":["b","a"]}}`}, []string{`{"user":{"groups":["a"]}}`}},
		{`requestURI|startswith: /api/`, []string{`{"requestURI":"/API/v1"}`}, []string{`{"requestURI":"/apis/"}`, `{"requestURI":"x/api/"}`}},
		{`requestURI|endswith: /proxy`, []string{`{"requestURI":"/a/proxy"}`}, []string{`{"requestURI":"/a/proxy/"}`}},
		{`requestURI|contains: '%2fbin%2fsh'`, []string{`{"requestURI":"/x?command=%2Fbin%2Fsh"}`}, []string{`{"requestURI":"/x?command=/bin/sh"}`}},
		{`requestURI|contains: [a, b]`, []string{`{"requestURI":"xb"}`}, []string{`{"requestURI":"x"}`}},
		{`requestURI|contains: '*a?c'`, []string{`{"requestURI":"xabcx"}`}, []string{`{"requestURI":"xacx"}`}},
		{`requestURI|contains: ''`, []string{`{"requestURI":"x"}`}, []string{`{}`}},
		{`requestObject|contains: '"hostPID":true'`, []string{`{"requestObject":{"spec":{"hostPID":true}}}`}, []string{`{"requestObject":{"spec":{"hostPID":false}}}`}},
		{`objectRef.namespace|exists: true`, []string{`{"objectRef":{"namespace":"a"}}`}, []string{`{}`}},
		{`objectRef.namespace|exists: false`, []string{`{}`}, []string{`{"objectRef":{"namespace":"a"}}`}},
		{`requestObject.a|exists: true`, []string{`{"requestObject":{"a":null}}`, `{"requestObject":{"a":""}}`, `{"requestObject":{"a":{}}}`}, []string{`{"requestObject":{}}`}},
		{`verb|cased: delete`, []string{`{"verb":"delete"}`}, []string{`{"verb":"Delete"}`}},
		{`userAgent|cased|startswith: Go`, []string{agent("Go-x")}, []string{agent("go-x")}},
		{`userAgent|contains|cased: ['Go*X', b]`, []string{agent("aGo1X"), agent("b")}, []string{agent("go1X"), agent("B")}},
		{`verb|neq: get`, []string{`{"verb":"list"}`, `{}`}, []string{`{"verb":"GET"}`}},
		{`verb|neq: [get, list]`, []string{`{"verb":"watch"}`}, []string{`{"verb":"list"}`}},
		{`responseStatus.code|neq: 200`, []string{`{"responseStatus":{"code":201}}`}, []string{`{"responseStatus":{"code":200}}`}},
		{`userAgent|contains|neq: go`, []string{agent("curl")}, []string{agent("Go-x")}},
		{`user.groups|neq|all: [a, b]`, []string{`{"user":{"groups":["a"]}}`}, []string{`{"user":{"groups":["a","b"]}}`}},

		// Strings.
		{`requestURI|windash|contains: ' -p'`, []string{`{"requestURI":"x -p"}`, `{"requestURI":"x /p"}`, `{"requestURI":"x –p"}`, `{"requestURI":"x —p"}`, `{"requestURI":"x ―p"}`},
			[]string{`{"requestURI":"x p"}`}},
		{`requestURI|contains|windash: '-a-b /c'`, []string{`{"requestURI":"/a-b -c"}`}, []string{`{"requestURI":"-a/b /c"}`}},
		{`requestURI|re: '^/api/v1/.*secrets$'`, []string{`{"requestURI":"/api/v1/secrets"}`}, []string{`{"requestURI":"/API/v1/secrets"}`, `{"requestURI":"/api/v1/secrets/x"}`}},
		{`requestURI|re: 'a|b'`, []string{`{"requestURI":"xbx"}`}, []string{`{"requestURI":"x"}`}},
		{`requestURI|re: ['a.c', '\d{3}']`, []string{`{"requestURI":"123"}`, `{"requestURI":"abc"}`}, []string{`{"requestURI":"a"}`}},
		{`requestURI|re|all: ['a', 'b']`, []string{`{"requestURI":"ba"}`}, []string{`{"requestURI":"a"}`}},
		{`requestURI|re|i: 'SECRETS'`, []string{`{"requestURI":"/secrets"}`}, []string{`{"requestURI":"/pods"}`}},
		{`requestURI|re|m: '^b$'`, []string{`{"requestURI":"a\nb\nc"}`}, []string{`{"requestURI":"abc"}`}},
		{`requestURI|re|s: 'a.b'`, []string{`{"requestURI":"a\nb"}`}, []string{`{"requestURI":"ab"}`}},
		{`requestURI|re|i|s: 'A.B'`, []string{`{"requestURI":"a\nb"}`}, []string{`{"requestURI":"ab"}`}},
		{`requestURI|re|ignorecase|multiline|dotall: '^B.C$'`, []string{`{"requestURI":"a\nb\nc"}`}, []string{`{"requestURI":"ab"}`}},
		{`requestURI|re|startswith: 'a|b'`, []string{`{"requestURI":"bx"}`}, []string{`{"requestURI":"xb"}`}},
		{`requestURI|re|endswith: 'a|b'`, []string{`{"requestURI":"xb"}`}, []string{`{"requestURI":"bx"}`}},
		{`requestURI|re|contains: 'a|b'`, []string{`{"requestURI":"xbx"}`}, []string{`{"requestURI":"x"}`}},
		{`requestURI|re|neq: 'a'`, []string{`{"requestURI":"b"}`}, []string{`{"requestURI":"a"}`}},
		{`userAgent|base64: 'secret'`, []string{agent("c2VjcmV0")}, []string{agent("secret"), agent("xc2VjcmV0")}},
		{`userAgent|base64|contains: 'secret'`, []string{agent("x c2VjcmV0 y")}, []string{agent("secret")}},
		{`userAgent|base64offset|contains: '/bin/bash'`, []string{
			agent(base64.StdEncoding.EncodeToString([]byte("/bin/bash"))), agent(base64.StdEncoding.EncodeToString([]byte("x/bin/bash -i"))),
			agent(base64.StdEncoding.EncodeToString([]byte("xy/bin/bash -i"))), agent(base64.StdEncoding.EncodeToString([]byte("xyz/bin/bash"))),
		}, []string{agent(base64.StdEncoding.EncodeToString([]byte("/bin/bush")))}},
		{`userAgent|utf16le: 'ab'`, []string{`{"userAgent":"a\u0000b\u0000"}`}, []string{agent("ab")}},
		{`userAgent|wide: 'ab'`, []string{`{"userAgent":"a\u0000b\u0000"}`}, []string{agent("ab")}},
		{`userAgent|utf16be: 'ab'`, []string{`{"userAgent":"\u0000a\u0000b"}`}, []string{agent("ab")}},
		{`userAgent|utf16le|base64offset|contains: 'ping'`, []string{agent("cABpAG4AZwA="), agent("eAB" + "wAGkAbgBnAA==")}, []string{agent("ping")}},
		{`userAgent|wide|base64: 'ping'`, []string{agent("cABpAG4AZwA=")}, []string{agent("cGluZw==")}},
		{`userAgent|utf16|base64: 'a'`, []string{agent("//5hAA==")}, []string{agent("YQA=")}},
		{`userAgent|base64|cased: 'secret'`, []string{agent("c2VjcmV0")}, []string{agent("C2VjcmV0")}},

		// Numbers.
		{`responseStatus.code|gte: 400`, []string{`{"responseStatus":{"code":400}}`}, []string{`{"responseStatus":{"code":399}}`, `{}`}},
		{`responseStatus.code|gt: 400`, []string{`{"responseStatus":{"code":401}}`}, []string{`{"responseStatus":{"code":400}}`}},
		{`responseStatus.code|lte: 400`, []string{`{"responseStatus":{"code":400}}`}, []string{`{"responseStatus":{"code":401}}`}},
		{`responseStatus.code|lt: 400`, []string{`{"responseStatus":{"code":399}}`}, []string{`{"responseStatus":{"code":400}}`, `{}`}},
		{`requestObject.n|gt: 1.5`, []string{`{"requestObject":{"n":"2"}}`, `{"requestObject":{"n":1.6}}`}, []string{`{"requestObject":{"n":1.5}}`, `{"requestObject":{"n":"x"}}`, `{"requestObject":{"n":true}}`}},
		{`responseStatus.code|neq|gte: 400`, []string{`{"responseStatus":{"code":200}}`, `{}`}, []string{`{"responseStatus":{"code":500}}`}},

		// Times.
		{`requestObject.at|minute: 5`, []string{`{"requestObject":{"at":"2026-11-21T10:05:59Z"}}`}, []string{`{"requestObject":{"at":"2026-11-21T10:06:00Z"}}`, `{"requestObject":{"at":"5"}}`}},
		{`requestObject.at|hour: [9, 10]`, []string{`{"requestObject":{"at":"2026-11-21T10:05:59.123456Z"}}`, `{"requestObject":{"at":"2026-11-21T12:05:59+02:00"}}`}, []string{`{"requestObject":{"at":"2026-11-21T11:05:59Z"}}`}},
		{`requestObject.at|day: 21`, []string{`{"requestObject":{"at":"2026-11-21T10:05:59Z"}}`}, []string{`{"requestObject":{"at":"2026-11-22T10:05:59Z"}}`}},
		{`requestObject.at|week: 47`, []string{`{"requestObject":{"at":"2026-11-21T10:05:59Z"}}`}, []string{`{"requestObject":{"at":"2026-11-23T10:05:59Z"}}`}},
		{`requestObject.at|month: 11`, []string{`{"requestObject":{"at":"2026-11-21T10:05:59Z"}}`}, []string{`{"requestObject":{"at":"2026-12-21T10:05:59Z"}}`}},
		{`requestObject.at|year: 2026`, []string{`{"requestObject":{"at":"2026-11-21T10:05:59Z"}}`}, []string{`{"requestObject":{"at":"2027-11-21T10:05:59Z"}}`}},
		{`requestObject.at|hour|gte: 19`, []string{`{"requestObject":{"at":"2026-11-21T19:05:59Z"}}`}, []string{`{"requestObject":{"at":"2026-11-21T18:05:59Z"}}`}},
		{`stageTimestamp|hour: 10`, []string{`{"stageTimestamp":"2026-11-21T10:05:59.000000Z"}`}, []string{`{"stageTimestamp":"2026-11-21T11:05:59.000000Z"}`}},

		// Networks.
		{`sourceIPs|cidr: 10.0.0.0/8`, []string{`{"sourceIPs":["203.0.113.1","10.1.2.3"]}`, `{"sourceIPs":["::ffff:10.1.2.3"]}`}, []string{`{"sourceIPs":["11.1.2.3"]}`, `{"sourceIPs":["x"]}`, `{}`}},
		{`sourceIPs|cidr: ['fd00::/8', 192.0.2.7]`, []string{`{"sourceIPs":["fd12::1"]}`, `{"sourceIPs":["192.0.2.7"]}`}, []string{`{"sourceIPs":["192.0.2.8"]}`}},
		{`peer|cidr|neq: 10.0.0.0/8`, []string{`{"sourceIPs":["10.1.2.3","203.0.113.1"]}`, `{}`}, []string{`{"sourceIPs":["203.0.113.1","10.1.2.3"]}`}},

		// Placeholders.
		{`user.username|expand: '%admins%'`, []string{`{"user":{"username":"Alice"}}`, `{"user":{"username":"bob-7"}}`}, []string{`{"user":{"username":"eve"}}`, `{"user":{"username":"%admins%"}}`}},
		{`user.username: '%admins%'`, []string{`{"user":{"username":"%admins%"}}`}, []string{`{"user":{"username":"alice"}}`}},
		{`user.username|expand: 'x-%admins%:%port%'`, []string{`{"user":{"username":"x-alice:443"}}`, `{"user":{"username":"x-bob-1:80"}}`}, []string{`{"user":{"username":"x-alice:44"}}`}},
		{`user.username|expand: '\%plain%port%'`, []string{`{"user":{"username":"%plain80"}}`}, []string{`{"user":{"username":"80"}}`}},
		{`user.username|expand|contains: '%word%'`, []string{`{"user":{"username":"xa.bx"}}`}, []string{`{"user":{"username":"axb"}}`}},
		{`user.username|re|expand: '^%word%$'`, []string{`{"user":{"username":"a.b"}}`, `{"user":{"username":"c"}}`}, []string{`{"user":{"username":"axb"}}`}},
		{`peer|expand|cidr: '%networks%'`, []string{`{"sourceIPs":["10.9.9.9"]}`}, []string{`{"sourceIPs":["9.9.9.9"]}`}},
		{`responseStatus.code|expand: '%codes%'`, []string{`{"responseStatus":{"code":403}}`}, []string{`{"responseStatus":{"code":400}}`}},
		{`responseStatus.code|gte|expand: '%codes%'`, []string{`{"responseStatus":{"code":402}}`}, []string{`{"responseStatus":{"code":400}}`}},

		// References.
		{`user.username|fieldref: objectRef.name`, []string{`{"user":{"username":"Eve"},"objectRef":{"name":"eve"}}`}, []string{`{"user":{"username":"eve"},"objectRef":{"name":"bob"}}`, `{"user":{"username":"eve"}}`, `{}`}},
		{`user.username|fieldref|cased: objectRef.name`, []string{`{"user":{"username":"eve"},"objectRef":{"name":"eve"}}`}, []string{`{"user":{"username":"Eve"},"objectRef":{"name":"eve"}}`}},
		{`user.username|fieldref|neq: objectRef.name`, []string{`{"user":{"username":"eve"},"objectRef":{"name":"bob"}}`, `{}`}, []string{`{"user":{"username":"eve"},"objectRef":{"name":"eve"}}`}},
		{`user.username|fieldref|startswith: objectRef.name`, []string{`{"user":{"username":"eve-1"},"objectRef":{"name":"eve"}}`}, []string{`{"user":{"username":"1-eve"},"objectRef":{"name":"eve"}}`}},
		{`user.username|fieldref|endswith: objectRef.name`, []string{`{"user":{"username":"1-eve"},"objectRef":{"name":"eve"}}`}, []string{`{"user":{"username":"eve-1"},"objectRef":{"name":"eve"}}`}},
		{`user.username|fieldref|contains: objectRef.name`, []string{`{"user":{"username":"1-eve-1"},"objectRef":{"name":"eve"}}`}, []string{`{"user":{"username":"bob"},"objectRef":{"name":"eve"}}`}},
		{`user.groups|fieldref: requestObject.groups`, []string{`{"user":{"groups":["a","b"]},"requestObject":{"groups":["b","c"]}}`}, []string{`{"user":{"groups":["a"]},"requestObject":{"groups":["b"]}}`}},
		{`user.groups|fieldref|all: [objectRef.name, objectRef.namespace]`, []string{`{"user":{"groups":["a","b"]},"objectRef":{"name":"a","namespace":"b"}}`}, []string{`{"user":{"groups":["a"]},"objectRef":{"name":"a","namespace":"b"}}`}},

		// Keywords.
		{`- mimikatz`, []string{agent("Mimikatz/1"), `{"requestObject":{"x":"a MIMIKATZ b"}}`, `{"annotations":{"mimikatz":"1"}}`}, []string{agent("mimi"), `{"auditID":"mimikatz"}`}},
		{"- 'event::clear'\n- drop", []string{agent("drop"), agent("event::clear")}, []string{agent("event clear")}},
		{`'just text'`, []string{agent("Just Text.")}, []string{agent("just  text")}},
		{"'|all':\n  - curl\n  - ' -k '", []string{`{"requestURI":"x -k y","userAgent":"curl"}`}, []string{agent("curl")}},
		{"'|re':\n  - 'cve-\\d{4}'", []string{agent("cve-2026")}, []string{agent("CVE-2026")}},
		{"'|re|i':\n  - 'cve-\\d{4}'", []string{agent("CVE-2026")}, []string{agent("cve")}},
		{"'|cased': Curl", []string{agent("Curl")}, []string{agent("curl")}},
		{"'|contains': curl", []string{agent("xcurlx")}, []string{agent("x")}},
		{"'|neq': curl", []string{agent("x")}, []string{agent("curl")}},
		{"'|expand': 'x%port%'", []string{agent("x443")}, []string{agent("x")}},
		{"'|base64offset': /bin/sh", []string{agent(base64.StdEncoding.EncodeToString([]byte("x/bin/sh")))}, []string{agent("/bin/sh")}},
		{`- 'a*b?d'`, []string{agent("xa--bcd")}, []string{agent("abd")}},
		{`- 'say "hi" to C:\x'`, []string{`{"requestObject":{"a":"say \"hi\" to C:\\x"}}`, agent(`say "hi" to C:\x`)}, []string{agent("say hi")}},
		{`- 'grüße 😀'`, []string{`{"requestObject":{"a":"gr\u00fc\u00DFe \ud83d\ude00"}}`}, []string{agent("gruesse")}},
		{`- '"privileged":true'`, []string{`{"requestObject":{"privileged":true}}`}, []string{`{"requestObject":{"privileged":false}}`}},
		{`- 4711`, []string{`{"requestObject":{"n":4711}}`}, []string{`{"requestObject":{"n":47}}`}},
		{"- curl\n- verb: delete", []string{agent("curl"), `{"verb":"delete"}`}, []string{`{"verb":"get"}`}},
	} {
		t.Run(c.selection, func(t *testing.T) {
			r := one(t, ruleText(c.selection))
			for _, e := range c.yes {
				if !r.Where.Match(row(t, e)) {
					t.Errorf("it does not match %s", e)
				}
			}
			for _, e := range c.no {
				if r.Where.Match(row(t, e)) {
					t.Errorf("it matches %s", e)
				}
			}
		})
	}
}
