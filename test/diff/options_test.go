package diff

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"
	"k8s.io/apiserver/pkg/server"
	upstreamoptions "k8s.io/apiserver/pkg/server/options"
	"pgregory.net/rapid"

	"annals.dev/capture/options"
)

func flagSets() (ours, upstream *pflag.FlagSet, o *options.Options, u *upstreamoptions.AuditOptions) {
	ours, upstream = pflag.NewFlagSet("", pflag.ContinueOnError), pflag.NewFlagSet("", pflag.ContinueOnError)
	ours.SetOutput(io.Discard)
	upstream.SetOutput(io.Discard)
	o, u = options.New(), upstreamoptions.NewAuditOptions()
	o.AddFlags(ours)
	u.AddFlags(upstream)
	return ours, upstream, o, u
}

func TestFlagsAreTheSame(t *testing.T) {
	ours, upstream, _, _ := flagSets()
	n := 0
	upstream.VisitAll(func(f *pflag.Flag) {
		n++
		var got string
		if g := ours.Lookup(f.Name); g != nil {
			got = fmt.Sprintf("--%s %s %q", g.Name, g.Value.Type(), g.DefValue)
		}
		same(t, "options.flag", got, fmt.Sprintf("--%s %s %q", f.Name, f.Value.Type(), f.DefValue), f.Name)
	})
	if n != 32 {
		t.Errorf("upstream has %d flags", n)
	}
}

// flagValues are values of flags, good and bad.
var flagValues = map[string][]string{"string": {"", "batch", "blocking", "blocking-strict", "json", "legacy", "audit.k8s.io/v1", "audit.k8s.io/v1beta1", "v1", "x"}, "int": {"-1", "0", "1", "5", "400"}, "int64": {"-1", "0", "1", "5", "400"}, "float32": {"-1", "0", "0.5", "10"}, "duration": {"-1s", "0", "5s"}, "bool": {"true", "false"}}

// drawFlags draws a command line. Both logs are enabled, so that all of it is validated.
func drawFlags(t *rapid.T, dir string) []string {
	_, upstream, _, _ := flagSets()
	args := []string{"--audit-policy-file=" + filepath.Join(dir, "policy.yaml")}
	if rapid.Bool().Draw(t, "log") {
		args = append(args, "--audit-log-path="+one(t, []string{"-", filepath.Join(dir, "audit.log")}, "path"))
	}
	if rapid.Bool().Draw(t, "webhook") {
		args = append(args, "--audit-webhook-config-file="+filepath.Join(dir, "kubeconfig"))
	}
	var names []string
	upstream.VisitAll(func(f *pflag.Flag) {
		if !strings.HasSuffix(f.Name, "-file") && !strings.HasSuffix(f.Name, "-path") {
			names = append(names, f.Name)
		}
	})
	for range rapid.IntRange(0, 5).Draw(t, "flags") {
		f := upstream.Lookup(one(t, names, "flag"))
		values := flagValues[f.Value.Type()]
		if strings.HasSuffix(f.Name, "-mode") {
			values = values[:5]
		}
		args = append(args, fmt.Sprintf("--%s=%s", f.Name, one(t, values, "value")))
	}
	return args
}

func errorTexts(errs []error) string {
	var texts []string
	for _, err := range errs {
		texts = append(texts, err.Error())
	}
	slices.Sort(texts)
	return strings.Join(texts, "\n")
}

func TestRandomFlagsAreValidatedAndPutTogetherTheSame(t *testing.T) {
	dir := t.TempDir()
	must(os.WriteFile(filepath.Join(dir, "policy.yaml"), []byte(head+"rules: [{level: None}]"), 0o600))
	must(os.WriteFile(filepath.Join(dir, "kubeconfig"), fmt.Appendf(nil, kubeconfigText, "http://127.0.0.1:1/"), 0o600))
	check(t, 10, func(t *rapid.T) {
		args := drawFlags(t, dir)
		ourFlags, upstreamFlags, o, u := flagSets()
		ourErr, theirErr := ourFlags.Parse(args), upstreamFlags.Parse(args)
		same(t, "options.parse", fmt.Sprint(ourErr), fmt.Sprint(theirErr), args)
		if theirErr != nil || ourErr != nil {
			return
		}
		theirs := errorTexts(u.Validate())
		same(t, "options.validate", errorTexts(o.Validate()), theirs, args)
		if theirs != "" || slices.ContainsFunc(args, func(s string) bool { return strings.HasSuffix(s, "=-") }) {
			return // a log that is the standard output would be closed
		}
		var c server.Config
		theirErr = u.ApplyTo(&c)
		built, ourErr := o.Build(nil, slog.New(slog.DiscardHandler))
		ourSink, theirSink := "", ""
		if ourErr == nil && built.Sink != nil {
			ourSink, ourErr = built.Sink.String(), errors.Join(ourErr, built.Sink.Close(context.Background()))
		}
		if theirErr == nil && c.AuditBackend != nil {
			theirSink = c.AuditBackend.String()
		}
		same(t, "options.build", fmt.Sprint(ourErr), fmt.Sprint(theirErr), args)
		same(t, "options.composition", ourSink, theirSink, args)
	})
}
