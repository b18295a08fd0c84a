package cli

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"annals.dev/internal/access"
	"annals.dev/internal/ledger"
	"annals.dev/internal/server"
)

const doctorLong = `Doctor looks at everything that keeps events from coming in, staying, and being proven: who may enter the
data directory, room on the disk, the clock, the ledger and its checkpoints, certificates and tokens,
the files being followed, the server. Each line is ok, warn or fail, with what to do; it exits 1 if
any is fail.`

func newDoctor(e *env) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use: "doctor", Short: "Find what is wrong", Long: doctorLong, Args: cobra.NoArgs,
		Example: `  annals doctor
  annals doctor -o json`,
	}
	cmd.Flags().StringVarP(&output, "output", "o", "table", "format: table, json, jsonl, yaml, csv")
	perCall(cmd, "output")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := checkFormat(output, rowFormats); err != nil {
			return err
		}
		d := &doctor{env: e}
		d.examine(cmd.Context())
		p := &printer{w: e.out, format: output, list: "checks", header: []string{"", "CHECK", "FOUND", "REMEDY"}}
		failed := 0
		for _, c := range d.checks {
			if c.State == "fail" {
				failed++
			}
			err := p.row(
				func() []string { return []string{c.State, c.Check, c.Found, c.Remedy} },
				func() ([]byte, error) { return json.Marshal(c) },
			)
			if err != nil {
				return err
			}
		}
		if err := p.end(nil); err != nil {
			return err
		}
		if failed > 0 {
			return &exitError{exitFailed, fmt.Errorf("%d of %d checks failed", failed, len(d.checks))}
		}
		return nil
	}
	return cmd
}

// check is one line of the doctor's.
type check struct {
	Check  string `json:"check"`
	State  string `json:"state"` // ok, warn, fail
	Found  string `json:"found"`
	Remedy string `json:"remedy,omitempty"`
}

type doctor struct {
	*env
	checks []check
}

func (d *doctor) ok(name, format string, args ...any) {
	d.checks = append(d.checks, check{name, "ok", fmt.Sprintf(format, args...), ""})
}

func (d *doctor) bad(state, name, remedy, format string, args ...any) {
	d.checks = append(d.checks, check{name, state, fmt.Sprintf(format, args...), remedy})
}

func (d *doctor) examine(ctx context.Context) {
	if !d.directory() {
		return
	}
	d.disk()
	d.clock()
	d.keys()
	d.running(ctx)
}

func (d *doctor) directory() bool {
	const name = "data directory"
	info, err := os.Stat(d.data)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		d.bad("fail", name, "name the right one with --data, or make one with annals init", "%s does not exist", d.data)
		return false
	case err != nil:
		d.bad("fail", name, "run doctor as the user that the directory belongs to", "%v", err)
		return false
	}
	if open := info.Mode().Perm() & 0o077; open != 0 {
		d.bad("fail", name, "chmod 700 "+d.data, "%s is open to others (%v)", d.data, info.Mode().Perm())
	} else {
		d.ok(name, "%s, for its owner alone", d.data)
	}
	desc, err := ledger.Describe(d.data)
	if err != nil {
		remedy := ""
		if errors.Is(err, fs.ErrPermission) {
			remedy = "run doctor as the user that the directory belongs to"
		}
		d.bad("fail", "ledger", remedy, "%v", err)
		return false
	}
	key := desc.Key
	if !filepath.IsAbs(key) {
		key = filepath.Join(d.data, key)
	}
	info, err = os.Stat(key)
	switch {
	case err != nil:
		d.bad("fail", "signing key", "bring it back from the backup: without it nothing can be signed", "%v", err)
	case info.Mode().Perm()&0o077 != 0:
		d.bad("fail", "signing key", "chmod 600 "+key, "%s is open to others (%v)", key, info.Mode().Perm())
	default:
		d.ok("signing key", "%s", key)
	}
	return true
}

func (d *doctor) disk() {
	const name = "room on disk"
	var st unix.Statfs_t
	if err := unix.Statfs(d.data, &st); err != nil {
		d.bad("warn", name, "", "cannot be told: %v", err)
		return
	}
	free, total := int64(st.Bavail)*int64(st.Bsize), int64(st.Blocks)*int64(st.Bsize)
	const remedy = "make room, or move the data directory: when the disk is full, nothing more is accepted"
	switch {
	case free < 256<<20:
		d.bad("fail", name, remedy, "%s of %s are left", size(free), size(total))
	case free < 1<<30 || free < total/20:
		d.bad("warn", name, remedy, "%s of %s are left", size(free), size(total))
	default:
		d.ok(name, "%s of %s are left", size(free), size(total))
	}
}

// clock asks whether somebody keeps the clock right: the times at which events arrive are evidence.
func (d *doctor) clock() {
	const name, remedy = "clock", "run an NTP client such as chrony: when events arrived is part of the evidence"
	kept, off, err := clockKept()
	switch {
	case d.now().Year() < 2025:
		d.bad("fail", name, remedy, "it says %s", formatTime(d.now(), time.UTC))
	case err != nil:
		d.bad("warn", name, "", "the system does not tell whether it is kept right: %v", err)
	case !kept:
		d.bad("warn", name, remedy, "nobody keeps it right")
	default:
		d.ok(name, "kept right, to within %s", off)
	}
}

func (d *doctor) keys() {
	keys, err := access.Open(d.data, d.logger(slog.LevelError))
	if err != nil {
		d.bad("fail", "certificates", "bring pki/ back from the backup; if it never was, annals init makes it", "%v", err)
		return
	}
	for _, name := range []string{"server-ca", "client-ca"} {
		b, err := os.ReadFile(filepath.Join(d.data, "pki", name+".crt"))
		if err != nil {
			d.bad("fail", name, "", "%v", err)
			continue
		}
		block, _ := pem.Decode(b)
		if block == nil {
			d.bad("fail", name, "bring pki/ back from the backup", "%s.crt is not PEM", name)
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			d.bad("fail", name, "bring pki/ back from the backup", "%v", err)
			continue
		}
		d.expiry(name, cert.NotAfter, 365*24*time.Hour, "make a new ledger's pki and run annals setup for each cluster again")
	}
	cert, err := keys.TLSConfig().GetCertificate(nil)
	if err != nil {
		d.bad("fail", "server certificate", "", "%v", err)
	} else if host := certificateHost(cert); host == "" {
		d.bad("warn", "server certificate", "API servers elsewhere need an address in it: annals init --change-names --ip ADDRESS", "it is for localhost alone")
	} else {
		d.ok("server certificate", "for %s; it renews itself", host)
	}
	tokens, err := keys.Tokens()
	switch {
	case err != nil:
		d.bad("fail", "tokens", "", "%v", err)
	case len(tokens) == 0:
		d.bad("warn", "tokens", "annals setup TARGET --cluster NAME makes one, where the API server is to deliver", "there are none")
	default:
		d.ok("tokens", "%d", len(tokens))
	}
}

func (d *doctor) expiry(name string, end time.Time, soon time.Duration, remedy string) {
	switch left := end.Sub(d.now()); {
	case left <= 0:
		d.bad("fail", name, remedy, "it ended on %s", end.Format("2006-01-02"))
	case left < soon:
		d.bad("warn", name, remedy, "it ends on %s", end.Format("2006-01-02"))
	default:
		d.ok(name, "until %s", end.Format("2006-01-02"))
	}
}

// running asks the server, or opens the ledger in its place.
func (d *doctor) running(ctx context.Context) {
	client, err := d.connect(ctx)
	if err != nil {
		d.bad("fail", "ledger", "", "%v", err)
		return
	}
	defer client.Close()
	st, err := client.Status(ctx)
	if err != nil {
		d.bad("fail", "ledger", "", "%v", err)
		return
	}
	if client.Local() {
		d.bad("warn", "server", "annals serve", "none runs: nothing is being received")
	} else {
		d.ok("server", "process %d, up since %s", st.PID, formatTime(st.Started, time.UTC))
	}
	switch {
	case st.Failed != "":
		d.bad("fail", "ledger", "see to the disk, then restart the server", "%s", st.Failed)
	case st.SealFailed:
		d.bad("fail", "ledger", "the server's log tells why; room on disk is the usual reason", "events cannot be sealed into segments")
	default:
		d.ok("ledger", "%s, %s of log", plural(len(st.Clusters), "cluster"), size(st.LogBytes))
	}
	for _, c := range st.Clusters {
		d.cluster(c, client.Local())
	}
	d.watching(st.Watching, client.Local())
	for _, f := range st.Followed {
		name := "follow " + f.Path
		if f.Behind > 64<<20 {
			d.bad("warn", name, "the disk or the processor may be too slow for what comes", "%s are not in the ledger yet", size(int64(f.Behind)))
		} else {
			d.ok(name, "%s are not in the ledger yet", size(int64(f.Behind)))
		}
	}
}

func (d *doctor) cluster(c server.ClusterStatus, local bool) {
	name := "cluster " + c.Name
	last := "none yet"
	info, err := os.Stat(filepath.Join(d.data, "clusters", c.Name, "checkpoint"))
	if err == nil {
		last = formatTime(info.ModTime(), time.UTC)
	}
	if c.Unsigned > 0 && !local && d.now().Sub(c.LastArrival) > time.Minute {
		d.bad("fail", name, "the server's log tells why", "%s are under no checkpoint; the last is: %s", plural(c.Unsigned, "event"), last)
		return
	}
	if ahead := c.LastEvent.Sub(d.now()); ahead > 5*time.Minute {
		d.bad("warn", name, "set the clocks right, here and on the API servers", "its latest event is %s ahead of this clock", ahead.Round(time.Second))
		return
	}
	d.ok(name, "%s, the latest of %s; last checkpoint: %s", plural(c.Events, "event"), formatTime(c.LastEvent, time.UTC), last)
}
