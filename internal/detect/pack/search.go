package pack

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"

	"go.yaml.in/yaml/v3"

	"annals.dev/internal/detect"
	"annals.dev/internal/match"
)

// Search is a search that was saved as a rule: a document of a file of rules.
type Search struct {
	ID         string          `yaml:"id"`
	Title      string          `yaml:"title"`
	Search     string          `yaml:"search"`
	Severity   detect.Severity `yaml:"severity"`
	About      string          `yaml:"about,omitempty"`
	Author     string          `yaml:"author,omitempty"`
	Techniques []string        `yaml:"techniques,omitempty"` // ATT&CK: T1611
	Tactics    []string        `yaml:"tactics,omitempty"`    // ATT&CK: privilege-escalation
}

var searchID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/-]{0,99}$`)

var technique = regexp.MustCompile(`^T[0-9]{4}(\.[0-9]{3})?$`)

// Rule makes it a rule.
func (s *Search) Rule() (*detect.Rule, error) {
	switch {
	case !searchID.MatchString(s.ID):
		return nil, fmt.Errorf("id %.100q: give one of letters, digits and . _ / -, 100 at most", s.ID)
	case s.Title == "":
		return nil, errors.New("it has no title")
	case !slices.Contains(detect.Severities, s.Severity):
		return nil, fmt.Errorf("severity is one of %s, not %.40q", severities(), s.Severity)
	}
	for _, t := range s.Techniques {
		if !technique.MatchString(t) {
			return nil, fmt.Errorf("technique %.40q: give one of ATT&CK's, such as T1611 or T1552.007", t)
		}
	}
	where, err := match.Parse(s.Search)
	if err != nil {
		return nil, fmt.Errorf("search: %w", err)
	}
	sum := sha256.Sum256([]byte("search\n" + s.ID + "\n" + where.String()))
	text, err := yaml.Marshal(s)
	if err != nil {
		return nil, err
	}
	return &detect.Rule{
		ID: s.ID, Title: s.Title, Version: hex.EncodeToString(sum[:6]), Language: detect.Search, Severity: s.Severity, About: s.About, Author: s.Author,
		Techniques: s.Techniques, Tactics: s.Tactics, Text: string(text), Where: where, Own: own(where),
	}, nil
}

// own says whether a predicate names the cluster annals, where what Annals itself did stands.
func own(p *match.Predicate) bool {
	named := false
	p.Fold(func(l match.Leaf) match.Truth { // of what is not known, every test is asked for
		named = named || l.Field() == "cluster" && slices.Contains(l.Exact(), "annals")
		return match.Maybe
	})
	return named
}

// searches reads files of saved searches.
func searches(files []detect.File) (rules []*detect.Rule, problems []detect.Problem) {
	for _, f := range files {
		d := yaml.NewDecoder(bytes.NewReader(f.Data))
		for {
			var doc yaml.Node
			err := d.Decode(&doc)
			if errors.Is(err, io.EOF) {
				break
			}
			var s Search
			line := 0
			if len(doc.Content) > 0 {
				line = doc.Content[0].Line
			}
			if err == nil {
				err = strict(&doc, &s)
			}
			var r *detect.Rule
			if err == nil {
				r, err = s.Rule()
			}
			if err != nil {
				problems = append(problems, detect.Problem{File: f.Name, Line: line, Rule: s.ID, Kind: "error", Message: err.Error()})
				if doc.Kind == 0 {
					break // nothing behind what is no YAML can be read
				}
				continue
			}
			r.File, r.Line = f.Name, line
			rules = append(rules, r)
		}
	}
	return rules, problems
}

// strict decodes a document and refuses members that there are not.
func strict(doc *yaml.Node, into any) error {
	text, err := yaml.Marshal(doc)
	if err != nil {
		return err
	}
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	return d.Decode(into)
}
