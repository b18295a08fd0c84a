package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
)

// place adds to the error of a value of the wrong type where that stands, and what was surely meant. data is the JSON that
// was made of the file b.
func place(err error, data, b []byte) error {
	var wrong *json.UnmarshalTypeError
	if !errors.As(err, &wrong) || wrong.Type == nil {
		return err
	}
	root, _ := documents(b)
	if n := find(root, pathAt(data, wrong.Offset), true); n != nil {
		err = fmt.Errorf("%w at line %d, column %d", err, n.Line, n.Column)
	}
	switch {
	case wrong.Value == "bool" && wrong.Type.Kind() == reflect.String:
		err = fmt.Errorf("%w (on, off, yes, no, true and false are not text: put it in quotes)", err)
	case wrong.Type.Kind() == reflect.String:
		err = fmt.Errorf("%w (put it in quotes)", err)
	case wrong.Value == "string" && wrong.Type.Kind() == reflect.Slice:
		err = fmt.Errorf("%w (write a list: [x])", err)
	}
	return err
}

// pathAt is the path of the value that a JSON text has at an offset, such as rules[0].users[1].
func pathAt(data []byte, offset int64) string {
	type level struct {
		path string
		next int    // index in an array
		key  string // in an object, "" where a key is due
		list bool
	}
	var stack []level
	d := json.NewDecoder(bytes.NewReader(data))
	for {
		token, err := d.Token()
		if err != nil {
			return ""
		}
		delim, _ := token.(json.Delim)
		if delim == '}' || delim == ']' {
			stack = stack[:len(stack)-1]
			continue
		}
		path := ""
		if n := len(stack); n > 0 {
			at := &stack[n-1]
			if key, ok := token.(string); ok && !at.list && at.key == "" {
				at.key = "." + key
				continue
			}
			if path = at.path + at.key; at.list {
				path = fmt.Sprintf("%s[%d]", at.path, at.next)
			}
			at.key, at.next = "", at.next+1
		}
		if d.InputOffset() >= offset {
			if len(path) > 0 && path[0] == '.' {
				path = path[1:]
			}
			return path
		}
		if delim != 0 {
			stack = append(stack, level{path: path, list: delim == '['})
		}
	}
}
