package sigma

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"annals.dev/internal/detect"
	"annals.dev/internal/match"
)

// add reads one document: a rule, a correlation, a filter or a search.
func (c *collection) add(file string, line int, doc *document) {
	d := &draft{collection: c, doc: doc}
	d.rule = &detect.Rule{Language: detect.Sigma, File: file, Line: line, Text: doc.text}
	for k := range pairs(doc.root) {
		d.rule.Line = k.Line
		break
	}
	if d.head(); d.bad {
		return
	}
	root := doc.root
	detection, correlation, filter, search := get(root, "detection"), get(root, "correlation"), get(root, "filter"), get(root, "search")
	switch {
	case filter != nil:
		if d.logsource(); !d.skip {
			d.readFilter(filter)
		}
		return
	case correlation != nil:
		d.readCorrelation(correlation)
	case detection != nil:
		if d.logsource(); d.skip {
			return
		}
		if d.where = d.readDetection(detection); d.where != nil && !d.bad {
			d.checkTruth(get(detection, "condition").Line)
		}
	case search != nil:
		d.readSearch(search)
	default:
		d.tell(failure, 0, "it has none of detection, correlation, filter and search; a rule has a detection")
		return
	}
	d.register()
}

// register makes a rule known by its ID and name. A rule that is bad is known too, so that correlations can say why they are.
func (d *draft) register() {
	id := d.rule.ID
	if d.copies[id]++; d.doc.many && d.copies[id] > 1 {
		d.rule.ID = fmt.Sprintf("%s/%d", id, d.copies[id])
	}
	if first := d.byID[d.rule.ID]; first != nil {
		d.tell(failure, 0, "the ID %q is that of the rule in %s, line %d; give this one another", d.rule.ID, first.rule.File, first.rule.Line)
		return
	}
	d.byID[d.rule.ID] = d
	if name := d.rule.Name; name != "" {
		if first := d.byName[name]; first != nil {
			d.tell(warning, 0, "the name %q is that of the rule in %s, line %d; correlations that use it mean that one", name, first.rule.File, first.rule.Line)
		} else {
			d.byName[name] = d
		}
	}
	d.drafts = append(d.drafts, d)
}

// head reads what a rule says of itself.
func (d *draft) head() {
	root, r := d.doc.root, d.rule
	seen := map[string]bool{}
	for k := range pairs(root) {
		if seen[k.Value] {
			d.tell(failure, k.Line, "%s stands twice; leave one of them out", k.Value)
		}
		seen[k.Value] = true
	}
	r.Name, r.Title = text(get(root, "name")), strings.TrimSpace(text(get(root, "title")))
	switch id := text(get(root, "id")); {
	case id != "":
		r.ID = id
	case r.Name != "":
		r.ID = "sigma/" + r.Name
	default:
		r.ID = "sigma/" + r.Title
	}
	if r.Title == "" {
		d.tell(failure, 0, "it has no title; write one that says what it finds")
	}
	r.About = strings.TrimSpace(text(get(root, "description")))
	r.Author, r.License = text(get(root, "author")), text(get(root, "license"))
	r.References, r.FalsePositives = texts(get(root, "references")), texts(get(root, "falsepositives"))
	r.Tags = texts(get(root, "tags"))
	r.Techniques, r.Tactics = attack(r.Tags)
	r.Severity = detect.Medium
	if n := get(root, "level"); n != nil && !isNull(n) {
		d.level = true
		if r.Severity = detect.Severity(strings.ToLower(text(n))); !slices.Contains(detect.Severities, r.Severity) {
			d.tell(failure, n.Line, "level %q is none; it is one of informational, low, medium, high and critical", text(n))
		}
	}
	if n := get(root, "status"); n != nil {
		r.Status = text(n)
		switch r.Status {
		case "stable", "test", "experimental", "":
		case "deprecated":
			d.tell(note, n.Line, "its author calls it deprecated: another rule does its work")
		case "unsupported":
			d.tell(note, n.Line, "its author calls it unsupported, so it is not used")
			d.bad = true
		default:
			d.tell(warning, n.Line, "status %q is none; it is one of stable, test, experimental, deprecated and unsupported", r.Status)
		}
	}
	if n := get(root, "taxonomy"); n != nil && text(n) != "sigma" {
		d.tell(warning, n.Line, "taxonomy %q is not known; fields are read as those of audit events", text(n))
	}
	for _, n := range texts(get(root, "fields")) {
		if p := d.lookUp(n, get(root, "fields").Line); p != nil {
			r.Fields = append(r.Fields, p)
		}
	}
}

// logsource is what log a rule is for.
type logsource struct{ category, product, service string }

// logsource reads for what log the rule is. What is for another one is not used.
func (d *draft) logsource() {
	n := get(d.doc.root, "logsource")
	if n == nil || isNull(n) {
		d.tell(warning, 0, "it has no logsource; it is used as if it said product: kubernetes, service: audit")
		return
	}
	if n.Kind != yaml.MappingNode {
		d.tell(failure, n.Line, "logsource is a map; write product: kubernetes and service: audit")
		d.skip = true
		return
	}
	s := logsource{strings.ToLower(text(get(n, "category"))), strings.ToLower(text(get(n, "product"))), strings.ToLower(text(get(n, "service")))}
	d.source = s
	if s.product != "kubernetes" || s.service != "" && s.service != "audit" || s.category != "" && s.category != "application" {
		d.skip = true
		d.tell(note, n.Line, "it is for another log (%s), so it is not used; ours is product: kubernetes, service: audit", s)
	}
}

func (s logsource) String() string {
	var all []string
	for _, p := range [][2]string{{"category", s.category}, {"product", s.product}, {"service", s.service}} {
		if p[1] != "" {
			all = append(all, p[0]+": "+p[1])
		}
	}
	if all == nil {
		return "none is named"
	}
	return strings.Join(all, ", ")
}

var (
	technique = regexp.MustCompile(`^t\d{4}(\.\d{3})?$`)
	tactic    = regexp.MustCompile(`^[a-z]+([-_][a-z]+)*$`)
)

// attack reads ATT&CK's techniques and tactics from tags.
func attack(tags []string) (techniques, tactics []string) {
	for _, t := range tags {
		name, ok := strings.CutPrefix(strings.ToLower(t), "attack.")
		switch {
		case !ok:
		case technique.MatchString(name):
			techniques = append(techniques, strings.ToUpper(name))
		case tactic.MatchString(name):
			tactics = append(tactics, strings.ReplaceAll(name, "_", "-"))
		}
	}
	return techniques, tactics
}

// readSearch reads a rule that is written in the search language.
func (d *draft) readSearch(n *yaml.Node) {
	r := d.rule
	r.Language = detect.Search
	if rest, ok := strings.CutPrefix(r.ID, "sigma/"); ok && get(d.doc.root, "id") == nil {
		r.ID = "search/" + rest
	}
	p, err := match.Parse(text(n))
	if err != nil {
		d.tell(failure, n.Line, "search: %v", err)
		return
	}
	r.Where = p
}

// finish makes the rule what the engine takes.
func (d *draft) finish() *detect.Rule {
	r := d.rule
	if r.Version != "" {
		return r
	}
	if d.where != nil {
		r.Where = d.where.predicate()
	}
	r.Version = d.hash()
	r.Own = d.own()
	return r
}

// print writes all that decides what a rule finds: rules that print the same find the same.
func (d *draft) print(w *strings.Builder) {
	switch {
	case d.corr != nil:
		d.corr.print(w, d.rule.Correlation)
	case d.where != nil:
		d.where.print(w)
	default:
		w.WriteString("search " + d.rule.Where.String())
	}
}

// hash is the rule's version. A correlation's holds those of its rules.
func (d *draft) hash() string {
	if d.version == "" {
		var w strings.Builder
		d.print(&w)
		sum := sha256.Sum256([]byte(w.String()))
		d.version = hex.EncodeToString(sum[:6])
	}
	return d.version
}

// own says whether a rule names the cluster that holds our own events.
func (d *draft) own() bool {
	if d.corr != nil {
		return slices.ContainsFunc(d.corr.rules, func(of *draft) bool { return of.finish().Own })
	}
	named := false
	d.rule.Where.Fold(func(l match.Leaf) match.Truth {
		named = named || l.Field() == "cluster" && slices.ContainsFunc(l.Exact(), func(s string) bool { return strings.EqualFold(s, "annals") })
		return match.Maybe
	})
	return named
}
