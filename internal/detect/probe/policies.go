package probe

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"annals.dev/audit"
	"annals.dev/policy"
)

// PolicyChange is the requestObject of an event about an audit policy's file: verb create where the file is seen for the first
// time, update where it is another than before, delete where it is gone. Resource policyfiles.annals.dev.
type PolicyChange struct {
	Path    string `json:"path"`
	Before  string `json:"before,omitempty"` // SHA-256 of the file
	After   string `json:"after,omitempty"`
	Rules   int    `json:"rules,omitempty"`
	Nothing bool   `json:"nothing,omitempty"` // it records no request at all
	Invalid string `json:"invalid,omitempty"` // why an API server would not take it
	Content string `json:"content,omitempty"` // of the file as it is now
}

const (
	gone      = "gone"
	maxPolicy = 256 << 10
)

// look records what became of a policy's file since it was last looked at, if anything did.
func (p *Probe) look(ctx context.Context, file string) error {
	b, err := readSmall(file)
	now := gone
	switch {
	case err == nil:
		sum := sha256.Sum256(b)
		now = hex.EncodeToString(sum[:])
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	before, known := p.seen[file]
	if before == now || !known && now == gone {
		return nil
	}
	change := PolicyChange{Path: file, Before: before, Content: string(b)}
	if before == gone {
		change.Before = ""
	}
	verb := "update"
	switch {
	case now == gone:
		verb = "delete"
	case !known || before == gone:
		verb = "create"
		fallthrough
	default:
		change.After = now
		parsed, err := policy.Parse(b, policy.Options{})
		if err != nil {
			change.Invalid = err.Error()
		} else {
			change.Rules, change.Nothing = len(parsed.Rules), recordsNothing(parsed)
		}
	}
	if err := p.record(ctx, verb, "policyfiles", filepath.Base(file), time.Now(), change); err != nil {
		return err
	}
	// A kill before this is saved records the change once more.
	p.seen[file] = now
	return p.save()
}

func recordsNothing(p *policy.Policy) bool {
	for i := range p.Rules {
		if p.Rules[i].Level != audit.LevelNone {
			return false
		}
	}
	return true
}

func readSmall(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxPolicy+1))
	if err == nil && len(b) > maxPolicy {
		err = fmt.Errorf("it has more than %d bytes, which no audit policy has", maxPolicy)
	}
	return b, err
}
