package sink

import (
	"context"
	"errors"
	"strings"
)

// Union sends to each sink in turn, whatever became of the one before, and joins their errors. The union of one sink is that
// sink.
func Union(sinks ...Sink) Sink {
	if len(sinks) == 1 {
		return sinks[0]
	}
	return union(sinks)
}

type union []Sink

func (u union) Send(ctx context.Context, events ...[]byte) error {
	var all error
	for _, s := range u {
		if err := s.Send(ctx, events...); err != nil {
			all = errors.Join(all, err)
		}
	}
	return all
}

func (u union) Close(ctx context.Context) error {
	var all error
	for _, s := range u {
		all = errors.Join(all, s.Close(ctx))
	}
	return all
}

func (u union) String() string {
	names := make([]string, len(u))
	for i, s := range u {
		names[i] = s.String()
	}
	return "union[" + strings.Join(names, ",") + "]"
}
