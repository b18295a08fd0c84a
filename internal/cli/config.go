package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// A setting has one name. It is given as a flag, --http; else in the environment, ANNALS_HTTP; else in annals.yaml, http.

const envPrefix = "ANNALS_"

// configFiles are looked for in this order when --config names none.
var configFiles = []string{"annals.yaml", "/etc/annals/annals.yaml"}

// perCall marks flags that say what one call is to do: only the command line sets them.
func perCall(cmd *cobra.Command, names ...string) {
	for _, name := range names {
		f := cmd.Flags().Lookup(name)
		f.Annotations = map[string][]string{perCallMark: {"true"}}
	}
}

const perCallMark = "annals: per call"

func isSetting(f *pflag.Flag) bool {
	return f.Name != "help" && f.Name != "config" && f.Annotations[perCallMark] == nil
}

func envName(flag string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// settle gives each flag that was not set on the command line the value of the environment or of annals.yaml.
func settle(cmd *cobra.Command, getenv func(string) string) error {
	path, named := "", false
	if f := cmd.Flags().Lookup("config"); f != nil {
		if path = f.Value.String(); path == "" {
			path = getenv(envName("config"))
		}
		named = path != ""
	}
	file, err := readConfig(path, named, settingNames(cmd.Root()))
	if err != nil {
		return err
	}
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if f.Changed || !isSetting(f) || err != nil {
			return
		}
		if v := getenv(envName(f.Name)); v != "" {
			if serr := cmd.Flags().Set(f.Name, v); serr != nil {
				err = &usageError{fmt.Errorf("%s: %w", envName(f.Name), serr)}
			}
			return
		}
		s, ok := file.settings[f.Name]
		if !ok {
			return
		}
		if f.Value.Type() != "stringArray" && len(s.values) != 1 {
			err = file.wrong(s.node, "%s takes one value, this is a list", f.Name)
			return
		}
		for _, v := range s.values {
			if serr := cmd.Flags().Set(f.Name, v); serr != nil {
				err = file.wrong(s.node, "%s: %v", f.Name, serr)
				return
			}
		}
	})
	return err
}

// settingNames are the flags of all commands: one file serves them all.
func settingNames(root *cobra.Command) map[string]bool {
	names := map[string]bool{}
	var walk func(*cobra.Command)
	walk = func(c *cobra.Command) {
		add := func(f *pflag.Flag) { names[f.Name] = names[f.Name] || isSetting(f) }
		c.Flags().VisitAll(add)
		c.PersistentFlags().VisitAll(add)
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(root)
	return names
}

type config struct {
	path     string
	settings map[string]setting
}

type setting struct {
	node   ast.Node
	values []string
}

func readConfig(path string, named bool, known map[string]bool) (*config, error) {
	candidates := configFiles
	if named {
		candidates = []string{path}
	}
	for _, p := range candidates {
		b, err := os.ReadFile(p)
		if !named && errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, &usageError{fmt.Errorf("settings: %w", err)}
		}
		return parseConfig(p, b, known)
	}
	return &config{}, nil
}

// parseConfig reads a file of settings. Everything about it is strict: a setting that is not understood is one that
// somebody relies on.
func parseConfig(path string, b []byte, known map[string]bool) (*config, error) {
	c := &config{path: path, settings: map[string]setting{}}
	file, err := parser.ParseBytes(b, 0)
	if err != nil {
		return nil, &usageError{fmt.Errorf("%s: %w", path, err)}
	}
	for i, doc := range file.Docs {
		if doc.Body == nil {
			continue
		}
		if i > 0 {
			return nil, c.wrong(doc.Body, "a second YAML document; only one is read")
		}
		var members []*ast.MappingValueNode
		switch n := doc.Body.(type) {
		case *ast.MappingNode:
			members = n.Values
		case *ast.MappingValueNode:
			members = []*ast.MappingValueNode{n}
		case *ast.CommentGroupNode:
		default:
			return nil, c.wrong(doc.Body, "settings are written as name: value")
		}
		for _, m := range members {
			if err := c.add(m, known); err != nil {
				return nil, err
			}
		}
	}
	return c, nil
}

func (c *config) add(m *ast.MappingValueNode, known map[string]bool) error {
	name := strings.Trim(m.Key.String(), `"'`)
	if !known[name] {
		return c.wrong(m.Key, "%q is not a setting; the names are those of the flags, see annals help", name)
	}
	if _, twice := c.settings[name]; twice {
		return c.wrong(m.Key, "%s stands twice", name)
	}
	s := setting{node: m.Value}
	nodes := []ast.Node{m.Value}
	if list, ok := m.Value.(*ast.SequenceNode); ok {
		nodes = list.Values
	}
	for _, n := range nodes {
		switch n := n.(type) {
		case *ast.StringNode:
			s.values = append(s.values, n.Value)
		case *ast.LiteralNode:
			s.values = append(s.values, n.Value.Value)
		case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
			s.values = append(s.values, n.GetToken().Value)
		default:
			return c.wrong(n, "%s: the value must be a text, a number, true or false, or a list of those", name)
		}
	}
	c.settings[name] = s
	return nil
}

func (c *config) wrong(at ast.Node, format string, args ...any) error {
	where := c.path
	if tk := at.GetToken(); tk != nil && tk.Position != nil {
		where = fmt.Sprintf("%s:%d:%d", c.path, tk.Position.Line, tk.Position.Column)
	}
	return &usageError{fmt.Errorf("%s: %s", where, fmt.Sprintf(format, args...))}
}
