package cli

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"annals.dev/internal/query"
)

var fence = regexp.MustCompile("(?ms)^```(sql|refused)\n(.*?)^```$")

// Every statement of docs/sql.md gives an answer, or is refused where it says so; its columns are those of the view.
func TestSQLDocument(t *testing.T) {
	b, err := os.ReadFile("../../docs/sql.md")
	if err != nil {
		t.Fatal(err)
	}
	doc := string(b)
	var columns, want []string
	for _, row := range regexp.MustCompile("(?m)^\\| `(\\w+)` \\| ([A-Z\\[\\]]+) \\|").FindAllStringSubmatch(doc, -1) {
		columns = append(columns, row[1]+" "+row[2])
	}
	for _, c := range query.View {
		want = append(want, c.Name+" "+c.Type)
	}
	if d := cmp.Diff(want, columns); d != "" {
		t.Errorf("the columns of the view, and those of docs/sql.md:\n%s", d)
	}

	dir, env := sandbox(t)
	ask := func(statement string) (string, int) {
		return shell(t, dir, env, fmt.Sprintf("annals sql -o csv --cluster prod - <<'EOF' 2>&1\n%s\nEOF", statement))
	}
	answered, refused := 0, 0
	for _, m := range fence.FindAllStringSubmatch(doc, -1) {
		if m[1] == "sql" {
			answered++
			if out, code := ask(m[2]); code != exitDone || strings.Count(out, "\n") < 3 { // header, a row, what it covers
				t.Errorf("exit %d\n%s\n%s", code, m[2], out)
			}
			continue
		}
		for line := range strings.Lines(m[2]) {
			refused++
			if out, code := ask(line); code != exitUsage || !strings.Contains(out, "is refused") {
				t.Errorf("exit %d\n%s\n%s", code, line, out)
			}
		}
	}
	if answered < 5 || refused < 5 {
		t.Errorf("%d examples and %d refusals: the document is not read as it is written", answered, refused)
	}
}
