package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"annals.dev/internal/access"
)

// guard is what decides who may ask.
type guard struct {
	opening sync.Once
	store   *access.Store
	err     error

	demo     bool // everybody may ask
	sessions signins
	guesses  guesses

	strangers strangers

	refusing sync.Once
	refusals http.Handler // answers those who are not let in, and records it
}

type refusalKey struct{} // why a request is not let in

// keys are the directory's keys and tokens. Whoever needs none can work where they are damaged.
func (c *core) keys() (*access.Store, error) {
	c.guard.opening.Do(func() { c.guard.store, c.guard.err = access.Open(c.dir, c.log) })
	return c.guard.store, c.guard.err
}

// handler answers the command line: whoever reaches it is the owner of the data directory.
func (c *core) handler() http.Handler { return c.asOwner(c.recorded(c.questions())) }

// asOwner lets every request in as the owner of the data directory: it is for those that come through the socket, which
// nobody else can open, or from within this process. On record is the user of the machine.
func (c *core) asOwner(next http.Handler) http.Handler {
	by := c.askerFor(access.Caller{Name: "owner", Role: access.Admin, Bodies: true})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, uid := peerOf(r.Context())
		r = markLong(r)
		next.ServeHTTP(w, r.WithContext(withAsker(withUser(r.Context(), by.Caller, name, uid), by)))
	})
}

// overHTTP answers those who come by the network: people with a browser, and commands and programs with a token. Pages
// are for everybody, since there is nothing in them; what is asked is for those who say who they are.
func (c *core) overHTTP(loopback bool, pages http.Handler) http.Handler {
	asked := c.letIn(c.recorded(c.questions()))
	signing := c.signing()
	return secure(loopback, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch path := r.URL.Path; {
		case !isAPI(path):
			if !loopback && (path == "/metrics" || path == "/healthz") {
				c.onlyAuditors(pages).ServeHTTP(w, r)
				return
			}
			pages.ServeHTTP(w, r)
		case r.URL.RawPath != "" || strings.Contains(path, "//") || strings.Contains(path, "/../") || strings.Contains(path, "/./"):
			// Two readings of one path are one too many where rights hang on it.
			fail(w, r, &Error{NotFound, fmt.Sprintf("there is nothing at %.200q", r.URL.EscapedPath())})
		case path == sessionPath:
			signing.ServeHTTP(w, r)
		default:
			asked.ServeHTTP(w, r)
		}
	}))
}

// letIn finds out who asks, and hands on only the requests of those who are known.
func (c *core) letIn(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, again, err := c.identify(r)
		if err != nil {
			c.turnAway(w, r, err)
			return
		}
		ctx, end := c.whileInForce(r.Context(), again)
		defer end()
		by := c.askerFor(who)
		r = markLong(r.WithContext(withAsker(withUser(ctx, who, who.Name, -1), by)))
		next.ServeHTTP(w, r)
	})
}

// errNobody says that a request brings nothing by which to know who it is from.
var errNobody = errors.New("sign in first: send a token, or open a session with one")

// identify says who a request is from, and how to look whether that still holds. What it brings in its Authorization header goes
// before a session; if that is wrong, a session does not make it right.
func (c *core) identify(r *http.Request) (access.Caller, again, error) {
	text, err := access.Bearer(r)
	if err != nil {
		return access.Caller{}, nil, c.guess(r, err)
	}
	if text == "" {
		if id := sessionID(r); id != "" {
			who, again, err := c.fromSession(id)
			if err == nil || !c.guard.demo {
				return who, again, err
			}
		}
		if c.guard.demo {
			return access.Caller{Name: "anonymous", Role: access.Auditor, Bodies: true, Demo: true}, nil, nil
		}
		return access.Caller{}, nil, errNobody
	}
	who, hash, err := c.fromToken(r, text)
	return who, func() error {
		_, err := c.guard.store.CallerAgain(hash)
		return err
	}, err
}

// again says whether whoever was let in still may be; nil: for ever.
type again func() error

// fromToken is whoever has this token.
func (c *core) fromToken(r *http.Request, text string) (access.Caller, access.Hash, error) {
	keys, err := c.keys()
	if err != nil {
		return access.Caller{}, access.Hash{}, err
	}
	if wait := c.guard.guesses.blocked(originOf(r), time.Now()); wait > 0 {
		return access.Caller{}, access.Hash{}, &tooManyError{wait}
	}
	who, hash, err := keys.Caller(text)
	if err != nil && !errors.Is(err, access.ErrWrongRole) { // a cluster's token is no guess
		err = c.guess(r, err)
	}
	return who, hash, err
}

// guess counts what was wrong by where it came from.
func (c *core) guess(r *http.Request, err error) error {
	from, now := originOf(r), time.Now()
	if wait := c.guard.guesses.blocked(from, now); wait > 0 {
		return &tooManyError{wait}
	}
	c.guard.guesses.wrong(from, now)
	return err
}

// turnAway answers a request that is from nobody known. Wrong tokens are on record; but not requests without any, which is how
// a browser finds out that it has to sign in.
func (c *core) turnAway(w http.ResponseWriter, r *http.Request, err error) {
	refused := &Error{SignIn, err.Error()}
	var many *tooManyError
	switch {
	case errors.As(err, &many):
		refused.Kind = Busy
		fail(w, r, refused)
		return
	case errors.Is(err, access.ErrWrongRole):
		refused.Kind = Forbidden
	case errors.Is(err, errNobody), errors.Is(err, errSession):
		fail(w, r, refused)
		return
	case !errors.Is(err, access.ErrBadToken) && !errors.Is(err, access.ErrExpired):
		fail(w, r, &Error{Failed, err.Error()})
		return
	}
	if !c.guard.strangers.allow(time.Now()) { // from many addresses at once
		fail(w, r, refused)
		return
	}
	c.guard.refusing.Do(func() {
		c.guard.refusals = c.recordedBy(refusalPolicy, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			why, _ := r.Context().Value(refusalKey{}).(*Error)
			fail(w, r, why)
		}))
	})
	r.Body = http.NoBody // nothing of it is read or kept
	c.guard.refusals.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), refusalKey{}, refused)))
}

// lookAgain is how often it is looked whether whoever is being answered still may be.
const lookAgain = time.Second

// whileInForce ends the context when the token is revoked or expires: an answer may go on for days.
func (c *core) whileInForce(ctx context.Context, still again) (context.Context, func()) {
	if still == nil {
		return ctx, func() {}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	var mu sync.Mutex
	var t *time.Timer
	look := func() {
		if err := still(); err != nil {
			cancel(&Error{SignIn, err.Error()})
			return
		}
		mu.Lock()
		defer mu.Unlock()
		if ctx.Err() == nil {
			t.Reset(lookAgain)
		}
	}
	mu.Lock()
	t = time.AfterFunc(lookAgain, look)
	mu.Unlock()
	return ctx, func() {
		cancel(nil)
		mu.Lock()
		defer mu.Unlock()
		t.Stop()
	}
}

// onlyAuditors is for what has no route of its own: metrics and health.
func (c *core) onlyAuditors(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, _, err := c.identify(r)
		switch {
		case err != nil:
			c.turnAway(w, r, err)
		case !who.Role.AtLeast(access.Auditor):
			fail(w, r, &Error{Forbidden, fmt.Sprintf("%s needs the role %s; %s has the role %s", r.URL.Path, access.Auditor, who.Name, who.Role)})
		default:
			next.ServeHTTP(w, r)
		}
	})
}
