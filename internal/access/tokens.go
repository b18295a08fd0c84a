package access

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"annals.dev/internal/disk"
)

// TokenPrefix begins every token, so that people and scanners know one when they see it. 52 of a-z and 2-7 follow.
const TokenPrefix = "annals_"

const (
	tokensName    = "tokens.json"
	tokensVersion = 1
)

// Token is what is kept of a token.
type Token struct {
	ID      string    `json:"id"` // the first 12 digits of SHA256
	Cluster string    `json:"cluster"`
	SHA256  string    `json:"sha256"` // of the whole text, prefix included, in hex
	Created time.Time `json:"created"`
	Note    string    `json:"note,omitempty"`
}

type tokenFile struct {
	Version int     `json:"version"`
	Tokens  []Token `json:"tokens"`
}

// tokenCache is tokens.json as last read.
type tokenCache struct {
	mu     sync.Mutex
	stamp  fileStamp
	hashes [][32]byte
	list   []Token // parallel to hashes
}

var base32Lower = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// NewToken makes a token for a cluster, beside those it has. The text is given back this once and kept nowhere.
func (s *Store) NewToken(cluster, note string) (text string, t Token, err error) {
	if err := CheckCluster(cluster); err != nil {
		return "", t, err
	}
	var secret [32]byte
	rand.Read(secret[:])
	text = TokenPrefix + base32Lower.EncodeToString(secret[:])
	sum := sha256.Sum256([]byte(text))
	t = Token{Cluster: cluster, SHA256: hex.EncodeToString(sum[:]), Created: s.now().UTC().Truncate(time.Second), Note: note}
	t.ID = t.SHA256[:12]
	err = s.changeTokens(func(list []Token) ([]Token, error) { return append(list, t), nil })
	if err != nil {
		return "", Token{}, err
	}
	return text, t, nil
}

// Revoke ends the token with this ID. What was delivered with it stays.
func (s *Store) Revoke(id string) error {
	return s.changeTokens(func(list []Token) ([]Token, error) {
		for i, t := range list {
			if t.ID == id {
				return append(list[:i:i], list[i+1:]...), nil
			}
		}
		return nil, fmt.Errorf("no token has the id %q", id)
	})
}

// Tokens lists the tokens in force, oldest first.
func (s *Store) Tokens() ([]Token, error) {
	f, err := s.readTokens()
	return f.Tokens, err
}

// changeTokens rewrites tokens.json under a lock, since a server and a command may both be at it.
func (s *Store) changeTokens(change func([]Token) ([]Token, error)) error {
	lock, err := os.OpenFile(filepath.Join(s.dir, tokensName+".lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("tokens: %w", err)
	}
	defer lock.Close()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return fmt.Errorf("tokens: lock %s: %w", lock.Name(), err)
	}
	f, err := s.readTokens()
	if err != nil {
		return err
	}
	if f.Tokens, err = change(f.Tokens); err != nil {
		return err
	}
	f.Version = tokensVersion
	b, err := json.MarshalIndent(f, "", "  ")
	if err == nil {
		err = disk.WriteFile(s.fs, tokensName, append(b, '\n'))
	}
	if err != nil {
		return fmt.Errorf("tokens: %w", err)
	}
	return nil
}

// readTokens reads tokens.json; a missing one holds none.
func (s *Store) readTokens() (f tokenFile, err error) {
	b, err := disk.ReadFile(s.fs, tokensName)
	if errors.Is(err, fs.ErrNotExist) {
		return f, nil
	}
	if err != nil {
		return f, fmt.Errorf("tokens: %w", err)
	}
	return parseTokens(b)
}

func parseTokens(b []byte) (f tokenFile, err error) {
	if err := json.Unmarshal(b, &f); err != nil {
		return tokenFile{}, fmt.Errorf("tokens: tokens.json: %w", err)
	}
	if f.Version > tokensVersion {
		return tokenFile{}, fmt.Errorf("tokens: tokens.json has version %d, this program reads up to %d: use a newer one", f.Version, tokensVersion)
	}
	for _, t := range f.Tokens {
		if err := CheckCluster(t.Cluster); err != nil {
			return tokenFile{}, fmt.Errorf("tokens: tokens.json: token %q: %w", t.ID, err)
		}
		if n, err := hex.DecodeString(t.SHA256); err != nil || len(n) != sha256.Size {
			return tokenFile{}, fmt.Errorf("tokens: tokens.json: token %q: sha256 is not 64 hex digits", t.ID)
		}
	}
	return f, nil
}

// loadTokens reads tokens.json again if it changed. One that cannot be read leaves those that were in force: better an
// outdated list than a cluster whose events are lost because of a slip of the pen.
func (s *Store) loadTokens() error {
	stamp, err := stampOf(s.fs, tokensName)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("tokens: %w", err)
	}
	c := &s.tokens
	c.mu.Lock()
	defer c.mu.Unlock()
	if stamp == c.stamp {
		return nil
	}
	c.stamp = stamp
	f, err := s.readTokens()
	if err != nil {
		return err
	}
	c.list, c.hashes = f.Tokens, make([][32]byte, len(f.Tokens))
	for i, t := range f.Tokens {
		hex.Decode(c.hashes[i][:], []byte(t.SHA256))
	}
	return nil
}

// findToken gives the cluster a token is for. It takes the same time wherever the token stands, and whether it stands.
func (s *Store) findToken(text string) (Token, bool) {
	sum := sha256.Sum256([]byte(text))
	if err := s.loadTokens(); err != nil {
		s.log.Error("tokens cannot be read again; those read before stay in force", "error", err)
	}
	c := &s.tokens
	c.mu.Lock()
	defer c.mu.Unlock()
	found := -1
	for i := range c.hashes {
		if subtle.ConstantTimeCompare(c.hashes[i][:], sum[:]) == 1 {
			found = i
		}
	}
	if found < 0 || !strings.HasPrefix(text, TokenPrefix) {
		return Token{}, false
	}
	return c.list[found], true
}
