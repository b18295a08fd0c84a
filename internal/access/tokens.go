package access

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"annals.dev/internal/match"
)

// TokenPrefix begins every token, so that people and scanners know one when they see it. 52 of a-z and 2-7 follow.
const TokenPrefix = "annals_"

// Life is how long the token of a person lasts where nothing else was said.
const Life = 90 * 24 * time.Hour

// Token is what is kept of a token.
type Token struct {
	ID      string    `json:"id"` // the first 12 digits of SHA256
	Role    Role      `json:"role"`
	Name    string    `json:"name,omitempty"`    // of whoever asks with it; not of an ingest token
	Cluster string    `json:"cluster,omitempty"` // of an ingest token
	Scope   string    `json:"scope,omitempty"`   // a predicate: what a reader may see
	Bodies  bool      `json:"bodies,omitempty"`
	SHA256  string    `json:"sha256"` // of the whole text, prefix included, in hex
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires,omitzero"` // never, if absent
	Note    string    `json:"note,omitempty"`
}

var base32Lower = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// NewToken makes a token with which a cluster delivers, beside those it has.
func (s *Store) NewToken(cluster, note string) (text string, t Token, err error) {
	return s.Create(Token{Role: Ingest, Cluster: cluster, Note: note})
}

// Create makes a token of what want says, but for its ID, SHA256 and Created, which are given to it; so is a name. The
// text is given back this once and kept nowhere.
func (s *Store) Create(want Token) (text string, t Token, err error) {
	t = want
	var secret [32]byte
	rand.Read(secret[:])
	text = TokenPrefix + base32Lower.EncodeToString(secret[:])
	sum := hashOf(text)
	t.SHA256 = hex.EncodeToString(sum[:])
	t.ID = t.SHA256[:idLength]
	t.Created = s.now().UTC().Truncate(time.Second)
	t.Expires = t.Expires.UTC().Truncate(time.Second)
	if t.Role != Ingest && t.Name == "" {
		t.Name = string(t.Role) + "-" + t.ID
	}
	if err := t.check(); err != nil {
		return "", Token{}, &RefusedError{err}
	}
	if t.expired(t.Created) {
		return "", Token{}, &RefusedError{fmt.Errorf("the token would end on %s, which is past", t.Expires.Format(time.RFC3339))}
	}
	if err := s.changeTokens(func(list []Token) ([]Token, error) { return append(list, t), nil }); err != nil {
		return "", Token{}, err
	}
	return text, t, nil
}

// RefusedError says why a token cannot be as it was asked for.
type RefusedError struct{ error }

func (e *RefusedError) Unwrap() error { return e.error }

// ErrNoToken is what Revoke's error wraps where there is no such token.
var ErrNoToken = errors.New("no such token")

// Revoke ends the token with this ID at once, and the sessions begun with it. What was delivered with it stays.
func (s *Store) Revoke(id string) error {
	return s.changeTokens(func(list []Token) ([]Token, error) {
		for i, t := range list {
			if t.ID == id {
				return append(list[:i:i], list[i+1:]...), nil
			}
		}
		return nil, fmt.Errorf("%w: none has the id %.40q; annals token list shows them", ErrNoToken, id)
	})
}

// Tokens lists the tokens that were not revoked, oldest first. Some may have expired.
func (s *Store) Tokens() ([]Token, error) {
	f, err := s.readTokens()
	return f.Tokens, err
}

const (
	idLength = 12
	maxText  = 200 // bytes of a name or note
	maxScope = 4 << 10
)

// check says whether a token is one that can be.
func (t *Token) check() error {
	if n, err := hex.DecodeString(t.SHA256); err != nil || len(n) != sha256.Size {
		return errors.New("sha256 is not 64 hex digits")
	}
	if t.ID != strings.ToLower(t.SHA256)[:idLength] {
		return fmt.Errorf("the id is not the first %d digits of sha256", idLength)
	}
	for _, text := range []string{t.Name, t.Note} {
		if len(text) > maxText || !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
			return fmt.Errorf("%.80q cannot be a name or note: give up to %d bytes of what can be printed", text, maxText)
		}
	}
	switch t.Role {
	case Ingest:
		if t.Scope != "" || t.Bodies || t.Name != "" || !t.Expires.IsZero() {
			return errors.New("an ingest token only delivers, for as long as it is not revoked: it has no name, scope, bodies or expiry")
		}
		return CheckCluster(t.Cluster)
	case Reader, Auditor, Admin:
	default:
		return fmt.Errorf("%.40q is not a role: choose one of %s, %s, %s, %s", t.Role, Reader, Auditor, Admin, Ingest)
	}
	if t.Cluster != "" {
		return fmt.Errorf("a cluster is for ingest tokens; whoever may see cluster %s alone is a reader with the scope cluster:%[1]s", t.Cluster)
	}
	if t.Scope != "" && t.Role != Reader {
		return fmt.Errorf("a scope is for readers: the role %s sees every event", t.Role)
	}
	_, err := ParseScope(t.Scope)
	return err
}

func (t *Token) expired(now time.Time) bool { return !t.Expires.IsZero() && !now.Before(t.Expires) }

// ParseScope reads a reader's scope. The empty one is every event but those of Annals itself.
func ParseScope(text string) (*match.Predicate, error) {
	if len(text) > maxScope {
		return nil, fmt.Errorf("the scope has %d bytes, the limit is %d", len(text), maxScope)
	}
	p, err := match.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("scope: %w", err)
	}
	if _, rest := p.Columns(); rest != nil {
		return nil, fmt.Errorf("scope: %q asks for words or bodies. What an event's text holds is up to whoever makes the request, so that it "+
			"could be written into or out of the scope; and the reader might have no right to bodies. Use fields such as ns, resource, user, cluster", rest)
	}
	return match.And(p, notReserved), nil
}

// notReserved leaves out Annals' own events: a reader sees nobody's questions.
var notReserved = func() *match.Predicate {
	p, err := match.Parse("-cluster:" + Reserved)
	if err != nil {
		panic(err)
	}
	return p
}()
