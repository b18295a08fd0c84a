// Package options is kube-apiserver's 32 --audit-* flags, and a few of ours, for any command that records requests.
//
// Start with New, whose Options have kube-apiserver's defaults. AddFlags, Validate and then Build give the policy and the sink
// that they describe.
//
// It promises: names, defaults and the texts of Validate are kube-apiserver's, and so is how the sinks are put together. What is
// ours is off unless asked for, but for two: the policy is read strictly, and read again when its file changes.
package options

import (
	"slices"
	"time"

	"annals.dev/sink"
)

// Modes of a backend.
const (
	ModeBatch          = "batch"           // a queue in memory; requests never wait
	ModeBlocking       = "blocking"        // requests wait until the event is written, and go on if it is not
	ModeBlockingStrict = "blocking-strict" // requests wait, and fail if RequestReceived is not written
)

var modes = []string{ModeBatch, ModeBlocking, ModeBlockingStrict}

// How a policy is read.
const (
	PolicyStrict   = "strict"   // what kube-apiserver passes over in silence is refused
	PolicyUpstream = "upstream" // as kube-apiserver does
)

// Options are what the flags set.
type Options struct {
	PolicyFile string
	Log        Log
	Webhook    Webhook

	// Ours.
	PolicyMode    string // PolicyStrict or PolicyUpstream
	PolicyMinimal bool   // allow the level Minimal
	PolicyReload  bool   // whoever has the Handler is to Watch the file
}

// Log is the log file.
type Log struct {
	Path       string // "" is none, - is standard output
	MaxAge     int    // days
	MaxBackups int
	MaxSize    int // megabytes
	Format     string
	Version    string
	Compress   bool
	Batch      Batch
	Truncate   Truncate

	// Ours.
	TwoLines bool  // the legacy format as it was in 2016
	MaxTotal int   // megabytes of all rotated files
	Fsync    Fsync // when what was written is forced to the disk
}

// Webhook is the webhook.
type Webhook struct {
	ConfigFile     string
	InitialBackoff time.Duration
	Version        string
	Batch          Batch
	Truncate       Truncate

	// Ours.
	Spool        string // a directory; "" is none
	SpoolMaxSize int    // megabytes
	Gzip         bool
}

// Batch is a backend's mode, and the limits of its queue in mode batch.
type Batch struct {
	Mode           string
	BufferSize     int
	MaxSize        int
	MaxWait        time.Duration
	ThrottleEnable bool
	ThrottleQPS    float32
	ThrottleBurst  int
}

// Truncate is the limits of a backend's events.
type Truncate struct {
	Enabled      bool
	MaxBatchSize int64
	MaxEventSize int64
}

const (
	formatJSON   = "json"
	formatLegacy = "legacy"
	version      = "audit.k8s.io/v1"
)

// New gives kube-apiserver's defaults.
func New() *Options {
	truncate := Truncate{MaxBatchSize: 10 << 20, MaxEventSize: 100 << 10}
	return &Options{
		Log: Log{
			MaxSize: 100, MaxAge: 366, MaxBackups: 100, Format: formatJSON, Version: version,
			Batch: Batch{Mode: ModeBlocking, BufferSize: 10000, MaxSize: 1}, Truncate: truncate,
		},
		Webhook: Webhook{
			InitialBackoff: 10 * time.Second, Version: version, SpoolMaxSize: 1024,
			Batch: Batch{
				Mode: ModeBatch, BufferSize: 10000, MaxSize: 400, MaxWait: 30 * time.Second,
				ThrottleEnable: true, ThrottleQPS: 10, ThrottleBurst: 15,
			},
			Truncate: truncate,
		},
		PolicyMode: PolicyStrict, PolicyReload: true,
	}
}

func (l *Log) enabled() bool     { return l.Path != "" }
func (w *Webhook) enabled() bool { return w.ConfigFile != "" }

// config is the queue's, for sink.Batch.
func (b *Batch) config() sink.BatchConfig {
	c := sink.BatchConfig{BufferSize: b.BufferSize, MaxBatchSize: b.MaxSize, MaxBatchWait: b.MaxWait}
	if b.ThrottleEnable {
		c.ThrottleQPS, c.ThrottleBurst = b.ThrottleQPS, b.ThrottleBurst
	}
	return c
}

func (b *Batch) known() bool { return slices.Contains(modes, b.Mode) }
