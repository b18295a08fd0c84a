package server

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/parser"

	"annals.dev/internal/alert"
	"annals.dev/internal/detect/gaps"
	"annals.dev/internal/detect/pack"
	"annals.dev/internal/detect/probe"
)

// WatchFile is where in the data directory it stands what is watched for and who is told, where no other file is named.
const WatchFile = "watch.yaml"

// rulesDir is where in the data directory rules lie that are used without being named.
const rulesDir = "rules"

// WatchConfig is watch.yaml.
type WatchConfig struct {
	Rules   pack.Config  `json:"rules,omitzero"`
	Alerts  alert.Config `json:"alerts,omitzero"`
	Silence gaps.Config  `json:"silence,omitzero"` // these two are read when the server starts, and not anew
	Probes  probe.Config `json:"probes,omitzero"`
}

// ReadWatch reads a file of what is watched for, strictly: a key that nobody knows would be a rule that never runs. Paths in it
// are as seen from its folder. With no path it is watch.yaml in the data directory; without that, what is found is ours and
// nobody is told. Rules that lie in the data directory's folder rules are used, too.
func ReadWatch(path, data string) (cfg WatchConfig, err error) {
	from := path
	if from == "" {
		from = filepath.Join(data, WatchFile)
	}
	text, err := os.ReadFile(from)
	switch {
	case path == "" && errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return cfg, err
	default:
		if cfg, err = parseWatch(from, text); err != nil {
			return cfg, err
		}
	}
	for i, p := range cfg.Rules.Paths {
		if !filepath.IsAbs(p) {
			cfg.Rules.Paths[i] = filepath.Join(filepath.Dir(from), p)
		}
	}
	for i, p := range cfg.Probes.Policies {
		if !filepath.IsAbs(p) {
			cfg.Probes.Policies[i] = filepath.Join(filepath.Dir(from), p)
		}
	}
	if own := filepath.Join(data, rulesDir); isDir(own) {
		cfg.Rules.Paths = append(cfg.Rules.Paths, own)
	}
	return cfg, nil
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

func parseWatch(path string, text []byte) (cfg WatchConfig, err error) {
	defer func() { // the YAML library panics at some texts that are none
		if what := recover(); what != nil {
			err = fmt.Errorf("%s: it is not YAML that can be read", path)
		}
	}()
	if parsed, err := parser.ParseBytes(text, 0); err != nil {
		return cfg, atLine(path, err)
	} else if n := len(parsed.Docs); n > 1 {
		return cfg, fmt.Errorf("%s: it holds %d YAML documents; write one", path, n)
	}
	if err := yaml.UnmarshalWithOptions(text, &cfg, yaml.Strict(), yaml.UseJSONUnmarshaler()); err != nil {
		return cfg, atLine(path, err)
	}
	if err := cfg.Rules.Check(); err != nil {
		return cfg, fmt.Errorf("%s: %w", path, err)
	}
	for _, part := range []interface{ Check() error }{&cfg.Alerts, cfg.Silence, cfg.Probes} {
		if err := part.Check(); err != nil {
			return cfg, fmt.Errorf("%s: %w", path, err)
		}
	}
	return cfg, nil
}

var quotedKey = regexp.MustCompile(`unknown field "([^"]*)"`)

// atLine says where in a file of YAML it is wrong.
func atLine(path string, err error) error {
	var at yaml.Error
	if errors.As(err, &at) && at.GetToken() != nil && at.GetToken().Position != nil {
		p, message := at.GetToken().Position, at.GetMessage()
		if m := quotedKey.FindStringSubmatch(message); m != nil {
			message = fmt.Sprintf("there is no key %q here; docs/watch.md has those that there are", m[1])
		}
		return fmt.Errorf("%s:%d:%d: %s", path, p.Line, p.Column, message)
	}
	return fmt.Errorf("%s: %s", path, strings.TrimSpace(err.Error()))
}
