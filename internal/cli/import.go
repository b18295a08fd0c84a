package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"annals.dev/internal/access"
	"annals.dev/internal/server"
	"annals.dev/internal/source"
)

const importLong = `Import reads files that are there already: log files, rotated or compressed, exports of clouds and
of log shippers, archives; folders with all that is in them; "-" is standard input. What shape they
have is found out record by record.

An event that the ledger knows is counted, not doubled, and files that an earlier import finished
are passed over: an import that was interrupted is simply started again. What cannot be read is kept
as it is, marked, and named in the summary.

Then rules look at the events: annals findings shows what they found.

While a server runs, it reads the files itself. Those that its user may not read can be piped in.`

const importExample = `  annals import /var/log/kubernetes/
  annals import --cluster prod s3-export/*.gz must-gather.tar.gz
  aws logs filter-log-events --log-group-name /aws/eks/prod/cluster | annals import --cluster prod -`

func newImport(e *env) *cobra.Command {
	var cluster string
	var again bool
	cmd := &cobra.Command{
		Use: "import FILE…", Short: "Bring in files", Long: importLong, Example: importExample,
		Args: cobra.MinimumNArgs(1),
	}
	cmd.Flags().StringVar(&cluster, "cluster", "default", "the cluster that the events are of")
	cmd.Flags().BoolVar(&again, "again", false, "read files that were finished before too")
	perCall(cmd, "again")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := access.CheckCluster(cluster); err != nil {
			return &usageError{err}
		}
		q := server.ImportQuestion{Cluster: cluster, Again: again}
		var content io.Reader
		if slices.Contains(args, "-") {
			if len(args) > 1 {
				return usagef("standard input (-) is imported alone")
			}
			content = e.in
		} else if pipe := firstPipe(args); pipe != "" {
			if len(args) > 1 {
				return usagef("%s is a pipe or a device, which is imported alone, or with cat %[1]s | annals import -", pipe)
			}
			f, err := openPipe(cmd.Context(), pipe)
			if err != nil {
				return err
			}
			defer f.Close()
			content = f
		} else {
			for _, a := range args {
				path, err := filepath.Abs(a)
				if err != nil {
					return err
				}
				q.Paths = append(q.Paths, path)
			}
		}
		client, err := e.connect(cmd.Context())
		if err != nil {
			return err
		}
		defer client.Close()
		bar := e.progress()
		var end server.ImportEnd
		if content == nil && e.remote.URL != "" {
			end, err = importElsewhere(cmd.Context(), client, q, bar)
		} else {
			end, err = client.Import(cmd.Context(), q, content, func(p source.Progress) { showImport(bar, p) })
		}
		bar.clear()
		if errors.Is(err, context.Canceled) {
			e.say("What was read so far is kept; the same import again goes on from there.")
		}
		if err != nil {
			return err
		}
		e.importSummary(&end)
		if err := e.catchUp(cmd.Context(), client); err != nil {
			return fmt.Errorf("the events are kept, but rules have not looked at all of them: %w; annals findings goes on", err)
		}
		if n := len(end.Failed); n > 0 {
			return &exitError{exitFailed, fmt.Errorf("%d of %s could not be read to the end", n, plural(n+end.Summary.Files+end.Summary.Unchanged, "file"))}
		}
		return nil
	}
	return cmd
}

// importElsewhere sends the content of files to a server on another machine, one after another. It cannot know which of them were
// finished before; events that it holds already are counted as known.
func importElsewhere(ctx context.Context, client *server.Client, q server.ImportQuestion, bar *progress) (all server.ImportEnd, err error) {
	begun := time.Now()
	files, err := regularFiles(q.Paths)
	if err != nil {
		return all, err
	}
	q.Paths = nil
	for i, name := range files {
		f, err := os.Open(name)
		if err != nil {
			all.Failed = append(all.Failed, server.FileFailure{Path: name, Error: err.Error()})
			continue
		}
		q.Name = filepath.Base(name)
		end, err := client.Import(ctx, q, f, func(p source.Progress) {
			p.FilesDone, p.Files, p.Elapsed, p.Events = i, len(files), time.Since(begun), p.Events+all.Summary.New
			showImport(bar, p)
		})
		f.Close()
		if err != nil {
			return all, fmt.Errorf("%s: %w", name, err)
		}
		for _, failed := range end.Failed {
			all.Failed = append(all.Failed, server.FileFailure{Path: name, Error: failed.Error})
		}
		addSummary(&all.Summary, &end.Summary)
	}
	all.Summary.Elapsed = time.Since(begun)
	return all, nil
}

// regularFiles are the files that paths name, and those in the folders that they name.
func regularFiles(paths []string) (files []string, err error) {
	for _, p := range paths {
		err = filepath.WalkDir(p, func(name string, d fs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() {
				files = append(files, name)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return files, nil
}

func addSummary(to, s *source.Summary) {
	to.Files += s.Files
	to.New, to.Duplicates, to.Conflicts = to.New+s.New, to.Duplicates+s.Duplicates, to.Conflicts+s.Conflicts
	to.Salvaged, to.Quarantined, to.Bytes = to.Salvaged+s.Salvaged, to.Quarantined+s.Quarantined, to.Bytes+s.Bytes
	to.Examples = append(to.Examples, s.Examples...)
	if to.From.IsZero() || !s.From.IsZero() && s.From.Before(to.From) {
		to.From = s.From
	}
	if s.Until.After(to.Until) {
		to.Until = s.Until
	}
	to.Formats, to.NotRead = addCounts(to.Formats, s.Formats), addCounts(to.NotRead, s.NotRead)
	to.Skipped, to.Reasons = addCounts(to.Skipped, s.Skipped), addCounts(to.Reasons, s.Reasons)
}

func addCounts[N int | int64](to, more map[string]N) map[string]N {
	for k, n := range more {
		if to == nil {
			to = map[string]N{}
		}
		to[k] += n
	}
	return to
}

// firstPipe is the first of the paths that is neither a file nor a directory. It is read here: a server that opened
// /dev/fd/63, which is what a shell makes of <(command), would open one of its own.
func firstPipe(paths []string) string {
	for _, p := range paths {
		if fi, err := os.Stat(p); err == nil && !fi.IsDir() && !fi.Mode().IsRegular() {
			return p
		}
	}
	return ""
}

// openPipe opens what may wait for its writer; Ctrl-C ends the wait.
func openPipe(ctx context.Context, path string) (*os.File, error) {
	type opened struct {
		f   *os.File
		err error
	}
	done := make(chan opened, 1)
	go func() {
		f, err := os.Open(path)
		done <- opened{f, err}
	}()
	select {
	case o := <-done:
		return o.f, o.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func showImport(bar *progress, p source.Progress) {
	text := fmt.Sprintf("%d of %d files · %s events", p.FilesDone, p.Files, count(p.Events))
	if s := p.Elapsed.Seconds(); s > 0.5 {
		text += fmt.Sprintf(" · %s/s", count(int64(float64(p.Events)/s)))
		if p.Bytes > 0 && p.Total > p.Bytes {
			text += " · " + time.Duration(float64(p.Total-p.Bytes)/float64(p.Bytes)*float64(p.Elapsed)).Round(time.Second).String() + " left"
		}
	}
	if p.Salvaged+p.Quarantined > 0 {
		text += fmt.Sprintf(" · %s cut, %s unreadable", count(p.Salvaged), count(p.Quarantined))
	}
	bar.show(p.Bytes, p.Total, text)
}

// importSummary tells what became of every file. It is talk, not a result: it goes to standard error.
func (e *env) importSummary(end *server.ImportEnd) {
	s := &end.Summary
	e.say("%s from %s (%s, %s)", plural(s.New, "new event"), plural(s.Files, "file"), size(s.Bytes), s.Elapsed.Round(10*time.Millisecond))
	if !s.From.IsZero() {
		e.say("  from %s to %s", formatTime(s.From, time.UTC), formatTime(s.Until, time.UTC))
	}
	for _, line := range []struct {
		n    int64
		text string
	}{
		{s.Duplicates, "known already"}, {s.Conflicts, "with other bytes than a known event of the same audit ID and stage: kept, marked"},
		{s.Salvaged, "cut short: what stood before the cut is kept, marked"}, {s.Quarantined, "unreadable: kept as they are, marked"},
		{int64(s.Unchanged), "passed over: an earlier import finished them (--again reads them)"},
	} {
		if line.n > 0 {
			e.say("  %s %s", count(line.n), line.text)
		}
	}
	for _, kind := range sortedKeys(s.Formats) {
		e.say("  %s of %s", plural(s.Formats[kind], "file"), kind)
	}
	for _, kind := range sortedKeys(s.Skipped) {
		e.say("  %s records skipped: %s", count(s.Skipped[kind]), kind)
	}
	for _, kind := range sortedKeys(s.NotRead) {
		e.say("  %d left alone: %s", s.NotRead[kind], kind)
	}
	for _, reason := range sortedKeys(s.Reasons) {
		e.say("  %s unreadable: %s", count(s.Reasons[reason]), reason)
	}
	for _, example := range s.Examples {
		e.say("    %s", example)
	}
	for _, f := range end.Failed {
		e.say("  FAILED %s: %s", f.Path, f.Error)
	}
}
