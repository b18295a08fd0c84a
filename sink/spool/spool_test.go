package spool

import (
	"testing"

	"annals.dev/sink/sinktest"
)

func TestSpoolIsASink(t *testing.T) {
	sinktest.Run(t, func(t *testing.T) sinktest.Subject {
		m := &sinktest.Memory{}
		s, err := Open(Config{Dir: t.TempDir()}, m)
		if err != nil {
			t.Fatal(err)
		}
		return sinktest.Subject{Sink: s, Events: m.Events, String: "spool<memory>"}
	})
}
