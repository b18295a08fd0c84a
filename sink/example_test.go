package sink_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"annals.dev/sink"
	"annals.dev/sink/logfile"
	"annals.dev/sink/sinktest"
	"annals.dev/sink/spool"
)

// A log file whose failures fail no request, and a receiver that may be down for as long as the disk has room.
func Example() {
	dir, err := os.MkdirTemp("", "audit")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	log, err := logfile.New(logfile.Config{Path: filepath.Join(dir, "audit.log"), MaxSize: 100 << 20, MaxBackups: 10, Compress: true})
	if err != nil {
		panic(err)
	}
	receiver := &sinktest.Memory{Name: "webhook"} // sink/webhook
	kept, err := spool.Open(spool.Config{Dir: filepath.Join(dir, "spool")}, receiver)
	if err != nil {
		panic(err)
	}
	metrics := sink.NewMetrics()
	all := sink.Union(sink.Blocking(log, metrics, nil), sink.Truncate(sink.Strict(kept, metrics, nil), sink.TruncateConfig{Metrics: metrics}))
	if err := all.Send(context.Background(), sinktest.Event(1, 0)); err != nil {
		panic(err)
	}
	if err := all.Close(context.Background()); err != nil {
		panic(err)
	}
	fmt.Println(all, len(receiver.Events()))
	// Output: union[ignoreErrors<log>,truncate<spool<webhook>>] 1
}
