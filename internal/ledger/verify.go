package ledger

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"annals.dev/internal/disk"
	"annals.dev/internal/wal"
)

// FindingKind is what is wrong, in the order of how bad it is.
type FindingKind string

const (
	Tampered     FindingKind = "tampered"      // something is not as it was written, or should not be here
	Missing      FindingKind = "missing"       // events that were here are not
	BadSignature FindingKind = "bad signature" // something is not signed by the key it should be
	Unverifiable FindingKind = "unverifiable"  // something could not be read or checked
)

// Finding is one thing that Verify holds against the ledger: what, and where.
type Finding struct {
	Kind    FindingKind `json:"kind"`
	Cluster string      `json:"cluster,omitempty"`
	Where   string      `json:"where"` // a file, or positions
	What    string      `json:"what"`
}

// Report is what Verify found and what it covered.
type Report struct {
	Findings []Finding       `json:"findings"`
	Clusters []VerifiedRange `json:"clusters"`
	Notes    []string        `json:"notes,omitempty"` // things to know that are no fault, such as a torn tail that was kept
}

// VerifiedRange is what was checked of a cluster.
type VerifiedRange struct {
	Cluster    string    `json:"cluster"`
	Size       uint64    `json:"size"`    // events in the ledger
	Checked    uint64    `json:"checked"` // events whose bytes were read and held against the tree
	From       uint64    `json:"from"`
	To         uint64    `json:"to"` // the positions checked: from From up to but without To
	Root       tlog.Hash `json:"root"`
	Checkpoint uint64    `json:"checkpoint"` // size that the signed checkpoint covers
	Against    uint64    `json:"against,omitempty"`
}

// VerifyOptions say what to check.
type VerifyOptions struct {
	Cluster  string // "" is all
	From, To uint64 // positions, To excluded; both 0 is all
	Against  []byte // a checkpoint kept elsewhere: the ledger must extend it
	Key      string // the public key, kept elsewhere; "" takes ledger.json's word for it
	Progress func(done, total uint64)
}

// Verify checks a ledger that nobody has open. An error means that nothing could be checked; what is wrong with the ledger is in
// the report.
func Verify(ctx context.Context, dir string, opts VerifyOptions) (*Report, error) {
	if _, err := Describe(dir); errors.Is(err, ErrNoLedger) || errors.Is(err, ErrVersion) {
		return nil, err
	}
	unlock, err := lockToRead(dir)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	defer unlock()
	return verify(ctx, disk.OS(dir), dir, opts, false)
}

// Verify checks the ledger while it is open. Nothing is merged or removed meanwhile.
func (l *Ledger) Verify(ctx context.Context, opts VerifyOptions) (*Report, error) {
	l.mu.Lock()
	l.pinned++
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		l.pinned--
		l.mu.Unlock()
	}()
	l.sealing.RLock() // until the lists of files are read, no manifest changes
	return verifyThen(ctx, l.fs, l.root, opts, true, l.sealing.RUnlock)
}

func verify(ctx context.Context, d disk.FS, root string, opts VerifyOptions, live bool) (*Report, error) {
	return verifyThen(ctx, d, root, opts, live, func() {})
}

// verifier is one verification under way.
type verifier struct {
	fs   disk.FS
	root string
	opts VerifyOptions
	live bool // the ledger is open: the log's end may move
	desc *Description
	key  note.Verifier

	against Checkpoint // kept elsewhere

	report *Report
	done   uint64
	total  uint64
}

func (v *verifier) found(kind FindingKind, cluster, where, what string, args ...any) {
	v.report.Findings = append(v.report.Findings, Finding{kind, cluster, where, fmt.Sprintf(what, args...)})
}

// blame sorts an error into a finding.
func (v *verifier) blame(cluster, where string, err error) {
	var signature *SignatureError
	var disk *fs.PathError
	switch {
	case errors.As(err, &signature):
		v.found(BadSignature, cluster, where, "%v", err)
	case errors.Is(err, fs.ErrNotExist):
		v.found(Missing, cluster, where, "the file is gone")
	case errors.As(err, &disk):
		v.found(Unverifiable, cluster, where, "%v", err)
	case isDamage(err) || errors.Is(err, errIndex):
		v.found(Tampered, cluster, where, "%v", err)
	default:
		v.found(Unverifiable, cluster, where, "%v", err)
	}
}

func (v *verifier) progress(events int) {
	v.done += uint64(events)
	if v.opts.Progress != nil {
		v.opts.Progress(v.done, max(v.total, v.done))
	}
}

func verifyThen(ctx context.Context, d disk.FS, root string, opts VerifyOptions, live bool, listed func()) (*Report, error) {
	v := &verifier{fs: d, root: root, opts: opts, live: live, report: &Report{Findings: []Finding{}, Clusters: []VerifiedRange{}}}
	clusters, err := v.list()
	listed()
	if err != nil {
		return v.report, err
	}
	for _, c := range clusters {
		if opts.Cluster == "" || opts.Cluster == c.name {
			c.segments(ctx)
		}
	}
	if opts.To == 0 {
		clusters = v.log(ctx, clusters)
	}
	for _, c := range clusters {
		if opts.Cluster == "" || opts.Cluster == c.name {
			c.finish()
		}
	}
	if opts.Cluster != "" && len(v.report.Clusters) == 0 && len(v.report.Findings) == 0 {
		return v.report, fmt.Errorf("there is no cluster %q", opts.Cluster)
	}
	return v.report, ctx.Err()
}

// list reads everything small: description, heads, manifests, checkpoints, directories.
func (v *verifier) list() (clusters []*verifyCluster, err error) {
	desc, err := describe(v.fs)
	if err != nil {
		if isDamage(err) {
			v.blame("", descriptionFile, err)
			return nil, nil
		}
		return nil, err
	}
	v.desc = desc
	if v.key, err = desc.Verifier(); err != nil {
		v.found(BadSignature, "", descriptionFile, "%v", err)
		return nil, nil
	}
	if v.key.Name() != "annals/"+desc.ID {
		v.found(Tampered, "", descriptionFile, "its id is %s, its key's %s", desc.ID, v.key.Name())
	}
	if v.opts.Key != "" {
		key, err := note.NewVerifier(v.opts.Key)
		if err != nil {
			return nil, fmt.Errorf("the public key %q: %w", v.opts.Key, err)
		}
		if v.opts.Key != desc.PublicKey {
			v.found(BadSignature, "", descriptionFile, "it names the public key %s, not %s", desc.PublicKey, v.opts.Key)
		}
		v.key = key
	}
	v.signingKey()
	v.neighbours()
	if v.opts.Against != nil {
		if v.against, err = ParseCheckpoint(v.opts.Against, v.key); err != nil {
			v.blame("", "the checkpoint kept elsewhere", err)
		}
	}
	names, err := clusterNames(v.fs)
	if err != nil {
		return nil, err
	}
	heads, err := readHeads(v.fs, desc, v.key)
	if err != nil {
		v.blame("", headsFile, err)
	}
	for name := range heads {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	v.strays("clusters", names, func(string) bool { return false })
	if o := v.against.Origin; o != "" && !slices.ContainsFunc(names, func(name string) bool {
		return o == desc.origin(name) && (v.opts.Cluster == "" || v.opts.Cluster == name)
	}) {
		v.found(Missing, "", "the checkpoint kept elsewhere", "it covers %d events of %s: there is no such cluster in this ledger, or it was left out", v.against.Size, o)
	}
	for _, name := range names {
		c := &verifyCluster{v: v, name: name, need: heads[name]}
		c.read()
		clusters = append(clusters, c)
		v.total += c.manifest.sealed.size
	}
	return clusters, nil
}

// signingKey checks the key file where it lies in the ledger's directory.
func (v *verifier) signingKey() {
	if v.root == "" || path.IsAbs(v.desc.Key) {
		return
	}
	if _, err := v.desc.signer(v.root); err != nil && !errors.Is(err, fs.ErrNotExist) {
		v.found(BadSignature, "", v.desc.Key, "%v", err)
	}
}

// neighbours are the names in a data directory that are not the ledger's own, and those that are.
var neighbours = []string{
	descriptionFile, headsFile, "lock", "clusters", walDir, "keys",
	"pki", "tokens.json", "tokens.json.lock", "questions.yaml", "follow", "import", "annals.sock", "annals.sock.at", "annals.yaml", "lost+found",
	"watch.yaml", "detect", "alert",
}

// neighbours notes what else lies beside the ledger: nothing reads it, but whoever put it there had access.
func (v *verifier) neighbours() {
	entries, err := v.fs.ReadDir(".")
	if err != nil {
		v.blame("", ".", err)
		return
	}
	for _, e := range entries {
		if name := strings.TrimSuffix(e.Name(), ".tmp"); !slices.Contains(neighbours, name) {
			v.report.Notes = append(v.report.Notes, e.Name()+": not a file of the ledger; nothing reads it, and it was not checked")
		}
	}
	if path.IsAbs(v.desc.Key) {
		return
	}
	if _, err := v.fs.Stat(v.desc.Key); errors.Is(err, fs.ErrNotExist) {
		v.report.Notes = append(v.report.Notes, v.desc.Key+": the signing key is not here; without it the ledger can be read, and not written")
	}
	if path.Dir(v.desc.Key) == "keys" {
		v.strays("keys", []string{path.Base(v.desc.Key)}, func(string) bool { return false })
	}
}

// strays reports what lies in a directory and is not among the names. What a crash left is no finding.
func (v *verifier) strays(dir string, names []string, leftOver func(name string) bool) {
	entries, err := v.fs.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err != nil {
		v.blame("", dir, err)
		return
	}
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		switch {
		case slices.Contains(names, e.Name()):
		case leftOver(e.Name()):
			v.leftBehind(name)
		default:
			v.found(Tampered, "", name, "a file that is not the ledger's")
		}
	}
}

func (v *verifier) leftBehind(name string) {
	if !v.live { // an open ledger is always in the middle of something
		v.report.Notes = append(v.report.Notes, name+": written but never published, as a crash or a full disk leaves it; the ledger does not read it, and removes it when it is opened")
	}
}

// log replays what is in the log alone. A cluster whose first events came a moment ago has nothing but the log.
func (v *verifier) log(ctx context.Context, clusters []*verifyCluster) []*verifyCluster {
	byName := make(map[string]*verifyCluster)
	for _, c := range clusters {
		byName[c.name] = c
	}
	report, err := wal.Check(v.fs, walDir, func(e wal.Entry) error {
		f, err := parseFrame(e.Payload)
		if err != nil {
			return &wal.CorruptError{Path: walDir, File: e.File, Off: e.Off, Reason: err.Error()}
		}
		c := byName[f.cluster]
		if c == nil {
			c = &verifyCluster{v: v, name: f.cluster}
			byName[f.cluster] = c
			clusters = append(clusters, c)
		}
		c.frame(&f, e)
		return ctx.Err()
	})
	if err != nil {
		v.blame("", walDir, err)
	}
	for _, name := range report.Others {
		if !(v.live && strings.HasSuffix(name, ".tmp")) {
			v.found(Tampered, "", path.Join(walDir, name), "a file that is not the ledger's")
		}
	}
	for _, name := range report.Kept {
		v.report.Notes = append(v.report.Notes, path.Join(walDir, name)+": what a power cut left half written of the log, and nobody was told is kept")
	}
	if report.TornFile != 0 && !v.live {
		v.report.Notes = append(v.report.Notes, fmt.Sprintf("the log's last %d bytes are half a write: nobody was told that it is kept, unless positions are missing", report.TornBytes))
	}
	return clusters
}
