package capture

import (
	"fmt"
	"strings"
	"testing"
)

func TestYAMLAliases(t *testing.T) {
	laughs := "a0: &a0 lol\n"
	for i := 1; i < 20; i++ {
		laughs += fmt.Sprintf("a%d: &a%d [*a%d,*a%d,*a%d,*a%d]\n", i, i, i-1, i-1, i-1, i-1)
	}
	for _, c := range []struct {
		name, body, want, err string
	}{
		{"none", "a: '&*'", `{"a":"\u0026*"}`, ""},
		{"one", "a: &x [1]\nb: *x", `{"a":[1],"b":[1]}`, ""},
		{"merge", "a: &x {p: 1}\nb:\n  <<: *x\n  q: 2\n", `{"a":{"p":1},"b":{"p":1,"q":2}}`, ""},
		{"laughs", laughs, "", "more than 16 times as long"},
		{"one long string, often", "a: &x " + strings.Repeat("x", 100000) + "\nb: [" + strings.Repeat("*x,", 1000) + "]", "", "more than 16 times as long"},
		{"itself", "a: &x [*x]", "", "more than 16 times as long"},
		{"unknown", "a: *y\nb: '&'", "", "unknown anchor"},
	} {
		got, ok, err := DecodeBody("application/yaml", []byte(c.body))
		if c.err == "" {
			if err != nil || !ok || string(got) != c.want {
				t.Errorf("%s: %s, %v, %v; want %s", c.name, got, ok, err, c.want)
			}
		} else if ok || err == nil || !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: %v, %v; want the error %s", c.name, ok, err, c.err)
		}
	}
}

func TestBeginsAsStatus(t *testing.T) {
	for _, c := range []struct {
		body string
		want answer
	}{
		{`{"kind":"Status","apiVersion":"v1"`, yes}, {" {\n\"apiVersion\" : \"v1\" ,\n \"kind\":\"Status\"", yes},
		{`{"kind":"Pod"`, no}, {`{"kind":"Status","apiVersion":"v1beta1"`, no}, {`{"metadata":{}`, no}, {`{"kind":"Status","metadata":{`, no}, {`{"kind":"Status","metadata"`, unknown},
		{`[`, no}, {`x`, no}, {`{}`, no}, {`{"kind":1`, no}, {`{"kind":"Status"}`, no}, {`{"a very long key`, no},
		{"", unknown}, {"  ", unknown}, {`{"ki`, unknown}, {`{"kind" `, unknown}, {`{"kind":`, unknown}, {`{"kind":"Sta`, unknown}, {`{"kind":"Status",`, unknown},
		{`{"kind":"Status","kind":"Status"`, unknown},
		{"k8s\x00\n\x0c\n\x02v1\x12\x06Status\x12", yes}, {"k8s\x00\n\x09\n\x02v1\x12\x03Pod", no}, {"k8s\x00\n", unknown}, {"kube", no},
	} {
		if got := beginsAsStatus([]byte(c.body)); got != c.want {
			t.Errorf("%q: %d, want %d", c.body, got, c.want)
		}
	}
}
