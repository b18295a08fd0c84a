package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/mod/sumdb/tlog"

	"annals.dev/internal/ledger"
	"annals.dev/internal/server"
)

const verifyLong = `Verify reads every event and every file of the ledger and holds them against the signed tree: whether all
is there, as it was recorded, and nothing is there that does not belong. With FILE it checks a proof
that annals prove made, for which it needs no ledger.

What a ledger cannot tell of itself is whether it is an old copy that was put back. Keep checkpoints
elsewhere, and hold the ledger against one of them with --against.

Exit codes: 0 as it was recorded, 10 tampered with, 11 events are missing, 12 a signature is not by the
ledger's key, 13 it cannot be verified.`

const verifyExample = `  annals verify
  annals verify --against prod.checkpoint
  annals verify --cluster prod --from 1000 --to 2000
  annals verify proof.json --key ledger.pub`

func newVerify(e *env) *cobra.Command {
	var q server.VerifyQuestion
	var against, output string
	cmd := &cobra.Command{Use: "verify [FILE]", Short: "Check that everything is as it was recorded", Long: verifyLong, Example: verifyExample, Args: cobra.MaximumNArgs(1)}
	f := cmd.Flags()
	f.StringVar(&q.Cluster, "cluster", "", "only this cluster")
	f.Uint64Var(&q.From, "from", 0, "from this position on")
	f.Uint64Var(&q.To, "to", 0, "before this position")
	f.StringVar(&against, "against", "", "a checkpoint that was kept elsewhere: the ledger must extend it")
	f.StringVar(&q.Key, "key", "", "the ledger's public key, or a file that holds it; otherwise its own word is taken for it")
	f.StringVarP(&output, "output", "o", "text", "format: text, json")
	perCall(cmd, "from", "to", "against", "output")
	cmd.RunE = func(cmd *cobra.Command, args []string) (err error) {
		if err := checkFormat(output, []string{"text", "json"}); err != nil {
			return err
		}
		if q.Key, err = readKey(q.Key); err != nil {
			return err
		}
		if len(args) == 1 {
			for _, name := range []string{"cluster", "from", "to", "against"} {
				if cmd.Flags().Changed(name) {
					return usagef("--%s is about a ledger, %s is a proof", name, args[0])
				}
			}
			return e.verifyProof(args[0], q.Key, output)
		}
		if q.To != 0 && q.From >= q.To {
			return usagef("--from %d is not before --to %d", q.From, q.To)
		}
		if (q.From != 0 || q.To != 0) && q.Cluster == "" {
			return usagef("positions are those of one cluster: give --cluster")
		}
		if against != "" {
			if q.Against, err = os.ReadFile(against); err != nil {
				return &exitError{exitUnverifiable, err}
			}
		}
		return e.verifyLedger(cmd, q, output)
	}
	return cmd
}

// readKey takes a public key, or the file that it is in.
func readKey(s string) (string, error) {
	if s == "" || strings.Contains(s, "+") {
		return s, nil
	}
	b, err := os.ReadFile(s)
	if err != nil {
		return "", &exitError{exitUnverifiable, fmt.Errorf("the public key: %w", err)}
	}
	return strings.TrimSpace(string(b)), nil
}

func (e *env) verifyLedger(cmd *cobra.Command, q server.VerifyQuestion, output string) error {
	begun := time.Now()
	bar := e.progress()
	report, err := e.verification(cmd.Context(), q, func(p server.VerifyProgress) {
		bar.show(int64(p.Done), int64(p.Total), fmt.Sprintf("%s of %s events", count(p.Done), count(p.Total)))
	})
	bar.clear()
	if err != nil {
		if errors.Is(err, ledger.ErrNoLedger) {
			return &exitError{exitUnverifiable, err}
		}
		return err
	}
	if output == "json" {
		b, err := json.MarshalIndent(report, "", "  ")
		if err != nil {
			return err
		}
		fmt.Fprintf(e.out, "%s\n", cleanJSON(b))
	} else {
		e.printReport(report)
	}
	if q.Key == "" && len(report.Findings) == 0 {
		e.say("The public key was taken from the ledger itself; --key holds it against one that was kept elsewhere.")
	}
	if len(report.Findings) > 0 {
		return &exitError{verifyCode(report), fmt.Errorf("%s, after %s", plural(len(report.Findings), "finding"), time.Since(begun).Round(time.Millisecond))}
	}
	e.say("everything is as it was recorded; it took %s", time.Since(begun).Round(time.Millisecond))
	return nil
}

func (e *env) printReport(r *ledger.Report) {
	for _, f := range r.Findings {
		where := f.Where
		if f.Cluster != "" {
			where = "cluster " + f.Cluster + ", " + where
		}
		fmt.Fprintf(e.out, "%-13s %s: %s\n", strings.ToUpper(string(f.Kind)), clean(where), clean(f.What))
	}
	for _, c := range r.Clusters {
		against := ""
		if c.Against > 0 {
			against = fmt.Sprintf(" · extends the checkpoint of %s events", count(c.Against))
		}
		root := ""
		if c.Root != (tlog.Hash{}) {
			root = " · root " + c.Root.String()
		}
		checked := fmt.Sprintf("%s of %s events checked", count(c.Checked), count(c.Size))
		if c.From > 0 || c.To < c.Size { // segments are read whole
			checked = fmt.Sprintf("positions %s to %s of %s events checked, %s events read", count(c.From), count(max(c.To, 1)-1), count(c.Size), count(c.Checked))
		}
		fmt.Fprintf(e.out, "%s: %s · signed checkpoint covers %s%s%s\n", clean(c.Cluster), checked, count(c.Checkpoint), against, root)
	}
	for _, n := range r.Notes {
		fmt.Fprintf(e.out, "note: %s\n", clean(n))
	}
	if len(r.Clusters) == 0 && len(r.Findings) == 0 {
		fmt.Fprintln(e.out, "the ledger has no events")
	}
}

// verifyCode is the exit code of the worst finding.
func verifyCode(r *ledger.Report) int {
	code := exitUnverifiable
	for _, f := range r.Findings {
		switch f.Kind {
		case ledger.Tampered:
			code = min(code, exitTampered)
		case ledger.Missing:
			code = min(code, exitMissing)
		case ledger.BadSignature:
			code = min(code, exitSignature)
		}
	}
	return code
}

func (e *env) verifyProof(path, key, output string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return &exitError{exitUnverifiable, err}
	}
	p, checkpoint, err := ledger.CheckProof(b, key)
	if err != nil {
		code := exitUnverifiable
		switch server.KindOf(err) {
		case server.Tampered:
			code = exitTampered
		case server.BadSignature:
			code = exitSignature
		}
		return &exitError{code, fmt.Errorf("%s: %w", path, err)}
	}
	if output == "json" {
		b, err := json.MarshalIndent(map[string]any{
			"cluster": p.Cluster, "position": p.Position, "origin": p.Origin, "received": time.UnixMicro(p.Received).UTC(),
			"event": p.Event, "checkpointSize": checkpoint.Size, "root": checkpoint.Root.String(), "publicKey": p.PublicKey, "keyGiven": key != "",
		}, "", "  ")
		if err != nil {
			return err
		}
		fmt.Fprintf(e.out, "%s\n", cleanJSON(b))
	} else {
		fmt.Fprintf(e.out, "the event stands at position %s of cluster %s, of %s events under %s\n", count(p.Position), clean(p.Cluster), count(checkpoint.Size), clean(checkpoint.Origin))
		fmt.Fprintf(e.out, "it came from %s at %s\n", clean(p.Origin), formatTime(time.UnixMicro(p.Received), time.UTC))
		fmt.Fprintf(e.out, "%s\n", clean(string(p.Event)))
	}
	if key == "" {
		e.say("WARNING: the public key %s was taken from the proof itself. Whoever forged the proof would have", p.PublicKey)
		e.say("put in a key of their own: hold it against the ledger's, or give that with --key.")
	}
	e.say("the proof holds: this event was recorded, with these bytes")
	return nil
}
