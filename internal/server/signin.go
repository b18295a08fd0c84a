package server

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"annals.dev/internal/access"
)

// A browser signs in with a token and gets a session: a random number in a cookie that no script can read and no other site can
// have sent. The session ends with its token, after some time without questions, and in any case after half a day. It
// is kept in memory, hashed: a restart ends it.

const (
	sessionPath  = api + "session"
	sessionIdle  = 2 * time.Hour
	sessionLife  = 12 * time.Hour
	tokenSession = 32 // sessions of one token; one more ends the oldest
)

// SessionQuestion opens a session; the end is empty. The question me says whose it is.
type SessionQuestion struct {
	Token string `json:"token"`
}

type signins struct {
	mu sync.Mutex
	by map[[sha256.Size]byte]*signedInAs
}

type signedInAs struct {
	token       access.Hash
	began, used time.Time
}

func (s *signedInAs) over(now time.Time) bool {
	return now.Sub(s.began) >= sessionLife || now.Sub(s.used) >= sessionIdle
}

// open begins a session.
func (s *signins) open(token access.Hash, now time.Time) (id string) {
	id = rand.Text() + rand.Text() // of 130 random bits each
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.by == nil {
		s.by = map[[sha256.Size]byte]*signedInAs{}
	}
	var oldest [sha256.Size]byte
	same := 0
	for key, other := range s.by {
		switch {
		case other.over(now):
			delete(s.by, key)
		case other.token == token:
			if same++; same == 1 || other.used.Before(s.by[oldest].used) {
				oldest = key
			}
		}
	}
	if same >= tokenSession {
		delete(s.by, oldest)
	}
	s.by[sha256.Sum256([]byte(id))] = &signedInAs{token, now, now}
	return id
}

// find gives the token of a session, and notes that it is used.
func (s *signins) find(id string, now time.Time) (access.Hash, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := sha256.Sum256([]byte(id))
	found := s.by[key]
	switch {
	case found == nil:
		return access.Hash{}, false
	case found.over(now):
		delete(s.by, key)
		return access.Hash{}, false
	}
	found.used = now
	return found.token, true
}

func (s *signins) end(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.by, sha256.Sum256([]byte(id)))
}

var errSession = errors.New("the session is over: sign in again")

// fromSession is whoever began a session.
func (c *core) fromSession(id string) (access.Caller, again, error) {
	keys, err := c.keys()
	if err != nil {
		return access.Caller{}, nil, err
	}
	still := func() (access.Caller, error) {
		token, ok := c.guard.sessions.find(id, time.Now())
		if !ok {
			return access.Caller{}, errSession
		}
		who, err := keys.CallerAgain(token)
		if err != nil {
			c.guard.sessions.end(id)
			return access.Caller{}, fmt.Errorf("%w: %w", errSession, err)
		}
		return who, nil
	}
	who, err := still()
	return who, func() error {
		_, err := still()
		return err
	}, err
}

// cookieName is that of the session's cookie. With the prefix browsers take it from this host alone, over TLS alone.
func cookieName(r *http.Request) string {
	if r.TLS != nil {
		return "__Host-annals"
	}
	return "annals"
}

func setCookie(w http.ResponseWriter, r *http.Request, id string, life time.Duration) {
	http.SetCookie(w, &http.Cookie{
		Name: cookieName(r), Value: id, Path: "/", MaxAge: int(life.Seconds()),
		HttpOnly: true, Secure: r.TLS != nil, SameSite: http.SameSiteStrictMode,
	})
}

// sessionID is the session that a request names. Of two, which another site may have set for a domain of both, neither counts.
func sessionID(r *http.Request) string {
	if all := r.CookiesNamed(cookieName(r)); len(all) == 1 {
		return all[0].Value
	}
	return ""
}

// signing opens and ends sessions.
func (c *core) signing() http.Handler {
	in := c.recorded(http.HandlerFunc(c.signedIn))
	out := c.recorded(http.HandlerFunc(c.signOut))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Method {
		case http.MethodPost:
			c.signIn(in, w, r)
		case http.MethodDelete:
			if who, _, err := c.identify(r); err == nil {
				by := c.askerFor(who)
				out.ServeHTTP(w, r.WithContext(withAsker(withUser(r.Context(), who, who.Name, -1), by)))
				return
			}
			c.signOut(w, r) // of a session that is over
		default:
			w.Header().Set("Allow", "POST, DELETE")
			fail(w, r, &Error{WrongMethod, "POST opens a session, DELETE ends it; GET /api/v1/me says whose it is"})
		}
	})
}

const (
	maxSignIn    = 4 << 10
	signInWithin = 10 * time.Second
)

type hashKey struct{} // of the token that was sent

// signIn finds out whose the token is before the attempt is recorded, so that it is under a name.
func (c *core) signIn(next http.Handler, w http.ResponseWriter, r *http.Request) {
	// A connection that knows no deadlines is one of a test.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(signInWithin))
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxSignIn))
	var q SessionQuestion
	if err == nil {
		err = json.Unmarshal(body, &q)
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
	if err != nil || q.Token == "" || r.URL.RawQuery != "" || len(r.Header["Authorization"]) > 0 {
		fail(w, r, &Error{Usage, `send {"token":"annals_…"} and nothing else`})
		return
	}
	who, hash, err := c.fromToken(r, q.Token)
	r.Body = http.NoBody // no event is to hold it
	if err != nil {
		c.turnAway(w, r, err)
		return
	}
	ctx := withAsker(withUser(r.Context(), who, who.Name, -1), c.askerFor(who))
	next.ServeHTTP(w, r.WithContext(context.WithValue(ctx, hashKey{}, hash)))
}

// signedIn begins a session.
func (c *core) signedIn(w http.ResponseWriter, r *http.Request) {
	by := askerOf(r.Context())
	hash, ok := r.Context().Value(hashKey{}).(access.Hash)
	if by == nil || !ok {
		fail(w, r, errNobody)
		return
	}
	if old := sessionID(r); old != "" {
		c.guard.sessions.end(old)
	}
	now := time.Now()
	life := sessionLife
	if !by.Expires.IsZero() {
		life = min(life, by.Expires.Sub(now))
	}
	setCookie(w, r, c.guard.sessions.open(hash, now), max(life, time.Second))
	done(w, r)
}

func (c *core) signOut(w http.ResponseWriter, r *http.Request) {
	if id := sessionID(r); id != "" {
		c.guard.sessions.end(id)
	}
	setCookie(w, r, "", -time.Second)
	done(w, r)
}

// done answers with an empty end.
func done(w http.ResponseWriter, r *http.Request) {
	reply(w, r, func(func(nothing) error) (nothing, error) { return nothing{}, nil })
}
