package sigma

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"annals.dev/internal/detect"
)

// TestDocs reads every example of docs/sigma.md.
func TestDocs(t *testing.T) {
	data, err := os.ReadFile("../../../docs/sigma.md")
	if err != nil {
		t.Fatal(err)
	}
	doc := string(data)
	var rules, problems, rows int
	var files []detect.File
	for _, m := range regexp.MustCompile("(?s)```(sigma|problem)\n(.*?)```").FindAllStringSubmatch(doc, -1) {
		if m[1] == "sigma" {
			files = append(files, detect.File{Name: "docs/sigma.md", Data: []byte(m[2])})
			continue
		}
		problems++
		at := strings.LastIndex(strings.TrimSpace(m[2]), "\n") + 1
		kind, message, _ := strings.Cut(strings.TrimSpace(m[2][at:]), ": ")
		_, got := parseText("title: t\nlogsource: {product: kubernetes, service: audit}\n"+m[2][:at], nil)
		if len(got) == 0 || got[0].Kind != kind || !strings.HasPrefix(got[0].Message, message) {
			t.Errorf("%s\n%s", m[2], show(got))
		}
	}
	read, got := Parse(files, Options{})
	for _, p := range got {
		t.Errorf("%+v", p)
	}
	rules = len(read)
	// Tables whose head is selection or condition hold examples.
	head := ""
	cell := regexp.MustCompile("`((?:[^`])+)`")
	for line := range strings.Lines(doc) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "|") {
			head = ""
			continue
		}
		first := strings.TrimSpace(strings.Split(strings.ReplaceAll(line, `\|`, "\x00"), "|")[1])
		if head == "" {
			head = first
			continue
		}
		for _, m := range cell.FindAllStringSubmatch(first, -1) {
			example := strings.ReplaceAll(m[1], "\x00", "|")
			text := ""
			switch head {
			case "selection":
				text = ruleText(example)
			case "condition":
				text = "title: t\nlogsource: {product: kubernetes, service: audit}\ndetection:\n  selection: {verb: get}\n  sel_b: {ns: a}\n  other: {code: 5}\n  filter: {name: x}\n" +
					"  condition: " + example + "\n"
			default:
				continue
			}
			rows++
			used, got := parseText(text, map[string][]string{"approved": {"10.0.0.0/8"}, "team": {"dev-*", "qa"}})
			if len(used) != 1 || len(got) > 0 {
				t.Errorf("%s: %d rules\n%s", example, len(used), show(got))
			}
		}
	}
	if rules != 9 || problems < 7 || rows < 35 {
		t.Errorf("%d rules, %d problems and %d rows were read: are the examples still found?", rules, problems, rows)
	}
}
