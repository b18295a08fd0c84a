package server

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"annals.dev/internal/access"
	"annals.dev/internal/source"
)

var shellBlock = regexp.MustCompile("(?s)```sh\n(.*?)```")

// Every line of docs/api.md that asks something is asked of a real server.
func TestLinesOfTheDocument(t *testing.T) {
	for _, tool := range []string{"curl", "jq", "unzip", "timeout"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("the lines of docs/api.md need %s: %v", tool, err)
		}
	}
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "api.md"))
	if err != nil {
		t.Fatal(err)
	}
	dir := newDir(t)
	at, _ := start(t, Config{Dir: dir, HTTP: "127.0.0.1:0"})
	client, err := Connect(t.Context(), dir, quiet)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	var log strings.Builder
	for n := range 50 {
		log.WriteString(eventText(n, []string{"get", "delete", "create"}[n%3]) + "\n")
	}
	log.WriteString(strings.ReplaceAll(strings.ReplaceAll(eventText(90, "delete"), `"jane"`, `"system:admin"`), `"code":201`, `"code":200`) + "\n")
	if _, err := client.Import(t.Context(), ImportQuestion{Cluster: "prod"}, strings.NewReader(log.String()), func(source.Progress) {}); err != nil {
		t.Fatal(err)
	}
	token, err := client.CreateToken(t.Context(), TokenQuestion{Role: access.Auditor, Bodies: true, Name: "me"})
	if err != nil {
		t.Fatal(err)
	}

	var script strings.Builder
	var lines []string
	for _, block := range shellBlock.FindAllStringSubmatch(string(text), -1) {
		for _, line := range strings.Split(strings.TrimSpace(block[1]), "\n") {
			if strings.HasPrefix(line, "ANNALS=") || strings.HasPrefix(line, "TOKEN=") {
				continue // they are this test's
			}
			fmt.Fprintf(&script, "%s\necho; echo \"line %d: $?\"\n", line, len(lines))
			lines = append(lines, line)
		}
	}
	cmd := exec.CommandContext(t.Context(), "sh", "-c", script.String())
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), "ANNALS=http://"+at.HTTP, "TOKEN="+token.Text)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	rest := string(out)
	for i, line := range lines {
		mark := fmt.Sprintf("\nline %d: ", i)
		said, after, found := strings.Cut("\n"+rest, mark)
		status, next, _ := strings.Cut(after, "\n")
		rest = next
		silent := strings.Contains(line, " -o ") || strings.Contains(line, " > ") || strings.HasPrefix(line, "LAST=") || strings.HasPrefix(line, "FINDING=")
		if !found || status != "0" || strings.Contains(said, `"error"`) || strings.Contains(said, "null") || (strings.TrimSpace(said) == "") != silent {
			t.Errorf("%s\nexit %s:\n%s", line, status, said)
		}
	}
	csv, err := os.ReadFile(filepath.Join(cmd.Dir, "secrets.csv"))
	if err != nil || strings.Count(string(csv), "\n") != 52 {
		t.Errorf("the CSV file: %v\n%s", err, csv)
	}
	if len(lines) < 12 {
		t.Errorf("%d lines", len(lines))
	}
}
