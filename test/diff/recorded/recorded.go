// Package recorded reads requests back out of recorded events.
//
// Start with Read.
package recorded

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"

	"annals.dev/audit"
)

// Read reads the events of logs of JSON lines, which may be packed by gzip.
func Read(pattern string) (events []*audit.Event, err error) {
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		return nil, errors.Join(fmt.Errorf("no file is %s", pattern), err)
	}
	for _, file := range files {
		if events, err = read(events, file); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
	}
	return events, nil
}

func read(events []*audit.Event, file string) ([]*audit.Event, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var r io.Reader = f
	if strings.HasSuffix(file, ".gz") {
		if r, err = gzip.NewReader(f); err != nil {
			return nil, err
		}
	}
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadBytes('\n')
		if line = bytes.TrimSpace(line); len(line) > 0 {
			e := &audit.Event{}
			if err := e.UnmarshalJSON(line); err != nil {
				return nil, err
			}
			events = append(events, e)
		}
		if err == io.EOF {
			return events, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// Attributes are what upstream's policy sees of the request that made an event.
func Attributes(e *audit.Event) *authorizer.AttributesRecord {
	a := &authorizer.AttributesRecord{Verb: e.Verb}
	if e.User.Username != "" {
		a.User = &user.DefaultInfo{Name: e.User.Username, UID: e.User.UID, Groups: e.User.Groups, Extra: e.User.Extra}
	}
	a.Path, _, _ = strings.Cut(e.RequestURI, "?")
	if r := e.ObjectRef; r != nil {
		a.ResourceRequest = true
		a.APIGroup, a.APIVersion, a.Resource, a.Subresource, a.Namespace, a.Name = r.APIGroup, r.APIVersion, r.Resource, r.Subresource, r.Namespace, r.Name
	}
	return a
}
