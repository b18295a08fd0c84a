package server

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A question is a JSON object in the body of a POST, or the same members as the parameters of a GET: lists by repeating them,
// times in RFC 3339, the values of a map as NAME.KEY.

// maxQuestion is how many bytes a question may have.
const maxQuestion = 1 << 20

// readQuestion reads what a request asks into q, a pointer to a struct. The errors are Usage.
func readQuestion(w http.ResponseWriter, r *http.Request, q any) error {
	if r.Method != http.MethodPost {
		values, err := url.ParseQuery(r.URL.RawQuery)
		if err != nil {
			return &Error{Usage, fmt.Sprintf("the parameters cannot be read: %v", err)}
		}
		return fromParameters(values, reflect.ValueOf(q).Elem())
	}
	if r.URL.RawQuery != "" {
		return &Error{Usage, "a POST has its question in its body, and no parameters: send one or the other"}
	}
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxQuestion))
	d.DisallowUnknownFields()
	err := d.Decode(q)
	if err == nil {
		// To the end, so that the server notices when whoever asks goes away.
		if _, err = d.Token(); errors.Is(err, io.EOF) {
			return nil
		} else if err == nil {
			err = errors.New("something stands behind the JSON object")
		}
	}
	if errors.Is(err, io.EOF) {
		err = errors.New("the body is empty; an empty question is {}")
	}
	message := err.Error()
	if name, ok := strings.CutPrefix(message, "json: unknown field "); ok {
		name = strings.Trim(name, `"`)
		message = unknown("member", name, slices.Collect(parametersOf(reflect.TypeOf(q).Elem())))
	}
	return &Error{Usage, fmt.Sprintf("the question cannot be read: %s", message)}
}

// unknown says that there is no such name, what there is, and what was surely meant.
func unknown(what, name string, known []string) string {
	slices.Sort(known)
	s := fmt.Sprintf("there is no %s %.100q", what, name)
	if meant := nearest(name, known); meant != "" {
		s += fmt.Sprintf(" (did you mean %s?)", meant)
	}
	if len(known) == 0 {
		return s + "; there are none"
	}
	return s + "; there are: " + strings.Join(known, ", ")
}

// parametersOf are the names of the parameters that a question has.
func parametersOf(t reflect.Type) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for _, f := range reflect.VisibleFields(t) {
			if name := memberName(f); name != "" && !yield(name) {
				return
			}
		}
	}
}

// memberName is what JSON calls a field; "" for those that it does not show, and for embedded ones, whose own fields it shows.
func memberName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	if f.Anonymous || !f.IsExported() || name == "-" {
		return ""
	}
	if name == "" {
		return f.Name
	}
	return name
}

func fromParameters(values url.Values, q reflect.Value) error {
	fields := map[string]reflect.StructField{}
	for _, f := range reflect.VisibleFields(q.Type()) {
		if name := memberName(f); name != "" {
			fields[name] = f
		}
	}
	for _, name := range slices.Sorted(func(yield func(string) bool) {
		for name := range values {
			if !yield(name) {
				return
			}
		}
	}) {
		given := values[name]
		base, key, isKey := strings.Cut(name, ".")
		f, ok := fields[base]
		if !ok || isKey != (f.Type.Kind() == reflect.Map) {
			known := slices.Collect(parametersOf(q.Type()))
			for i, n := range known {
				if fields[n].Type.Kind() == reflect.Map {
					known[i] += ".NAME"
				}
			}
			return &Error{Usage, unknown("parameter", name, known)}
		}
		into := q.FieldByIndex(f.Index)
		switch {
		case isKey:
			if into.IsNil() {
				into.Set(reflect.MakeMap(f.Type))
			}
			into.SetMapIndex(reflect.ValueOf(key), reflect.ValueOf(given[len(given)-1]))
		case f.Type.Kind() == reflect.Slice && f.Type.Elem().Kind() != reflect.Uint8:
			list := reflect.MakeSlice(f.Type, len(given), len(given))
			for i, s := range given {
				if err := parameter(s, list.Index(i)); err != nil {
					return &Error{Usage, fmt.Sprintf("parameter %s: %v", name, err)}
				}
			}
			into.Set(list)
		case len(given) > 1:
			return &Error{Usage, fmt.Sprintf("parameter %s is given %d times, and can be given once", name, len(given))}
		default:
			if err := parameter(given[0], into); err != nil {
				return &Error{Usage, fmt.Sprintf("parameter %s: %v", name, err)}
			}
		}
	}
	return nil
}

// parameter reads one value.
func parameter(s string, into reflect.Value) error {
	if into.Type() == timeType {
		t, err := time.Parse(time.RFC3339Nano, s)
		if err != nil {
			hint := ""
			if strings.Contains(s, " ") {
				hint = "; a + is written %2B in a parameter"
			}
			return fmt.Errorf("%.60q is not a time such as 2026-11-21T08:00:00Z%s", s, hint)
		}
		into.Set(reflect.ValueOf(t))
		return nil
	}
	var err error
	switch into.Kind() {
	case reflect.Pointer:
		into.Set(reflect.New(into.Type().Elem()))
		return parameter(s, into.Elem())
	case reflect.String:
		into.SetString(s)
	case reflect.Bool:
		var b bool
		if b, err = strconv.ParseBool(s); err != nil {
			return fmt.Errorf("%.60q is neither true nor false", s)
		}
		into.SetBool(b)
	case reflect.Int, reflect.Int64:
		var n int64
		if n, err = strconv.ParseInt(s, 10, 64); err != nil {
			return fmt.Errorf("%.60q is not a whole number", s)
		}
		into.SetInt(n)
	case reflect.Uint64:
		var n uint64
		if n, err = strconv.ParseUint(s, 10, 64); err != nil {
			return fmt.Errorf("%.60q is not a whole number from 0 on", s)
		}
		into.SetUint(n)
	case reflect.Float64:
		var x float64
		if x, err = strconv.ParseFloat(s, 64); err != nil {
			return fmt.Errorf("%.60q is not a number", s)
		}
		into.SetFloat(x)
	case reflect.Slice:
		var b []byte
		if b, err = base64.StdEncoding.DecodeString(s); err != nil {
			return errors.New("it is not base64")
		}
		into.SetBytes(b)
	default:
		return errors.New("it can be given in a POST only")
	}
	return nil
}

var timeType = reflect.TypeFor[time.Time]()
