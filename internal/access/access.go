// Package access says who may deliver events, and who may ask about them: which cluster a request speaks for, what a token lets
// its holder see and do, and how a client knows that it speaks to this server. Start with Store: Init makes its files once, Open
// reads them; and with Caller, who is whoever asks.
//
// It keeps two certificate authorities apart, one for the server's own certificate and one for those it gives to clusters,
// so that neither can stand in for the other. Of a token only its SHA-256 is kept. Nothing is made silently: Open fails
// where Init has not been.
package access

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"annals.dev/internal/disk"
)

// Reserved is the cluster under which Annals records what happens to itself. Nobody delivers to it.
const Reserved = "annals"

// Store is the keys and tokens of one data directory. Its methods may be called from many goroutines, and another process
// may add or revoke tokens meanwhile.
type Store struct {
	dir string // the data directory, for messages and the lock
	fs  disk.FS
	log *slog.Logger
	now func() time.Time

	server, client authority
	clientPool     *x509.CertPool

	leaf   leaf
	tokens tokenCache
	seen   certCache
}

// Init makes both authorities under data/pki and notes the names and addresses that the server's certificate is for. It
// fails if they are there already.
func Init(data string, names Names) error {
	d, err := open(data)
	if err != nil {
		return err
	}
	if _, err := d.Stat("pki"); err == nil {
		return fmt.Errorf("%s: keys are there already, and replacing them would shut out every cluster", filepath.Join(data, "pki"))
	} else if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("keys: %w", err)
	}
	// Made aside and renamed, so that half a set of keys is never taken for a whole one.
	if err := d.MkdirAll("pki.new"); err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	now := time.Now()
	for _, ca := range []struct{ file, name string }{{"server-ca", "Annals server CA"}, {"client-ca", "Annals client CA"}} {
		if err := makeAuthority(d, "pki.new/"+ca.file, ca.name, now); err != nil {
			return err
		}
	}
	if err := writeNames(d, "pki.new", names); err != nil {
		return err
	}
	if err := d.Rename("pki.new", "pki"); err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	if err := d.SyncDir("."); err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	return nil
}

// SetNames changes the names and addresses of the server's certificate. A running server takes them up at the next
// handshake.
func SetNames(data string, names Names) error {
	d, err := open(data)
	if err != nil {
		return err
	}
	return writeNames(d, "pki", names)
}

// Open reads the keys and tokens of a data directory.
func Open(data string, log *slog.Logger) (*Store, error) {
	d, err := open(data)
	if err != nil {
		return nil, err
	}
	if _, err := d.Stat("pki"); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s does not exist: name the right directory with --data, or make its keys with annals init", filepath.Join(data, "pki"))
	}
	s := &Store{dir: data, fs: d, log: log, now: time.Now, clientPool: x509.NewCertPool()}
	if s.server, err = readAuthority(d, "pki/server-ca"); err != nil {
		return nil, err
	}
	if s.client, err = readAuthority(d, "pki/client-ca"); err != nil {
		return nil, err
	}
	s.clientPool.AddCert(s.client.cert)
	if _, err := s.certificate(); err != nil {
		return nil, err
	}
	if err := s.loadTokens(); err != nil {
		return nil, err
	}
	return s, nil
}

func open(data string) (disk.FS, error) {
	abs, err := filepath.Abs(data)
	if err != nil {
		return nil, fmt.Errorf("data directory %s: %w", data, err)
	}
	return disk.OS(abs), nil
}

// ServerCA is the certificate, in PEM, by which a client knows this server.
func (s *Store) ServerCA() []byte { return s.server.pem }

// CheckCluster says whether a name may stand for a cluster that delivers events.
func CheckCluster(name string) error {
	if name == Reserved {
		return fmt.Errorf("cluster name %q is kept for the server's own events: choose another", name)
	}
	return checkName("cluster", name)
}

// CheckServer says whether a name may stand for one API server of a cluster.
func CheckServer(name string) error { return checkName("server", name) }

func checkName(what, name string) error {
	if name == "" {
		return fmt.Errorf("the %s name is empty", what)
	}
	ok := len(name) <= 63
	for i := 0; i < len(name) && ok; i++ {
		c := name[i]
		alnum := c >= 'a' && c <= 'z' || c >= '0' && c <= '9'
		ok = alnum || i > 0 && i < len(name)-1 && (c == '-' || c == '.')
	}
	if !ok {
		return fmt.Errorf("%s name %.80q is not valid: up to 63 of a-z, 0-9, - and ., with a letter or digit at both ends", what, name)
	}
	return nil
}

// certCache remembers which client certificates were verified, since a cluster shows the same one with every request.
type certCache struct {
	mu sync.Mutex
	m  map[[32]byte]string // SHA-256 of the certificate: its cluster
}

const maxCertCache = 1024
