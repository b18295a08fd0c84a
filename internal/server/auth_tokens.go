package server

import (
	"context"
	"errors"
	"fmt"
	"time"

	"annals.dev/capture"
	"annals.dev/internal/access"
)

// TokensQuestion asks for the tokens that were not revoked. Items are TokenInfo, the oldest first; the end is empty.
type TokensQuestion struct{}

// TokenInfo is what is told of a token.
type TokenInfo struct {
	ID      string      `json:"id"`
	Role    access.Role `json:"role"`
	Name    string      `json:"name,omitempty"`    // of whoever asks with it
	Cluster string      `json:"cluster,omitempty"` // which delivers with it
	Scope   string      `json:"scope,omitempty"`   // what a reader may see
	Bodies  bool        `json:"bodies,omitempty"`
	Created time.Time   `json:"created"`
	Expires time.Time   `json:"expires,omitzero"`
	Expired bool        `json:"expired,omitempty"`
	Note    string      `json:"note,omitempty"`
}

// TokenQuestion asks for a new token; the end is a NewToken.
type TokenQuestion struct {
	Role    access.Role `json:"role"`              // ingest, reader, auditor, admin
	Name    string      `json:"name,omitempty"`    // of whoever is to have it; default: the role and the token's ID
	Cluster string      `json:"cluster,omitempty"` // for ingest
	Scope   string      `json:"scope,omitempty"`   // for a reader
	Bodies  bool        `json:"bodies,omitempty"`
	Seconds float64     `json:"seconds,omitempty"` // how long it lasts; default 90 days. Ingest tokens last until they are revoked
	Never   bool        `json:"never,omitempty"`   // it lasts until it is revoked
	Note    string      `json:"note,omitempty"`
}

// NewToken is a token that was made. Its text is told this once.
type NewToken struct {
	Text  string    `json:"text"`
	Token TokenInfo `json:"token"`
}

// RevokeQuestion asks to end a token; the end is empty.
type RevokeQuestion struct {
	ID string `json:"id"`
}

func (c *core) listTokens(_ context.Context, _ *asker, _ TokensQuestion, emit func(TokenInfo) error) (nothing, error) {
	keys, err := c.keys()
	if err != nil {
		return nothing{}, err
	}
	tokens, err := keys.Tokens()
	if err != nil {
		return nothing{}, err
	}
	for _, t := range tokens {
		if err := emit(infoOf(t)); err != nil {
			return nothing{}, err
		}
	}
	return nothing{}, nil
}

func infoOf(t access.Token) TokenInfo {
	return TokenInfo{
		ID: t.ID, Role: t.Role, Name: t.Name, Cluster: t.Cluster, Scope: t.Scope, Bodies: t.Bodies,
		Created: t.Created, Expires: t.Expires, Expired: !t.Expires.IsZero() && !time.Now().Before(t.Expires), Note: t.Note,
	}
}

// maxLife is the longest that a token may be asked to last, so that no sum overflows. Beyond it there is never.
const maxLife = 100 * 365 * 24 * time.Hour

func (c *core) createToken(ctx context.Context, _ *asker, q TokenQuestion, _ func(nothing) error) (NewToken, error) {
	keys, err := c.keys()
	if err != nil {
		return NewToken{}, err
	}
	want := access.Token{Role: q.Role, Name: q.Name, Cluster: q.Cluster, Scope: q.Scope, Bodies: q.Bodies, Note: q.Note}
	life := time.Duration(0)
	switch {
	case q.Seconds < 0 || q.Seconds > maxLife.Seconds() || q.Seconds != 0 && q.Seconds < 1:
		return NewToken{}, &Error{Usage, "a token lasts a second at least and 100 years at most"}
	case q.Seconds > 0 && q.Never:
		return NewToken{}, &Error{Usage, "a token lasts for some seconds or until it is revoked, not both"}
	case q.Seconds > 0:
		life = time.Duration(q.Seconds * float64(time.Second))
	case !q.Never && q.Role != access.Ingest:
		life = access.Life
	}
	if life > 0 {
		want.Expires = time.Now().Add(life)
	}
	text, t, err := keys.Create(want)
	if refused := new(access.RefusedError); errors.As(err, &refused) {
		err = &Error{Usage, err.Error()}
	}
	if err == nil {
		capture.Annotate(ctx, noteToken, t.ID)
		capture.Annotate(ctx, noteGranted, grantOf(t))
	}
	return NewToken{text, infoOf(t)}, err
}

// grantOf says what a token is good for, for the record.
func grantOf(t access.Token) string {
	if t.Role == access.Ingest {
		return "ingest for cluster " + t.Cluster
	}
	s := fmt.Sprintf("%s for %s", t.Role, t.Name)
	if t.Scope != "" {
		s += ", scope " + t.Scope
	}
	if t.Bodies {
		s += ", with bodies"
	}
	if !t.Expires.IsZero() {
		s += ", until " + t.Expires.Format(time.RFC3339)
	}
	return s
}

func (c *core) revokeToken(ctx context.Context, _ *asker, q RevokeQuestion, _ func(nothing) error) (nothing, error) {
	keys, err := c.keys()
	if err != nil {
		return nothing{}, err
	}
	capture.Annotate(ctx, noteToken, fmt.Sprintf("%.40s", q.ID))
	err = keys.Revoke(q.ID)
	if errors.Is(err, access.ErrNoToken) {
		err = &Error{NotFound, err.Error()}
	}
	return nothing{}, err
}

// Tokens hands each token to f.
func (c *Client) Tokens(ctx context.Context, f func(TokenInfo) error) error {
	_, err := ask[TokenInfo, nothing](ctx, c, "tokens/list", TokensQuestion{}, f)
	return err
}

// CreateToken makes a token.
func (c *Client) CreateToken(ctx context.Context, q TokenQuestion) (NewToken, error) {
	return ask[nothing, NewToken](ctx, c, "tokens/create", q, nil)
}

// RevokeToken ends a token.
func (c *Client) RevokeToken(ctx context.Context, id string) error {
	_, err := ask[nothing, nothing](ctx, c, "tokens/revoke", RevokeQuestion{id}, nil)
	return err
}
