package options

import (
	"fmt"
	"time"

	"annals.dev/sink/logfile"
)

// Fsync is when the log file is forced to the disk: never, always, or every so often. It is a pflag.Value.
type Fsync struct {
	Every time.Duration // as logfile.Config has it
}

func (f *Fsync) String() string {
	switch f.Every {
	case logfile.SyncNever:
		return "never"
	case logfile.SyncEach:
		return "always"
	}
	return f.Every.String()
}

func (f *Fsync) Set(s string) error {
	switch s {
	case "never":
		f.Every = logfile.SyncNever
		return nil
	case "always":
		f.Every = logfile.SyncEach
		return nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < time.Millisecond { // more often than that is a loop
		return fmt.Errorf("%q is not never, always or a time such as 1s, and of at least 1ms", s)
	}
	f.Every = d
	return nil
}

func (f *Fsync) Type() string { return "when" }
