package server

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// guesses counts wrong tokens by the address that sent them. A token has 256 random bits, so that nobody finds one by
// trying; this keeps those who try from filling the record and the log.
type guesses struct {
	mu sync.Mutex
	by map[string]*guesser
}

type guesser struct {
	wrong float64 // less what time has forgiven
	last  time.Time
}

const (
	guessesAtOnce = 20
	guessEvery    = 3 * time.Second // forgives one
	maxGuessers   = 10_000
)

// settle forgives one for each so long a time.
func (g *guesser) settle(now time.Time, every time.Duration) {
	g.wrong = max(0, g.wrong-now.Sub(g.last).Seconds()/every.Seconds())
	g.last = now
}

// blocked is how long an address has to wait, 0 if it need not.
func (g *guesses) blocked(from string, now time.Time) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	by := g.by[from]
	if by == nil {
		return 0
	}
	if by.settle(now, guessEvery); by.wrong <= guessesAtOnce-1 {
		return 0
	}
	return time.Duration((by.wrong - (guessesAtOnce - 1)) * float64(guessEvery))
}

func (g *guesses) wrong(from string, now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.by == nil {
		g.by = map[string]*guesser{}
	}
	if g.by[from] == nil {
		if len(g.by) >= maxGuessers {
			g.forget(now)
		}
		g.by[from] = &guesser{last: now}
	}
	g.by[from].settle(now, guessEvery)
	g.by[from].wrong++
}

// forget makes room: those who have been forgiven go, and if all are guessing, any.
func (g *guesses) forget(now time.Time) {
	for from, by := range g.by {
		if by.settle(now, guessEvery); by.wrong == 0 {
			delete(g.by, from)
		}
	}
	for from := range g.by {
		if len(g.by) < maxGuessers {
			return
		}
		delete(g.by, from)
	}
}

// strangers bounds how many refusals are put on record, wherever they come from: nobody without a token decides how fast the
// ledger grows.
type strangers struct {
	mu  sync.Mutex
	all guesser
}

const strangersAtOnce, strangersEvery = 200, time.Second

func (s *strangers) allow(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all.settle(now, strangersEvery)
	if s.all.wrong > strangersAtOnce-1 {
		return false
	}
	s.all.wrong++
	return true
}

// tooManyError says that an address sent too many wrong tokens.
type tooManyError struct{ wait time.Duration }

func (e *tooManyError) Error() string {
	return fmt.Sprintf("too many wrong tokens came from this address: try again in %d seconds", int(e.wait.Seconds())+1)
}

// networkOf is an address, or of IPv6 its first 64 bits: one customer has all of the rest.
func networkOf(host string) string {
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return host
	}
	if ip = ip.Unmap().WithZone(""); ip.Is6() {
		p, err := ip.Prefix(64)
		if err == nil {
			return p.String()
		}
	}
	return ip.String()
}

// originOf is the address by which guesses are counted: of IPv6, the network that one customer has.
func originOf(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return networkOf(host)
}
