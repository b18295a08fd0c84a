package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"annals.dev/internal/access"
	"annals.dev/internal/ledger"
	"annals.dev/internal/query"
	"annals.dev/internal/query/named"
)

// QuestionsFile is where in the data directory a user's own questions stand.
const QuestionsFile = "questions.yaml"

const askDefault = 100 // rows

var builtInQuestions = sync.OnceValue(named.BuiltIn)

// Answer is what an answer to a named question ends with.
type Answer struct {
	Asked   *named.Asked   `json:"asked,omitempty"` // what ran; absent where the questions were listed
	Cover   query.Coverage `json:"coverage"`
	Trouble string         `json:"trouble,omitempty"` // why questions that a user added are not there
}

// questionSet are the questions that there are: those that come with Annals, and a user's, read anew each time so that a change
// counts at once. With an error it has the first alone.
func (c *core) questionSet() (*named.Set, error) {
	text, err := os.ReadFile(filepath.Join(c.dir, QuestionsFile))
	if errors.Is(err, fs.ErrNotExist) {
		return builtInQuestions(), nil
	}
	if err != nil {
		return builtInQuestions(), err
	}
	all, err := builtInQuestions().With(QuestionsFile, text)
	if err != nil {
		return builtInQuestions(), err
	}
	return all, nil
}

// askNamed answers a named question, or lists them.
func (c *core) askNamed(ctx context.Context, by *asker, q AskQuestion, emit func(any) error) (Answer, error) {
	set, trouble := c.questionSet()
	if q.Name == "" && q.Question == nil {
		return listQuestions(set, trouble, by, emit)
	}
	if q.Question != nil {
		var err error
		if set, err = named.One(*q.Question); err != nil {
			return Answer{}, &Error{Usage, err.Error()}
		}
		q.Name = q.Question.Name
	}
	asked, err := set.Ask(q.Name, q.Params)
	if err != nil {
		if trouble != nil {
			err = fmt.Errorf("%w; questions that were added could not be read: %w", err, trouble)
		}
		return Answer{}, &Error{Usage, err.Error()}
	}
	limit := askDefault
	if q.Limit != nil {
		limit = *q.Limit
	}
	if limit < 0 {
		return Answer{}, &Error{Usage, fmt.Sprintf("limit %d: give a number of rows, or 0 for all", limit)}
	}
	of := Range{"", q.Since, q.Until, q.Clusters}
	if len(of.Clusters) == 0 && len(asked.Question.Clusters) > 0 {
		if !maySee(by, asked.Question) {
			return Answer{}, &Error{Forbidden, fmt.Sprintf("%s is about what people did with Annals: it is for the role auditor, and %s has the role %s", q.Name, by.Name, by.Role)}
		}
		there, err := c.clusters(ctx, by)
		if err != nil {
			return Answer{}, err
		}
		of.Clusters = slices.DeleteFunc(slices.Clone(asked.Question.Clusters), func(name string) bool { return !slices.Contains(there, name) })
		if len(of.Clusters) == 0 {
			of.Query = "-*" // nothing was done yet
		}
	}
	events, err := c.rangeOf(ctx, by, of)
	if err != nil {
		return Answer{}, err
	}
	if q.Detail == "" {
		q.Detail = Summary
	}
	give := func(r *query.Row) error {
		e := r.Event(q.Detail)
		e.AlsoFrom = c.ledger.Seen(r.Cluster, r.Position)
		return emit(e)
	}
	cov, err := asked.Run(ctx, by.read, events, limit, q.Detail != Summary, named.Answer{Event: give, Group: func(g query.Group) error { return emit(g) }})
	if cov == nil {
		cov = new(query.Coverage)
	}
	return Answer{Asked: asked, Cover: *cov}, notOfTheQuestion(ctx, err)
}

// maySee says whether somebody may know of what a question is about.
func maySee(by *asker, q named.Question) bool {
	return by.Role.AtLeast(access.Auditor) || !slices.Contains(q.Clusters, ledger.Own)
}

func listQuestions(set *named.Set, trouble error, by *asker, emit func(any) error) (Answer, error) {
	a := Answer{Cover: query.Coverage{Clusters: []query.ClusterCoverage{}, Complete: true}}
	for _, q := range set.All() {
		if !maySee(by, q) {
			continue
		}
		a.Cover.Returned++
		if err := emit(q); err != nil {
			return a, err
		}
	}
	if trouble != nil {
		a.Trouble = trouble.Error()
	}
	return a, nil
}

// Ask asks a named question, and hands each item of the answer to f: an event, a group or a question.
func (c *Client) Ask(ctx context.Context, q AskQuestion, f func(json.RawMessage) error) (Answer, error) {
	return ask[json.RawMessage, Answer](ctx, c, "ask", q, f)
}
