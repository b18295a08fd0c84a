package server

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"

	"annals.dev/internal/detect/pack"
	"annals.dev/internal/disk"
)

var savedID = regexp.MustCompile(`^saved-[0-9a-f]{12}$`)

// savedFile is where a saved search stands.
func (c *core) savedFile(id string) string { return filepath.Join(c.dir, rulesDir, id+".yml") }

// saveRule saves a search as a rule. It is on disk, and used, before that is said.
func (c *core) saveRule(ctx context.Context, by *asker, q SaveRuleQuestion, _ func(nothing) error) (RuleState, error) {
	c.watch.saving.Lock()
	defer c.watch.saving.Unlock()
	s := pack.Search{ID: q.ID, Title: q.Title, Search: q.Search, Severity: q.Severity, About: q.About, Author: by.Name, Techniques: q.Techniques, Tactics: q.Tactics}
	if s.ID == "" {
		var id [6]byte
		rand.Read(id[:]) // never fails
		s.ID = "saved-" + hex.EncodeToString(id[:])
	} else if err := c.hasSaved(s.ID); err != nil {
		return RuleState{}, err
	}
	r, err := s.Rule()
	if err != nil {
		return RuleState{}, &Error{Usage, err.Error()}
	}
	if err := os.MkdirAll(filepath.Join(c.dir, rulesDir), 0o700); err != nil {
		return RuleState{}, err
	}
	if err := disk.WriteFile(disk.OS(c.dir), filepath.Join(rulesDir, s.ID+".yml"), []byte(r.Text)); err != nil {
		return RuleState{}, fmt.Errorf("save the rule: %w", err)
	}
	if err := c.reloadRules(ctx); err != nil {
		return RuleState{}, fmt.Errorf("the rule is saved, but the rules could not be read anew: %w", err)
	}
	saved, err := c.ruleOf(by, s.ID)
	if err != nil {
		return RuleState{}, err
	}
	return *saved, nil
}

// removeRule removes a saved search.
func (c *core) removeRule(ctx context.Context, by *asker, q RemoveRuleQuestion, _ func(nothing) error) (nothing, error) {
	c.watch.saving.Lock()
	defer c.watch.saving.Unlock()
	if err := c.hasSaved(q.ID); err != nil {
		return nothing{}, err
	}
	if err := os.Remove(c.savedFile(q.ID)); err != nil {
		return nothing{}, fmt.Errorf("remove the rule: %w", err)
	}
	return nothing{}, c.reloadRules(ctx)
}

// hasSaved says whether there is a saved search of that ID.
func (c *core) hasSaved(id string) error {
	if !savedID.MatchString(id) {
		return &Error{Usage, fmt.Sprintf("%.100q is no rule that was saved here: their IDs begin with saved-; other rules are switched off in watch.yaml", id)}
	}
	if _, err := os.Stat(c.savedFile(id)); errors.Is(err, fs.ErrNotExist) {
		return &Error{NotFound, fmt.Sprintf("there is no saved rule %s", id)}
	} else if err != nil {
		return err
	}
	return nil
}
