package pack

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"

	"annals.dev/internal/detect"
	"annals.dev/rules"
)

// maxFile is how large a file of rules may be.
const maxFile = 16 << 20

// gather reads the files that a configuration names: ours first, then each path in its order, a folder's files by their names.
func gather(cfg Config) (files []detect.File, err error) {
	if cfg.Builtin == nil || *cfg.Builtin {
		if files, err = folder(rules.FS, ".", "builtin"); err != nil {
			return nil, err
		}
	}
	for _, path := range cfg.Paths {
		info, err := os.Stat(path)
		if err != nil {
			return nil, fmt.Errorf("rules: %w: correct the path, in watch.yaml it is one of rules.paths", err)
		}
		if info.IsDir() {
			found, err := folder(os.DirFS(path), ".", path)
			if err != nil {
				return nil, err
			}
			files = append(files, found...)
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("rules: %w", err)
		}
		files = append(files, detect.File{Name: path, Data: text})
	}
	return files, nil
}

// folder reads all files of rules in a folder and below it.
func folder(in fs.FS, root, name string) (files []detect.File, err error) {
	err = fs.WalkDir(in, root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if path != root && strings.HasPrefix(d.Name(), ".") {
				return fs.SkipDir
			}
			return nil
		}
		if !isRules(d.Name()) {
			return nil
		}
		text, err := fs.ReadFile(in, path)
		if err != nil {
			return err
		}
		files = append(files, detect.File{Name: filepath.ToSlash(filepath.Join(name, path)), Data: text})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("rules: folder %s: %w", name, err)
	}
	return files, nil
}

// isRules says whether a file of a folder holds rules. What is called *.test.yml holds the events that test them.
func isRules(name string) bool {
	if strings.HasPrefix(name, ".") {
		return false
	}
	base, ok := strings.CutSuffix(name, ".yml")
	if !ok {
		base, ok = strings.CutSuffix(name, ".yaml")
	}
	return ok && !strings.HasSuffix(base, ".test")
}

// LanguageOf tells what language a file of rules is in by its first document; otherwise why says what is wrong with it.
func LanguageOf(data []byte) (language detect.Language, why string) {
	if len(data) > maxFile {
		return "", fmt.Sprintf("the file has %d bytes, and a file of rules has at most %d MiB: split it", len(data), maxFile>>20)
	}
	var doc yaml.Node
	err := yaml.NewDecoder(strings.NewReader(string(data))).Decode(&doc)
	if err != nil {
		return guess(data, err)
	}
	if len(doc.Content) == 0 {
		return "", noRules
	}
	switch top := doc.Content[0]; top.Kind {
	case yaml.SequenceNode:
		for _, item := range top.Content {
			if hasKey(item, "rule", "macro", "list", "required_engine_version", "required_plugin_versions") {
				return detect.Falco, ""
			}
		}
	case yaml.MappingNode:
		switch {
		case hasKey(top, "detection", "correlation", "filter", "action"):
			return detect.Sigma, ""
		case hasKey(top, "search"):
			return detect.Search, ""
		}
	}
	return "", noRules
}

const noRules = "it holds no rules: Sigma's have detection, correlation or filter, Falco's are a list of rule, macro and list, and a search has search"

// guess is for a file that is no YAML: whoever reads its language says best where it is wrong.
func guess(data []byte, err error) (detect.Language, string) {
	for line := range strings.Lines(string(data)) {
		switch key, _, _ := strings.Cut(strings.TrimSpace(line), ":"); key {
		case "- rule", "- macro", "- list", "- required_engine_version", "- required_plugin_versions":
			return detect.Falco, ""
		case "detection", "correlation", "filter", "logsource":
			return detect.Sigma, ""
		case "search":
			return detect.Search, ""
		}
	}
	return "", fmt.Sprintf("it cannot be read as YAML: %v", err)
}

func hasKey(n *yaml.Node, keys ...string) bool {
	if n.Kind != yaml.MappingNode {
		return false
	}
	for i := 0; i < len(n.Content); i += 2 {
		for _, k := range keys {
			if n.Content[i].Value == k {
				return true
			}
		}
	}
	return false
}
