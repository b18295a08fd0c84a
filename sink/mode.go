package sink

import (
	"context"
	"log/slog"
)

// Blocking is the mode "blocking": what the sink within returns is counted, logged and then ignored, so that a request never
// fails for its audit event. Both m and log may be nil.
func Blocking(within Sink, m *Metrics, log *slog.Logger) Sink {
	return &mode{Sink: within, report: NewReporter(within, m, log), ignore: true}
}

// Strict is the mode "blocking-strict": the sink itself, whose errors are counted and logged on their way to the caller.
func Strict(within Sink, m *Metrics, log *slog.Logger) Sink {
	return &mode{Sink: within, report: NewReporter(within, m, log)}
}

type mode struct {
	Sink
	report *Reporter
	ignore bool
}

func (s *mode) Send(ctx context.Context, events ...[]byte) error {
	err := s.Sink.Send(ctx, events...)
	lost := 0
	if err != nil {
		lost = lostOf(err, len(events))
		s.report.Lost(causeOf(err), lost, err)
	}
	s.report.Metrics.Delivered(s.report.Plugin, len(events)-lost)
	if s.ignore {
		return nil
	}
	return err
}

func (s *mode) String() string {
	if s.ignore {
		return "ignoreErrors<" + s.Sink.String() + ">"
	}
	return s.Sink.String()
}
