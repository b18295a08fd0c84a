package proxy

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func TestRedacted(t *testing.T) {
	for in, want := range map[string]string{
		"/a":                                     "/a",
		"/a?":                                    "/a?",
		"/a?watch=1&limit=5":                     "/a?watch=1&limit=5",
		"/a?token=x":                             "/a?token=REDACTED",
		"/a?token=":                              "/a?token=",
		"/a?token":                               "/a?token",
		"/a?x=1&access_token=a%20b&y=%zz":        "/a?x=1&access_token=REDACTED&y=%zz",
		"/a?Access_Token=x&TOKEN=y":              "/a?Access_Token=REDACTED&TOKEN=REDACTED",
		"/a?access%5ftoken=x":                    "/a?access%5ftoken=REDACTED",
		"/a?+token=x":                            "/a?+token=REDACTED",
		"/a?x=1;token=y;z":                       "/a?x=1;token=REDACTED;z",
		"/a?token=x=y":                           "/a?token=REDACTED",
		"/a?command=sh&command=-c&command=token": "/a?command=sh&command=-c&command=token",
		"/a%2fb?token=x":                         "/a%2fb?token=REDACTED",
		"http://me:x@host/a?b=c":                 "/a?b=c",
		"/api/v1/pods?fieldSelector=token%3Dx":   "/api/v1/pods?fieldSelector=token%3Dx",
		"/a?id_token=x&refresh_token=y&password=": "/a?id_token=REDACTED&refresh_token=REDACTED&password=",
	} {
		u, err := url.ParseRequestURI(in)
		if err != nil {
			t.Fatal(err)
		}
		if got := redacted(u).RequestURI(); got != want {
			t.Errorf("%s\n got %s\nwant %s", in, got, want)
		}
	}
}

// Whatever a server could read as one of these parameters, its value is not left.
func FuzzRedacted(f *testing.F) {
	f.Add("a=1&token=S3NT1NEL;b")
	f.Add("access%5Ftoken=S3NT1NEL")
	f.Fuzz(func(t *testing.T, query string) {
		got := redactedQuery(query)
		values, _ := url.ParseQuery(got)
		semicolons, _ := url.ParseQuery(strings.ReplaceAll(got, ";", "&"))
		for _, all := range []url.Values{values, semicolons} {
			for key, values := range all {
				if !secretParameters[strings.ToLower(key)] {
					continue
				}
				for _, v := range values {
					if v != redactedValue && v != "" {
						t.Errorf("%q leaves %q=%q in %q", query, key, v, got)
					}
				}
			}
		}
		if redactedQuery(got) != got {
			t.Errorf("%q is redacted again", got)
		}
	})
}

// What is told about is what acts: of any header, the token is one that the upstream reads too, or none.
func FuzzBearer(f *testing.F) {
	f.Add("Bearer x", "v5, base64url.bearer.authorization.k8s.io.eA", true)
	f.Add("bearer  x y", "", false)
	f.Fuzz(func(t *testing.T, authorization, protocols string, websocket bool) {
		r := &http.Request{Header: http.Header{}}
		if authorization != "" {
			r.Header["Authorization"] = []string{authorization}
		}
		if protocols != "" {
			r.Header[protocolHeader] = []string{protocols}
		}
		if websocket {
			r.Header["Connection"], r.Header["Upgrade"] = []string{"Upgrade"}, []string{"websocket"}
		}
		token, err := bearer(r)
		if err != nil || token == "" {
			return
		}
		again, err := bearer(&http.Request{Header: http.Header{"Authorization": {"Bearer " + token}}})
		if err != nil || again != token {
			t.Errorf("%q is asked about as %q: %v", token, again, err)
		}
		others, _, err := splitProtocols(r.Header)
		if err != nil || strings.Contains(strings.Join(others, ","), protocolToken) {
			t.Errorf("%q still holds a token: %v", others, err)
		}
	})
}
