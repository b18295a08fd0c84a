package ledger

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"annals.dev/internal/disk"
	"annals.dev/internal/wal"
)

// Description is ledger.json: what a ledger is, made by Init and never changed.
type Description struct {
	Version   int    `json:"version"`
	ID        string `json:"id"`        // random; origin lines are annals/<id>/<cluster>
	PublicKey string `json:"publicKey"` // of a signed note: verifies checkpoints and manifests
	Key       string `json:"key"`       // where the signing key is: a path, below the ledger's directory if relative
}

const (
	descriptionFile    = "ledger.json"
	descriptionVersion = 1
	defaultKey         = "keys/signing.key"
)

var (
	// ErrNoLedger is a directory without a ledger. A vanished ledger is an alarm, so nothing but Init makes one.
	ErrNoLedger = errors.New("there is no ledger here (a vanished ledger is an alarm; a new one is made by annals init)")
	// ErrExists is what Init says of a directory that holds a ledger.
	ErrExists = errors.New("there is a ledger here already")
	// ErrInUse is a ledger that another process has open.
	ErrInUse = errors.New("the ledger is in use by another process")
	// ErrVersion is a ledger of a newer format.
	ErrVersion = errors.New("the ledger was written by a newer version of annals: use that one")
)

// ClusterName is what a cluster may be called.
var ClusterName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9.]{0,61}[a-z0-9])?$`)

// Own is the cluster of Annals' own events. No source may use it but Annals.
const Own = "annals"

// Init makes a ledger in dir, which must be empty or missing, with its signing key: in key, or under keys/ if that is "".
func Init(dir, key string) (*Description, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	d := disk.OS(dir)
	if _, err := d.Stat(descriptionFile); err == nil {
		return nil, fmt.Errorf("%s: %w", dir, ErrExists)
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		return nil, err
	}
	var id [8]byte
	rand.Read(id[:])
	desc := &Description{Version: descriptionVersion, ID: hex.EncodeToString(id[:]), Key: key}
	secret, public, err := note.GenerateKey(rand.Reader, "annals/"+desc.ID)
	if err != nil {
		return nil, err
	}
	desc.PublicKey = public
	if desc.Key == "" {
		desc.Key = defaultKey
	} else if desc.Key, err = filepath.Abs(key); err != nil {
		return nil, err
	}
	path := desc.keyPath(dir)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("%s exists: a key is never overwritten; name another file", path)
	}
	if err != nil {
		return nil, err
	}
	_, err = f.WriteString(secret)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return nil, err
	}
	signer, err := desc.signer(dir)
	if err != nil {
		return nil, err
	}
	return desc, create(d, desc, signer)
}

// create makes everything but the key. The description comes last: with it the ledger exists.
func create(d disk.FS, desc *Description, signer note.Signer) error {
	if err := d.MkdirAll("clusters"); err != nil {
		return err
	}
	if err := wal.Create(d, walDir); err != nil {
		return err
	}
	if err := writeHeads(d, desc, signer, nil); err != nil {
		return err
	}
	b, err := desc.marshal()
	if err != nil {
		return err
	}
	return disk.WriteFile(d, descriptionFile, b)
}

func (desc *Description) marshal() ([]byte, error) {
	b, err := json.MarshalIndent(desc, "", "  ")
	return append(b, '\n'), err
}

func (desc *Description) keyPath(dir string) string {
	if filepath.IsAbs(desc.Key) {
		return desc.Key
	}
	return filepath.Join(dir, desc.Key)
}

func (desc *Description) origin(cluster string) string { return "annals/" + desc.ID + "/" + cluster }

// Describe reads a directory's ledger.json.
func Describe(dir string) (*Description, error) {
	desc, err := describe(disk.OS(dir))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	return desc, nil
}

func describe(d disk.FS) (*Description, error) {
	b, err := disk.ReadFile(d, descriptionFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNoLedger
	}
	if err != nil {
		return nil, err
	}
	desc := &Description{}
	if err := json.Unmarshal(b, desc); err != nil {
		return nil, &DamageError{descriptionFile, err}
	}
	if desc.Version > descriptionVersion {
		return nil, fmt.Errorf("%w (its format is version %d, this program's %d)", ErrVersion, desc.Version, descriptionVersion)
	}
	if again, err := desc.marshal(); err != nil || !bytes.Equal(again, b) {
		return nil, &DamageError{descriptionFile, errors.New("it is not as annals init wrote it")}
	}
	return desc, nil
}

// Verifier is the public key's, in its Go form.
func (desc *Description) Verifier() (note.Verifier, error) {
	v, err := note.NewVerifier(desc.PublicKey)
	if err != nil {
		return nil, fmt.Errorf("%s: the public key %q: %w", descriptionFile, desc.PublicKey, err)
	}
	return v, nil
}

// signer reads the signing key.
func (desc *Description) signer(dir string) (note.Signer, error) {
	path := desc.keyPath(dir)
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("the signing key: %w", err)
	}
	s, err := note.NewSigner(strings.TrimSpace(string(b)))
	if err != nil {
		return nil, fmt.Errorf("the signing key %s: %w", path, err)
	}
	v, err := desc.Verifier()
	if err != nil {
		return nil, err
	}
	if s.KeyHash() != v.KeyHash() || s.Name() != v.Name() {
		return nil, fmt.Errorf("the signing key %s is not this ledger's (%s)", path, desc.PublicKey)
	}
	return s, nil
}
