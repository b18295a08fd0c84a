package named

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"annals.dev/internal/match"
	"annals.dev/internal/query"
)

// With is the set with the questions of a file behind it. The file is read strictly: an error names its line and column. A
// question may not have a name that is taken.
func (s *Set) With(path string, text []byte) (*Set, error) {
	f := &file{path: path}
	parsed, err := parser.ParseBytes(text, 0)
	if err != nil {
		return nil, f.yaml(err)
	}
	f.ast = parsed
	if n := len(parsed.Docs); n > 1 {
		return nil, fmt.Errorf("%s: it holds %d YAML documents; write one list", path, n)
	}
	added, err := decode(text)
	if err != nil {
		return nil, f.yaml(err)
	}
	all := s.All()
	for i, q := range added {
		q.File = path
		if at, err := q.check(); err != nil {
			return nil, f.at(fmt.Sprintf("$[%d]%s", i, at), "%s", err)
		}
		if j := slices.IndexFunc(all, func(o Question) bool { return o.Name == q.Name }); j >= 0 {
			where := "comes with Annals"
			if all[j].File != "" {
				where = "stands in " + all[j].File
			}
			return nil, f.at(fmt.Sprintf("$[%d].name", i), "a question named %s %s already; choose another name", q.Name, where)
		}
		all = append(all, q)
	}
	return &Set{all}, nil
}

// decode reads the list of a file. The YAML library panics at some texts that are none.
func decode(text []byte) (added []Question, err error) {
	defer func() {
		if what := recover(); what != nil {
			err = fmt.Errorf("it is not YAML that can be read: write a list of questions, each with its members")
		}
	}()
	err = yaml.UnmarshalWithOptions(text, &added, yaml.Strict())
	return added, err
}

// file is a file of questions being read.
type file struct {
	path string
	ast  *ast.File
}

// yaml is an error of the YAML itself, which knows where it is.
func (f *file) yaml(err error) error {
	var at yaml.Error
	if errors.As(err, &at) && at.GetToken() != nil && at.GetToken().Position != nil {
		p := at.GetToken().Position
		return fmt.Errorf("%s:%d:%d: %s", f.path, p.Line, p.Column, at.GetMessage())
	}
	return fmt.Errorf("%s: %w", f.path, err)
}

// at is an error at what a path leads to, or at the nearest thing around it that there is.
func (f *file) at(path, format string, args ...any) error {
	text := fmt.Sprintf(format, args...)
	for {
		if p, err := yaml.PathString(path); err == nil {
			if n, err := p.FilterFile(f.ast); err == nil && n.GetToken() != nil && n.GetToken().Position != nil {
				t := n.GetToken()
				if m, ok := n.(*ast.MappingNode); ok && len(m.Values) > 0 {
					t = m.Values[0].Key.GetToken()
				}
				return fmt.Errorf("%s:%d:%d: %s", f.path, t.Position.Line, t.Position.Column, text)
			}
		}
		i := strings.LastIndexAny(path, ".[")
		if i <= 0 {
			return fmt.Errorf("%s: %s", f.path, text)
		}
		path = path[:i]
	}
}

var (
	questionName  = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)
	parameterName = regexp.MustCompile(`^[a-z][a-z0-9]*$`)
	behindField   = regexp.MustCompile(`(:|=|<|>)$`)
	standsAlone   = regexp.MustCompile(`(^|[\s(!-])$`)
)

// check says what is wrong with a question, and where in it.
func (q *Question) check() (at string, _ error) {
	switch {
	case !questionName.MatchString(q.Name):
		return ".name", fmt.Errorf("the name is %q; write small letters, digits and dashes", q.Name)
	case q.Title == "":
		return "", fmt.Errorf("%s has no title", q.Name)
	case q.About == "":
		return "", fmt.Errorf("%s has no about: say what the answer means, and what it does not show", q.Name)
	case q.Group == "":
		return "", fmt.Errorf("%s has no group", q.Name)
	case q.Sort != "" && q.Sort != byTime && q.Sort != byLatency:
		return ".sort", fmt.Errorf("sort is %q; choose %s or %s", q.Sort, byTime, byLatency)
	case q.Sort != "" && q.By != nil:
		return ".sort", fmt.Errorf("a question that counts is sorted by its counts; leave sort out")
	case !slices.Contains([]string{"", "Metadata", "Request", "RequestResponse"}, q.Needs):
		return ".needs", fmt.Errorf("needs is %q; choose Metadata, Request or RequestResponse", q.Needs)
	}
	for i, f := range q.By {
		if all := query.Facets(); !slices.Contains(all, f) {
			return fmt.Sprintf(".by[%d]", i), fmt.Errorf("events cannot be counted by %q; choose of %s", f, strings.Join(all, ", "))
		}
	}
	for i, p := range q.Params {
		at := fmt.Sprintf(".params[%d]", i)
		_, known := types[p.Type]
		switch {
		case !parameterName.MatchString(p.Name) || p.Name == Where:
			return at + ".name", fmt.Errorf("a parameter is named %q; write small letters and digits, and not %s, which every question has", p.Name, Where)
		case slices.ContainsFunc(q.Params[:i], func(o Parameter) bool { return o.Name == p.Name }):
			return at + ".name", fmt.Errorf("there are two parameters %s", p.Name)
		case !known:
			return at + ".type", fmt.Errorf("parameter %s has the type %q; choose one of %s", p.Name, p.Type, typeNames())
		case p.About == "":
			return at, fmt.Errorf("parameter %s has no about", p.Name)
		case strings.Contains(q.Search, "{"+p.Name+"}") == (p.Term != ""):
			return at, fmt.Errorf("parameter %s must stand either in the search or in a term of its own, as {%[1]s}", p.Name)
		case p.Term != "" && !strings.Contains(p.Term, "{"+p.Name+"}"):
			return at + ".term", fmt.Errorf("the term of %s does not hold {%[1]s}", p.Name)
		}
		if p.Default != "" {
			if _, err := p.write(p.Default); err != nil {
				return at + ".default", err
			}
		}
		if err := q.places(p.Term); err != nil {
			return at + ".term", err
		}
	}
	if err := q.places(q.Search); err != nil {
		return ".search", err
	}
	samples := map[string]string{}
	for _, p := range q.Params {
		samples[p.Name] = types[p.Type].example
	}
	if _, err := q.ask(samples); err != nil {
		var wrong *match.Error
		if errors.As(err, &wrong) {
			return ".search", fmt.Errorf("the search is wrong: %w", wrong)
		}
		return ".search", err
	}
	return "", nil
}

// places looks at what stands around each parameter in a search.
func (q *Question) places(search string) error {
	for _, m := range placeholder.FindAllStringSubmatchIndex(search, -1) {
		name, before, after := search[m[2]:m[3]], search[:m[0]], search[m[1]:]
		i := slices.IndexFunc(q.Params, func(p Parameter) bool { return p.Name == name })
		if i < 0 {
			return fmt.Errorf("{%s} is not a parameter of %s", name, q.Name)
		}
		place, where := behindField, "right behind a field, like user:{"+name+"}"
		if types[q.Params[i].Type].standing {
			place, where = standsAlone, "by itself, between spaces"
		}
		if !place.MatchString(before) || after != "" && !strings.ContainsAny(after[:1], " \t\n)") || strings.Count(before, `"`)%2 == 1 {
			return fmt.Errorf("{%s} is of type %s: it must stand %s", name, q.Params[i].Type, where)
		}
	}
	return nil
}

func typeNames() string {
	var names []string
	for t := range types {
		names = append(names, string(t))
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}
