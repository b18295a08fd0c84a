// Gen cuts the demo's story from a folder of recorded events: some minutes of an ordinary cluster, then an intrusion,
// attack by attack, with everything else that happened at those moments. One event is cut short, as a container runtime
// cuts a line at 16 KiB.
//
//	go run ./internal/cli/demodata/gen CORPUS internal/cli/demodata/story.log.gz
package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// ordinary is how many events of everyday activity stand before the intrusion.
const ordinary = 20_000

// cutAt is where the long event is cut: what a container runtime passes on of one line.
const cutAt = 16 << 10

// attacks are the windows that the intrusion is made of; of the erased traces only the attacker's own events, which are
// a tenth of the window.
var attacks = []string{
	"window-anonymous-probe", "window-token-bruteforce", "window-secrets-list-all", "window-privileged-pod",
	"window-hostpath-pod", "window-crb-cluster-admin", "window-exec-prod", "window-token-request", "window-impersonation",
	"window-ephemeral-container", "window-coredns-tamper", "window-csr-approve", "window-nodes-proxy",
	"attack-delete-events", "window-delete-many-pods", "window-psa-label-removed",
}

type line struct {
	time string // as it stands in the event: the recordings are all written by one server, so it sorts as text
	text []byte
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "use: gen CORPUS OUTPUT")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func run(corpus, output string) error {
	story, err := read(filepath.Join(corpus, "normal-metadata.log.gz"), ordinary)
	if err != nil {
		return err
	}
	for _, name := range attacks {
		more, err := read(filepath.Join(corpus, "attacks", name+".a2.log.gz"), -1)
		if err != nil {
			return err
		}
		story = append(story, more...)
	}
	slices.SortStableFunc(story, func(a, b line) int { return strings.Compare(a.time, b.time) })
	seen := map[string]bool{} // windows overlap
	story = slices.DeleteFunc(story, func(l line) bool {
		again := seen[string(l.text)]
		seen[string(l.text)] = true
		return again
	})
	if err := cutOne(story); err != nil {
		return err
	}
	var packed bytes.Buffer
	zw, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		return err
	}
	for _, l := range story {
		if _, err := zw.Write(append(l.text, '\n')); err != nil {
			return err
		}
	}
	if err := zw.Close(); err != nil {
		return err
	}
	fmt.Printf("%d events, %d bytes packed\n", len(story), packed.Len())
	return os.WriteFile(output, packed.Bytes(), 0o644)
}

// cutOne cuts the answer to the list of every secret: the event that an intruder would most like to be unreadable.
func cutOne(story []line) error {
	for i, l := range story {
		if len(l.text) > cutAt && bytes.Contains(l.text, []byte(`"requestURI":"/api/v1/secrets`)) {
			story[i].text = l.text[:cutAt]
			return nil
		}
	}
	return errors.New("no event is long enough to be cut")
}

// read takes the first n lines of a packed log, all if n is negative.
func read(path string, n int) ([]line, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	zr, err := gzip.NewReader(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	var lines []line
	r := bufio.NewReader(zr)
	for n < 0 || len(lines) < n {
		text, err := r.ReadBytes('\n')
		if err == io.EOF && len(text) == 0 {
			break
		}
		if err != nil && err != io.EOF {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		text = bytes.TrimSuffix(text, []byte("\n"))
		_, after, ok := bytes.Cut(text, []byte(`"stageTimestamp":"`))
		if !ok || len(after) < len("2006-01-02T15:04:05.000000Z") {
			return nil, fmt.Errorf("%s: line %d has no stageTimestamp", path, len(lines)+1)
		}
		lines = append(lines, line{string(after[:len("2006-01-02T15:04:05.000000Z")]), text})
	}
	return lines, nil
}
