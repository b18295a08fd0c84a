package server

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"annals.dev/internal/access"
)

// What questions may use. Their memory is the query engine's to limit.
const (
	callerQuestions = 8                // of one caller at once
	allQuestions    = 32               // of all together
	queueFor        = 2 * time.Second  // how long one waits for its turn
	answerWithin    = 60 * time.Second // but for those that go on for as long as somebody reads
	readWithin      = 30 * time.Second // how long an answer waits for whoever asked to read on
	recordedAtOnce  = 32 << 20         // bytes that the record of one caller's acts may take
	recordedLater   = 64 << 10         // and in each second after that
	jsonItems       = 10_000           // items of an answer in one piece
	jsonBytes       = 32 << 20         // and its size
)

// limits counts the questions being answered. The zero value has the limits above.
type limits struct {
	mu    sync.Mutex
	open  int
	by    map[string]int
	freed chan struct{} // closed when a question ends

	statements map[string]chan struct{} // by caller, who holds a token while one runs
	recorded   map[string]*rate.Limiter // by caller: bytes of the record

	time time.Duration // instead of answerWithin, in tests
}

// isOwner says that the question came from whoever the data directory belongs to, through its socket: no limit of time stands
// between people and their own files.
func (by *asker) isOwner() bool {
	return by.Name == "owner" && by.TokenID == "" && by.Role == access.Admin
}

// enter waits for a place among the questions. Call leave when the question is answered.
func (l *limits) enter(ctx context.Context, by *asker) (leave func(), err error) {
	who := by.key()
	patience := time.NewTimer(queueFor)
	defer patience.Stop()
	for {
		l.mu.Lock()
		if l.by == nil {
			l.by, l.freed = map[string]int{}, make(chan struct{})
		}
		if by.isOwner() || l.open < allQuestions && l.by[who] < callerQuestions {
			l.open++
			l.by[who]++
			l.mu.Unlock()
			return func() { l.leave(who) }, nil
		}
		all, freed := l.open >= allQuestions, l.freed
		l.mu.Unlock()
		select {
		case <-freed:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-patience.C:
			if all {
				return nil, &Error{Busy, fmt.Sprintf("%d questions are being answered at present, and no more are taken: try again soon", allQuestions)}
			}
			return nil, &Error{Busy, fmt.Sprintf("%d questions of %s are being answered, and no more are taken: wait for one of them, or close one", callerQuestions, by.Name)}
		}
	}
}

// statement waits until no other statement of the caller runs. Few run at once, and a caller has no more than one of those
// places: its slow ones keep itself waiting, not others.
func (l *limits) statement(ctx context.Context, by *asker) (leave func(), err error) {
	if by.isOwner() {
		return func() {}, nil
	}
	who := by.key()
	l.mu.Lock()
	if l.statements == nil {
		l.statements = map[string]chan struct{}{}
	}
	turn := l.statements[who]
	if turn == nil {
		turn = make(chan struct{}, 1)
		l.statements[who] = turn
	}
	l.mu.Unlock()
	select {
	case turn <- struct{}{}:
		return func() { <-turn }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// record bounds how fast a caller makes the ledger grow, for every act is on record with what was sent. It refuses the acts of one
// who has sent too much; spend counts what another one sends.
func (l *limits) record(by *asker) (spend func(bytes int64), err error) {
	if by == nil || by.isOwner() {
		return func(int64) {}, nil
	}
	who := by.key()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.recorded == nil {
		l.recorded = map[string]*rate.Limiter{}
	}
	budget := l.recorded[who]
	if budget == nil {
		budget = rate.NewLimiter(recordedLater, recordedAtOnce)
		l.recorded[who] = budget
	}
	if budget.Tokens() < 1 {
		return nil, &Error{Busy, fmt.Sprintf("what %s sent in questions is on record and has grown to more than the %d MiB that it may at once: ask shorter questions, or later", by.Name, recordedAtOnce>>20)}
	}
	return func(bytes int64) { budget.ReserveN(time.Now(), int(min(bytes, recordedAtOnce))) }, nil
}

// key tells callers apart.
func (by *asker) key() string {
	if by.TokenID == "" {
		return by.Name
	}
	return by.TokenID
}

// answering is how many questions are being answered.
func (l *limits) answering() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.open
}

func (l *limits) leave(who string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open--
	if l.by[who]--; l.by[who] == 0 {
		delete(l.by, who)
	}
	close(l.freed)
	l.freed = make(chan struct{})
}

// within gives a question its time.
func (l *limits) within(ctx context.Context, by *asker, of route) (context.Context, context.CancelFunc) {
	if of.endless || by.isOwner() {
		return ctx, func() {}
	}
	most := answerWithin
	if l.time != 0 {
		most = l.time
	}
	return context.WithTimeoutCause(ctx, most, &Error{Limit, fmt.Sprintf(
		"the answer took longer than the %s that one may take, and was ended: ask for a shorter time or for fewer events, or export it, which may take longer", most)})
}
