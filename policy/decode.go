package policy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode"

	kjson "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"

	v1 "annals.dev/policy/internal/v1"
)

const (
	group   = "audit.k8s.io"
	version = "v1"
	// unversioned is what upstream takes a file for that has no apiVersion: its own internal form. It never accepts that.
	unversioned = "__internal"
	scheme      = "pkg/runtime/scheme.go:111" // part of upstream's text: the name its scheme happens to have
)

// kinds are those of the group; only Policy is one here.
var kinds = []string{"Policy", "PolicyList", "Event", "EventList"}

// file is a policy file, decoded.
type file struct {
	policy               v1.Policy
	group, version, kind string
	named                bool    // kind is given
	strict               []error // what lenient reading passes over
}

// decode reads a policy as kube-apiserver's serializer does: what starts with { is JSON, all else YAML 1.1 that is made
// JSON; kind and apiVersion are found whatever their case, all other fields only in their own.
func decode(b []byte, o *Options) (*file, error) {
	data, isJSON := b, bytes.HasPrefix(bytes.TrimLeftFunc(b, unicode.IsSpace), []byte("{"))
	if !isJSON {
		var err error
		if data, err = yaml.YAMLToJSON(b); err != nil {
			return nil, err
		}
	}
	f := new(file)
	if err := f.identify(data, b); err != nil {
		return nil, err
	}
	if f.version == unversioned {
		return f, nil
	}
	if !isJSON {
		if _, err := yaml.YAMLToJSONStrict(b); err != nil {
			f.strict = append(f.strict, err)
		}
	}
	more, err := kjson.UnmarshalStrict(data, &f.policy)
	if err != nil && !o.Upstream {
		err = place(err, data, b)
	}
	if err != nil {
		return nil, err
	}
	f.strict = append(f.strict, more...)
	if !o.since(23) {
		f.dropManagedFields()
	}
	return f, nil
}

// identify finds out what the file says it is.
func (f *file) identify(data, b []byte) error {
	found := struct {
		APIVersion string `json:"apiVersion,omitempty"`
		Kind       string `json:"kind,omitempty"`
	}{}
	if err := json.Unmarshal(data, &found); err != nil {
		return fmt.Errorf("couldn't get version/kind; json parse error: %w", err)
	}
	if f.kind, f.named = found.Kind, found.Kind != ""; !f.named {
		f.kind = "Policy"
	}
	gv := found.APIVersion
	if gv == "/" {
		gv = ""
	}
	var slash bool
	if f.group, f.version, slash = strings.Cut(gv, "/"); !slash {
		f.group, f.version = "", gv
	}
	switch {
	case strings.Contains(f.version, "/"):
		return fmt.Errorf("unexpected GroupVersion string: %v", gv)
	case f.version == "" && (f.group == "" || f.group == group):
		f.group, f.version = group, unversioned
	case f.version == "":
		return fmt.Errorf("Object 'apiVersion' is missing in '%s'", b) //nolint:staticcheck // upstream's text
	}
	known := f.group == group && slices.Contains(kinds, f.kind)
	switch {
	case known && f.kind == "Policy" && (f.version == version || f.version == unversioned):
		return nil
	case known && f.version == version:
		return fmt.Errorf("converting (v1.%s) to (audit.Policy): unknown conversion", f.kind)
	case known && f.version == unversioned:
		return fmt.Errorf("converting (audit.%s) to (audit.Policy): unknown conversion", f.kind)
	case f.version == unversioned:
		return fmt.Errorf("no kind %q is registered for the internal version of group %q in scheme %q", f.kind, f.group, scheme)
	}
	at := f.version
	if f.group != "" {
		at = f.group + "/" + at
	}
	return fmt.Errorf("no kind %q is registered for version %q in scheme %q", f.kind, at, scheme)
}

// unknownField is the path of a field that the version to be compatible with does not know.
type unknownField string

func (f unknownField) Error() string     { return fmt.Sprintf("unknown field %q", string(f)) }
func (f unknownField) FieldPath() string { return string(f) }

// dropManagedFields treats the field as Kubernetes before 1.23 does: it does not know it.
func (f *file) dropManagedFields() {
	if f.policy.OmitManagedFields {
		f.strict = append(f.strict, unknownField("omitManagedFields"))
		f.policy.OmitManagedFields = false
	}
	for i := range f.policy.Rules {
		if r := &f.policy.Rules[i]; r.OmitManagedFields != nil {
			f.strict = append(f.strict, unknownField(fmt.Sprintf("rules[%d].omitManagedFields", i)))
			r.OmitManagedFields = nil
		}
	}
}

func strictText(errs []error) string {
	texts := make([]string, len(errs))
	for i, err := range errs {
		texts[i] = err.Error()
	}
	return "strict decoding error: " + strings.Join(texts, ", ")
}
