package proxy

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
	"golang.org/x/sync/singleflight"
	authentication "k8s.io/api/authentication/v1"

	"annals.dev/audit"
)

const (
	rememberFor    = 10 * time.Second // how long an answer about a token holds; a token that was called back lives that much longer
	maxRemembered  = 10000
	maxAsking      = 64 // questions to the upstream at once
	askFor         = 10 * time.Second
	pathSelf       = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
	pathToken      = "/apis/authentication.k8s.io/v1/tokenreviews"
	pathAccess     = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
	maxTokenLength = 64 << 10
)

// errNotAccepted is a token that the upstream does not accept, or not for us.
var errNotAccepted = errors.New("the token is not accepted")

// reviews asks the upstream about tokens, and remembers its answers for a moment under a keyed hash: no token is kept.
type reviews struct {
	up      *upstream
	metrics *Metrics
	key     [32]byte
	now     func() time.Time
	joined  singleflight.Group  // one question per token at a time
	asking  *semaphore.Weighted // bounds all of them

	mu    sync.Mutex
	known map[tokenHash]known
	order []tokenHash // of known, the oldest first
}

type tokenHash [sha256.Size]byte

type known struct {
	user  *audit.UserInfo
	until time.Time
}

func newReviews(up *upstream, m *Metrics) *reviews {
	v := &reviews{up: up, metrics: m, now: time.Now, asking: semaphore.NewWeighted(maxAsking), known: map[tokenHash]known{}}
	rand.Read(v.key[:]) // never fails
	return v
}

func (v *reviews) hash(token string) (h tokenHash) {
	mac := hmac.New(sha256.New, v.key[:])
	mac.Write([]byte(token))
	mac.Sum(h[:0])
	return h
}

// user says whose a token is, by what the upstream said within the last ten seconds or by asking. Only what it accepted is
// remembered. The user must not be changed.
func (v *reviews) user(ctx context.Context, token string, ask func(context.Context, string) (*audit.UserInfo, error)) (*audit.UserInfo, error) {
	if len(token) > maxTokenLength {
		return nil, errNotAccepted
	}
	h := v.hash(token)
	if u := v.recall(h); u != nil {
		v.metrics.asked("remembered")
		return u, nil
	}
	// Whoever waits for the same answer must not lose it because the first to ask has gone.
	apart := context.WithoutCancel(ctx)
	answer := v.joined.DoChan(string(h[:]), func() (any, error) {
		ctx, cancel := context.WithTimeout(apart, askFor)
		defer cancel()
		if err := v.asking.Acquire(ctx, 1); err != nil {
			return nil, fmt.Errorf("%d questions about tokens are waiting for the upstream: %w", maxAsking, err)
		}
		defer v.asking.Release(1)
		begun := v.now() // from here on the token may have been called back
		u, err := ask(ctx, token)
		switch {
		case err == nil:
			v.metrics.asked("accepted")
			v.remember(h, known{u, begun.Add(rememberFor)})
		case errors.Is(err, errNotAccepted):
			v.metrics.asked("refused")
		default:
			v.metrics.asked("failed")
		}
		return u, err
	})
	select {
	case a := <-answer:
		if a.Err != nil {
			return nil, a.Err
		}
		return a.Val.(*audit.UserInfo), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (v *reviews) recall(h tokenHash) *audit.UserInfo {
	v.mu.Lock()
	defer v.mu.Unlock()
	if k, ok := v.known[h]; ok && v.now().Before(k.until) {
		return k.user
	}
	return nil
}

func (v *reviews) remember(h tokenHash, k known) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if _, again := v.known[h]; again {
		i := slices.Index(v.order, h)
		v.order = slices.Delete(v.order, i, i+1)
	}
	v.known[h], v.order = k, append(v.order, h)
	now := v.now()
	for len(v.order) > maxRemembered || !now.Before(v.known[v.order[0]].until) && len(v.order) > 1 {
		delete(v.known, v.order[0])
		v.order = v.order[1:]
	}
}

// ofSelf asks with the caller's own token whose it is, which needs no rights.
func (v *reviews) ofSelf(ctx context.Context, token string) (*audit.UserInfo, error) {
	question := authentication.SelfSubjectReview{}
	question.Kind, question.APIVersion = "SelfSubjectReview", "authentication.k8s.io/v1"
	var answer authentication.SelfSubjectReview
	status, err := v.up.ask(ctx, pathSelf, token, &question, &answer)
	switch {
	case status == http.StatusUnauthorized:
		return nil, errNotAccepted
	case err != nil:
		return nil, err
	}
	return userOf(&answer.Status.UserInfo)
}

// ofToken asks by our own right whose a token is, and whether it is for us.
func (v *reviews) ofToken(audiences []string) func(ctx context.Context, token string) (*audit.UserInfo, error) {
	return func(ctx context.Context, token string) (*audit.UserInfo, error) {
		question := authentication.TokenReview{Spec: authentication.TokenReviewSpec{Token: token, Audiences: audiences}}
		question.Kind, question.APIVersion = "TokenReview", "authentication.k8s.io/v1"
		var answer authentication.TokenReview
		if _, err := v.up.ask(ctx, pathToken, "", &question, &answer); err != nil {
			return nil, err
		}
		// An authenticator that knows nothing of audiences names none: then the token is the API server's, not ours.
		ours := slices.ContainsFunc(answer.Status.Audiences, func(a string) bool { return slices.Contains(audiences, a) })
		if !answer.Status.Authenticated || !ours {
			return nil, errNotAccepted
		}
		return userOf(&answer.Status.User)
	}
}

func userOf(u *authentication.UserInfo) (*audit.UserInfo, error) {
	if u.Username == "" {
		return nil, fmt.Errorf("%w: a user without a name", errAnswer)
	}
	user := &audit.UserInfo{Username: u.Username, UID: u.UID, Groups: u.Groups}
	for key, values := range u.Extra {
		if user.Extra == nil {
			user.Extra = map[string][]string{}
		}
		user.Extra[key] = values
	}
	return user, nil
}
