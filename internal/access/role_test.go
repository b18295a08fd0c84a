package access

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"annals.dev/audit"
	"annals.dev/internal/match"
)

func TestWhatTokensThereCanBe(t *testing.T) {
	s, _ := newStore(t)
	for _, c := range []struct {
		name string
		want Token
		says string // "": it can be
	}{
		{"reader", Token{Role: Reader}, ""},
		{"all of it", Token{Role: Reader, Name: "Jane Doé", Scope: "ns:team-a -resource:secrets", Bodies: true, Expires: time.Now().Add(time.Hour), Note: "for the incident"}, ""},
		{"auditor with bodies", Token{Role: Auditor, Bodies: true}, ""},
		{"ingest", Token{Role: Ingest, Cluster: "prod"}, ""},
		{"no role", Token{}, "is not a role"},
		{"another role", Token{Role: "root"}, "is not a role"},
		{"scope that is no query", Token{Role: Reader, Scope: "nothing:x"}, "scope"},
		{"scope of words", Token{Role: Reader, Scope: "ns:a curl"}, "words or bodies"},
		{"scope of bodies", Token{Role: Reader, Scope: "ns:a OR requestObject.kind:Pod"}, "words or bodies"},
		{"scope that is long", Token{Role: Reader, Scope: "ns:" + strings.Repeat("a", maxScope)}, "limit"},
		{"auditor's scope", Token{Role: Auditor, Scope: "ns:a"}, "for readers"},
		{"admin's scope", Token{Role: Admin, Scope: "ns:a"}, "for readers"},
		{"reader of a cluster", Token{Role: Reader, Cluster: "prod"}, "cluster:prod"},
		{"ingest without cluster", Token{Role: Ingest}, "empty"},
		{"ingest for Annals", Token{Role: Ingest, Cluster: Reserved}, "kept"},
		{"ingest that ends", Token{Role: Ingest, Cluster: "a", Expires: time.Now().Add(time.Hour)}, "only delivers"},
		{"ingest with bodies", Token{Role: Ingest, Cluster: "a", Bodies: true}, "only delivers"},
		{"name with control characters", Token{Role: Reader, Name: "a\x1b[31m"}, "printed"},
		{"name that turns the line", Token{Role: Reader, Name: "a\u202eb"}, "printed"},
		{"long note", Token{Role: Reader, Note: strings.Repeat("a", maxText+1)}, "printed"},
		{"past", Token{Role: Reader, Expires: time.Now().Add(-time.Hour)}, "past"},
	} {
		t.Run(c.name, func(t *testing.T) {
			text, got, err := s.Create(c.want)
			var refused *RefusedError
			if c.says != "" {
				if !errors.As(err, &refused) || !strings.Contains(err.Error(), c.says) || text != "" {
					t.Errorf("got %v, want %q", err, c.says)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got.Role != Ingest && got.Name == "" {
				t.Error("nobody's token")
			}
			if again, err := openStoreOf(t, s).find(text); err != nil || again.Token != got {
				t.Errorf("read again: %+v, %v; want %+v", again.Token, err, got)
			}
		})
	}
}

func openStoreOf(t *testing.T, s *Store) *Store {
	t.Helper()
	again, _ := openStore(t, s.dir)
	return again
}

func TestCaller(t *testing.T) {
	s, _ := newStore(t)
	text, made, err := s.Create(Token{Role: Reader, Name: "jane", Scope: "ns:team-a", Bodies: true, Expires: s.now().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	who, hash, err := s.Caller(text)
	if err != nil || who.Name != "jane" || who.Role != Reader || !who.Bodies || who.ScopeText != "ns:team-a" || who.TokenID != made.ID || !who.Expires.Equal(made.Expires) {
		t.Fatalf("%+v, %v", who, err)
	}
	if again, err := s.CallerAgain(hash); err != nil || again.TokenID != made.ID {
		t.Errorf("again: %+v, %v", again, err)
	}
	for _, c := range []struct {
		cluster, ns string
		want        bool
	}{{"prod", "team-a", true}, {"prod", "team-b", false}, {Reserved, "team-a", false}} {
		if got := matches(t, who.Scope, c.cluster, c.ns); got != c.want {
			t.Errorf("%+v: in the scope %v", c, got)
		}
	}
	// Without a scope of its own a reader still sees none of Annals' events.
	free, _, err := s.Create(Token{Role: Reader})
	if err != nil {
		t.Fatal(err)
	}
	if who, _, _ := s.Caller(free); who.Scope == nil || matches(t, who.Scope, Reserved, "") || !matches(t, who.Scope, "prod", "") {
		t.Error("a reader's scope is wrong without one of its own")
	}
	// A reader does not deliver, and a cluster does not ask.
	if _, err := s.Authenticate(bearer(text)); !errors.Is(err, ErrWrongRole) || !strings.Contains(err.Error(), "ingest") {
		t.Errorf("a reader delivers: %v", err)
	}
	cluster, _, err := s.NewToken("prod", "")
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Caller(cluster); !errors.Is(err, ErrWrongRole) {
		t.Errorf("a cluster asks: %v", err)
	}
	// At its hour the token ends, for both.
	s.now = func() time.Time { return made.Expires }
	if _, _, err := s.Caller(text); !errors.Is(err, ErrExpired) {
		t.Errorf("an expired token: %v", err)
	}
	if _, err := s.CallerAgain(hash); !errors.Is(err, ErrExpired) {
		t.Errorf("an expired token, by its hash: %v", err)
	}
	if _, err := s.Authenticate(bearer(text)); !errors.Is(err, ErrExpired) {
		t.Errorf("an expired token delivers: %v", err)
	}
	s.now = time.Now
	if err := s.Revoke(made.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := s.CallerAgain(hash); !errors.Is(err, ErrBadToken) {
		t.Errorf("a revoked token, by its hash: %v", err)
	}
	if err := s.Revoke(made.ID); !errors.Is(err, ErrNoToken) {
		t.Errorf("revoked twice: %v", err)
	}
}

func matches(t *testing.T, p *match.Predicate, cluster, ns string) bool {
	t.Helper()
	var v audit.View
	if err := v.Parse([]byte(fmt.Sprintf(`{"kind":"Event","apiVersion":"audit.k8s.io/v1","objectRef":{"namespace":%q}}`, ns))); err != nil {
		t.Fatal(err)
	}
	return p.Match(&match.Row{View: &v, Cluster: cluster})
}

func TestRoles(t *testing.T) {
	for _, c := range []struct {
		r, least Role
		want     bool
	}{
		{Reader, Reader, true}, {Auditor, Reader, true}, {Admin, Auditor, true}, {Admin, Admin, true}, {Reader, Auditor, false}, {Auditor, Admin, false},
		{Ingest, Reader, false}, {Ingest, Ingest, false}, {Admin, Ingest, false}, {"", "", false}, {"root", Reader, false}, {Admin, "", false},
	} {
		if got := c.r.AtLeast(c.least); got != c.want {
			t.Errorf("%q at least %q: %v", c.r, c.least, got)
		}
	}
}

// A file of the first version holds clusters' tokens, and stays good.
func TestFirstVersionOfTheFile(t *testing.T) {
	s, _ := newStore(t)
	text, _, err := s.NewToken("prod", "setup kubeadm")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(s.dir, tokensName)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var file map[string]any
	if err := json.Unmarshal(b, &file); err != nil {
		t.Fatal(err)
	}
	file["version"] = 1
	delete(file["tokens"].([]any)[0].(map[string]any), "role")
	if b, err = json.Marshal(file); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	old := openStoreOf(t, s)
	if got, err := old.Authenticate(bearer(text)); got != "prod" || err != nil {
		t.Errorf("the old token delivers: %q, %v", got, err)
	}
	if _, _, err := old.Create(Token{Role: Reader}); err != nil {
		t.Fatal(err)
	}
	list, err := old.Tokens()
	if err != nil || len(list) != 2 || list[0].Role != Ingest || list[0].Cluster != "prod" || list[1].Role != Reader {
		t.Errorf("%+v, %v", list, err)
	}
	// In the second version a token says what it is.
	if _, err := parseTokens([]byte(strings.Replace(string(b), `"version":1`, `"version":2`, 1))); err == nil {
		t.Error("took a token without a role")
	}
}
