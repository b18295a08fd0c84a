package options

import (
	"strings"

	"github.com/spf13/pflag"
)

// AddFlags adds the flags, whose defaults are what the Options hold.
func (o *Options) AddFlags(fs *pflag.FlagSet) {
	fs.StringVar(&o.PolicyFile, "audit-policy-file", o.PolicyFile, "the audit.k8s.io/v1 Policy, YAML or JSON, that decides what is recorded; without one nothing is")
	fs.StringVar(&o.PolicyMode, "audit-policy-mode", o.PolicyMode, "how the policy is read: strict refuses what kube-apiserver would drop with a warning, upstream does as kube-apiserver")
	fs.BoolVar(&o.PolicyMinimal, "audit-policy-allow-minimal", o.PolicyMinimal, "allow the level Minimal in the policy, which kube-apiserver refuses")
	fs.BoolVar(&o.PolicyReload, "audit-policy-reload", o.PolicyReload, "read the policy anew when its file changes; a wrong one is refused, and the last one stays")

	l := &o.Log
	fs.StringVar(&l.Path, "audit-log-path", l.Path, "write events to this file; - is standard output")
	fs.IntVar(&l.MaxAge, "audit-log-maxage", l.MaxAge, "delete a rotated file when the time in its name is so many days ago; 0 is never")
	fs.IntVar(&l.MaxBackups, "audit-log-maxbackup", l.MaxBackups, "keep at most so many rotated files; 0 is all")
	fs.IntVar(&l.MaxSize, "audit-log-maxsize", l.MaxSize, "rotate the file before it has more than so many megabytes; 0 is never")
	fs.StringVar(&l.Format, "audit-log-format", l.Format, "how events are written: json, or legacy for one line of text each")
	fs.StringVar(&l.Version, "audit-log-version", l.Version, "the API group and version of events in the log file")
	fs.BoolVar(&l.Compress, "audit-log-compress", l.Compress, "compress rotated files with gzip")
	fs.BoolVar(&l.TwoLines, "audit-log-two-lines", l.TwoLines, "with the legacy format: two lines for each request, as Kubernetes 1.3 wrote them")
	fs.IntVar(&l.MaxTotal, "audit-log-maxtotal", l.MaxTotal, "delete the oldest rotated files when they have more than so many megabytes together; 0 is never")
	fs.Var(&l.Fsync, "audit-log-fsync", "when events are forced to the disk: never, always (before a request goes on), or how often, such as 1s")
	l.Batch.addFlags("log", fs)
	l.Truncate.addFlags("log", fs)

	w := &o.Webhook
	fs.StringVar(&w.ConfigFile, "audit-webhook-config-file", w.ConfigFile, "deliver events to the server of this kubeconfig")
	fs.DurationVar(&w.InitialBackoff, "audit-webhook-initial-backoff", w.InitialBackoff, "wait so long before a failed request is tried for the second time, and half as long again before each further")
	fs.DurationVar(&w.InitialBackoff, "audit-webhook-batch-initial-backoff", w.InitialBackoff, "the older name of --audit-webhook-initial-backoff")
	fs.Lookup("audit-webhook-batch-initial-backoff").Deprecated = "use --audit-webhook-initial-backoff instead"
	fs.Lookup("audit-webhook-batch-initial-backoff").Hidden = true
	fs.StringVar(&w.Version, "audit-webhook-version", w.Version, "the API group and version of events that are delivered")
	fs.StringVar(&w.Spool, "audit-webhook-spool-directory", w.Spool, "keep events in this directory, on disk, until they are delivered; they are tried for ever then")
	fs.IntVar(&w.SpoolMaxSize, "audit-webhook-spool-maxsize", w.SpoolMaxSize, "megabytes that the spool may have")
	fs.BoolVar(&w.Gzip, "audit-webhook-gzip", w.Gzip, "compress requests; the receiver has to understand it, as annals serve does")
	w.Batch.addFlags("webhook", fs)
	w.Truncate.addFlags("webhook", fs)
}

func (b *Batch) addFlags(name string, fs *pflag.FlagSet) {
	flag := func(s string) string { return "audit-" + name + "-" + s }
	fs.StringVar(&b.Mode, flag("mode"), b.Mode, "whether requests wait for their events: "+strings.Join(modes, ", ")+"; in the last a request fails whose first event is not stored")
	fs.IntVar(&b.BufferSize, flag("batch-buffer-size"), b.BufferSize, "events that the queue has room for (mode batch)")
	fs.IntVar(&b.MaxSize, flag("batch-max-size"), b.MaxSize, "events in one batch, at most (mode batch)")
	fs.DurationVar(&b.MaxWait, flag("batch-max-wait"), b.MaxWait, "send a batch that is not full after so long (mode batch)")
	fs.BoolVar(&b.ThrottleEnable, flag("batch-throttle-enable"), b.ThrottleEnable, "limit how many batches go out (mode batch)")
	fs.Float32Var(&b.ThrottleQPS, flag("batch-throttle-qps"), b.ThrottleQPS, "batches a second, on average, at most (mode batch)")
	fs.IntVar(&b.ThrottleBurst, flag("batch-throttle-burst"), b.ThrottleBurst, "batches at once, after a quiet time (mode batch)")
}

func (t *Truncate) addFlags(name string, fs *pflag.FlagSet) {
	flag := func(s string) string { return "audit-" + name + "-truncate-" + s }
	fs.BoolVar(&t.Enabled, flag("enabled"), t.Enabled, "limit the size of events and batches")
	fs.Int64Var(&t.MaxBatchSize, flag("max-batch-size"), t.MaxBatchSize, "bytes of a batch; a larger one is split")
	fs.Int64Var(&t.MaxEventSize, flag("max-event-size"), t.MaxEventSize, "bytes of an event; a larger one loses its bodies, and is dropped if that is not enough")
}
