package access

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"annals.dev/internal/disk"
	"annals.dev/internal/match"
)

// tokens.json has a version. In the first all tokens were for ingest, and no role was written.
const (
	tokensName    = "tokens.json"
	tokensVersion = 2
)

type tokenFile struct {
	Version int     `json:"version"`
	Tokens  []Token `json:"tokens"`
}

// tokenCache is tokens.json as last read.
type tokenCache struct {
	mu     sync.Mutex
	stamp  fileStamp
	hashes []Hash
	list   []held // parallel to hashes
}

// held is a token and its scope, read.
type held struct {
	Token
	scope *match.Predicate // of a reader
}

// Hash is what a token is known by where its text is not to be kept.
type Hash [sha256.Size]byte

func hashOf(text string) Hash { return sha256.Sum256([]byte(text)) }

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
	for i := range f.Tokens {
		t := &f.Tokens[i]
		if f.Version < 2 && t.Role == "" {
			t.Role = Ingest
		}
		if err := t.check(); err != nil {
			return tokenFile{}, fmt.Errorf("tokens: tokens.json: token %q: %w", t.ID, err)
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
	list, hashes := make([]held, len(f.Tokens)), make([]Hash, len(f.Tokens))
	for i, t := range f.Tokens {
		hex.Decode(hashes[i][:], []byte(t.SHA256))
		list[i].Token = t
		if t.Role == Reader {
			if list[i].scope, err = ParseScope(t.Scope); err != nil {
				return fmt.Errorf("tokens: tokens.json: token %q: %w", t.ID, err)
			}
		}
	}
	c.list, c.hashes = list, hashes
	return nil
}

// find gives the token in force that has this text.
func (s *Store) find(text string) (held, error) {
	if !strings.HasPrefix(text, TokenPrefix) {
		return held{}, fmt.Errorf("%w: a token begins with %s", ErrBadToken, TokenPrefix)
	}
	return s.findHash(hashOf(text))
}

// findHash takes the same time wherever the token stands, and whether it stands.
func (s *Store) findHash(sum Hash) (held, error) {
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
	if found < 0 {
		return held{}, fmt.Errorf("%w: it was revoked, mistyped, or made for another server", ErrBadToken)
	}
	t := c.list[found]
	if t.expired(s.now()) {
		return held{}, fmt.Errorf("%w: token %s of %s ended on %s; annals token create makes a new one", ErrExpired, t.ID, t.Name, t.Expires.Format("2006-01-02 15:04 MST"))
	}
	return t, nil
}
