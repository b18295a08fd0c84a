package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"annals.dev/policy/builtin"
	"annals.dev/policy/lint"
)

const policyLintLong = `Lint says what is wrong with audit policies: where, what the policy does today, what was surely meant.
It exits with 1 if anything is a warning or worse. docs/policy-lint.md explains each finding.

With --fix what is safe to mend is written back, comments and layout kept; --dry-run shows it instead.
With --flags-from the API server's flags are judged too, and what they do to the policy: give
/etc/kubernetes/manifests/kube-apiserver.yaml, or whatever holds them.`

const policyLintExample = `  annals policy lint audit-policy.yaml
  annals policy lint --fix --dry-run audit-policy.yaml
  annals policy lint audit-policy.yaml builtin:forensics --kubernetes 1.35 -o json`

// maxPolicy bounds what is read of one file: a policy is never near it.
const maxPolicy = 4 << 20

type policyLint struct {
	*streams
	fix, dryRun            bool
	output, flags, webhook string
	options                lint.Options
}

func newPolicyLint(io *streams) *cobra.Command {
	l := &policyLint{streams: io}
	kubernetes := ""
	cmd := &cobra.Command{Use: "lint FILE…", Short: "Find what is wrong with a policy", Long: policyLintLong, Example: policyLintExample}
	f := cmd.Flags()
	f.BoolVar(&l.fix, "fix", false, "write what is safe to mend back to the file; from standard input, to standard output")
	f.BoolVar(&l.dryRun, "dry-run", false, "with --fix: show what would change, and write nothing")
	f.StringVarP(&l.output, "output", "o", "text", "text or json")
	f.StringVar(&kubernetes, "kubernetes", "", "the version of the API server, such as 1.35 (default: the newest)")
	f.StringVar(&l.flags, "flags-from", "", "the API server's flags: a manifest, a ClusterConfiguration, or a list")
	f.StringVar(&l.webhook, "webhook-config", "", "the webhook's kubeconfig (default: where the flags say, if it is there)")
	f.Float64Var(&l.options.EventRate, "event-rate", 0, "events a second that the flags must bear (default 200)")
	perCall(cmd, "fix", "dry-run", "output", "kubernetes", "flags-from", "webhook-config", "event-rate")
	cmd.RunE = func(_ *cobra.Command, args []string) (err error) {
		if l.options.Kubernetes, err = minorVersion(kubernetes); err != nil {
			return err
		}
		switch {
		case l.output != "text" && l.output != "json":
			return usagef("--output %q: give text or json", l.output)
		case len(args) == 0 && l.flags == "":
			return usagef("give a policy's file, - for standard input, or --flags-from")
		case l.dryRun && !l.fix:
			return usagef("--dry-run is for --fix")
		case l.fix && len(args) > 1 && slices.Contains(args, "-"):
			return usagef("--fix takes standard input alone: the policy goes to standard output")
		case l.options.EventRate < 0:
			return usagef("--event-rate %g: give a number above 0", l.options.EventRate)
		}
		return l.run(args)
	}
	return cmd
}

// kubernetesVersion may say more than the minor version, as v1.33.5-eks-1a2b.
var kubernetesVersion = regexp.MustCompile(`^v?1\.([1-9][0-9]{0,2})([.+-].*)?$`)

// minorVersion reads 1.35, 1.35.2 or v1.35 as 35, and nothing as 0.
func minorVersion(s string) (int, error) {
	if s == "" {
		return 0, nil
	}
	m := kubernetesVersion.FindStringSubmatch(s)
	if m == nil {
		return 0, usagef("--kubernetes %q: give a version such as 1.35", s)
	}
	return strconv.Atoi(m[1])
}

func (l *policyLint) run(files []string) error {
	if err := l.server(); err != nil {
		return err
	}
	found := []lint.Finding{}
	policyToOut := l.dryRun
	var unread error
	for _, file := range files {
		b, err := readPolicy(l.in, file)
		if err != nil { // the others are judged all the same
			unread = errors.Join(unread, err)
			continue
		}
		if l.fix {
			fixed, done := lint.Fix(file, b, l.options)
			policyToOut = policyToOut || file == "-"
			if err := l.write(file, b, fixed, done); err != nil {
				return err
			}
			if !l.dryRun {
				b = fixed
			}
		}
		found = append(found, lint.Check(file, b, l.options)...)
	}
	found = append(found, lint.CheckServer(l.options)...)
	to := l.out
	if policyToOut {
		to = l.err // standard output holds the policy, or how it would change
	}
	if err := l.print(to, found); err != nil {
		return err
	}
	if unread != nil {
		return unread
	}
	if lint.Worst(found) >= lint.Warning {
		return &exitError{code: exitFailed}
	}
	return nil
}

// server reads the API server's flags, and the webhook's kubeconfig if it can be found.
func (l *policyLint) server() error {
	if l.flags == "" {
		if l.webhook != "" {
			return usagef("--webhook-config is for --flags-from")
		}
		return nil
	}
	b, err := readPolicy(l.in, l.flags)
	if err != nil {
		return err
	}
	s, err := lint.ParseServer(l.flags, b)
	if err != nil {
		return err
	}
	l.options.Server = s
	path := l.webhook
	if path == "" {
		path = s.WebhookConfig()
	}
	if path == "" {
		return nil
	}
	b, err = readPolicy(l.in, path)
	if errors.Is(err, fs.ErrNotExist) && l.webhook == "" {
		l.say("annals: the webhook's kubeconfig %s is not on this machine: it was not looked at; --webhook-config gives it", path)
		return nil
	}
	if err != nil {
		return err
	}
	return s.SetWebhook(path, b)
}

// readPolicy reads a policy's file: standard input for -, or one that Annals brings.
func readPolicy(in io.Reader, file string) ([]byte, error) {
	if name, ok := strings.CutPrefix(file, builtinPrefix); ok {
		p, err := builtinPolicy(name)
		return []byte(p.YAML), err
	}
	if file != "-" {
		f, err := os.Open(file)
		if _, known := builtin.Named(file); known && errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%w; the policy that Annals brings is %s%s", err, builtinPrefix, file)
		}
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	b, err := io.ReadAll(io.LimitReader(in, maxPolicy+1))
	if err == nil && len(b) > maxPolicy {
		err = fmt.Errorf("%s: larger than %d bytes, which no policy is", file, maxPolicy)
	}
	return b, err
}

// write puts a mended policy where it came from, and says what was mended.
func (l *policyLint) write(file string, before, after []byte, done []lint.Finding) error {
	var err error
	switch {
	case string(before) == string(after) && file != "-":
	case strings.HasPrefix(file, builtinPrefix):
		err = usagef("%s cannot be written to; annals policy show writes it to a file", file)
	case l.dryRun:
		_, err = io.WriteString(l.out, lineDiff(file, string(before), string(after)))
	case file == "-":
		_, err = l.out.Write(after)
	default:
		err = replaceFile(file, after)
	}
	if err != nil {
		return err
	}
	for _, f := range done {
		l.say("%s:%d:%d: %s: %s (%s)", f.File, f.Line, f.Column, f.ID, f.Fix, f.Today)
	}
	return nil
}

// replaceFile writes a file anew, all or nothing, with the mode it had. What a symbolic link points to is replaced, not the link.
func replaceFile(file string, b []byte) (err error) {
	real, err := filepath.EvalSymlinks(file)
	if err != nil {
		return err
	}
	info, err := os.Stat(real)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(real), filepath.Base(real)+".*")
	if err != nil {
		return fmt.Errorf("%s is not changed, as no file can be made beside it: %w", file, err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	_, err = f.Write(b)
	if err == nil {
		err = f.Chmod(info.Mode().Perm())
	}
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(f.Name(), real)
	}
	return err
}

func (l *policyLint) print(to io.Writer, found []lint.Finding) error {
	if l.output == "json" {
		e := json.NewEncoder(to)
		e.SetIndent("", "  ")
		return e.Encode(found)
	}
	var b strings.Builder
	for _, f := range found {
		fmt.Fprintf(&b, "%s:%d:%d: %s %s: %s\n    meant: %s\n", clean(f.File), f.Line, f.Column, f.Severity, f.ID, clean(f.Today), clean(f.Meant))
		if f.Fix != "" {
			fmt.Fprintf(&b, "    --fix: %s\n", clean(f.Fix))
		}
	}
	_, err := io.WriteString(to, b.String())
	return err
}
