package falco

import (
	"strings"
	"testing"
)

// TestGrammar goes through each production of Falco's grammar, with what is taken and what is refused.
func TestGrammar(t *testing.T) {
	for _, tt := range []struct {
		production string
		taken      []string
		refused    []string
	}{
		{"Expr", []string{"m", "  m", "(m)", "((m))"}, []string{"", "  ", "()", "(m", "m)", "m n", "# m", "m; n"}},
		{"OrExpr", []string{"m or n", "m or n or o", "m or(n)", "(m)or(n)", "(m)or n", "m\nor\tn", "m or not_n", "m or notn"},
			[]string{"m or", "or m", "m orn", "mor n", "m or or n", "m ornot n", "m OR n"}},
		{"AndExpr", []string{"m and n", "m and n and o", "m and(n)", "(m)and(n)", "m and and_n"},
			[]string{"m and", "and m", "m andn", "mand n", "m and or n", "m andnot n", "(m)andnot(n)"}},
		{"NotExpr", []string{"not m", "not(m)", "not (m)", "not not m", "not not(m)", "not(not(m))", "not\nm", "not a.b=1", "notm"},
			[]string{"m not", "m not n", "not("}},
		{"Check", []string{"a.b = 1 and m", "(a.b exists)", "m1_x", "a.b exists"}, []string{"1m", "(a.b) exists", "a.b", "m > 12", "_m"}},
		{"UnaryOperator", []string{"a.b exists", "a.b exists and m", "a.b existsand m"}, []string{"a.b EXISTS", "a.b exists x"}},
		{"NumOperator", []string{"a.b < 1", "a.b <1", "a.b<=1", "a.b > +1", "a.b >= -1.5", "a.b > 0x1F", "a.b < -0.5e+10", "a.b > val(c.d)"},
			[]string{"a.b <", "a.b < x", "a.b < 1x", "a.b > 0xAG.1", "a.b <= (1)", "a.b >> 1"}},
		{"StrOperator", []string{"a.b = x", "a.b =x", "a.b==x", "a.b != x", "a.b glob x*", "a.b iglob x", "a.b contains x", "a.b icontains 'x'",
			"a.b bcontains 48", "a.b startswith x", "a.b bstartswith 12", "a.b endswith x", "a.b regex x", "a.b contains\nx", "a.b = not"},
			[]string{"a.b === x", "a.b !== x", "a.b =", "a.b containsx", "a.b startswithx", "a.b globx", "a.b regexx", "a.b = (x)", "a.b like x", "a.b contains (x)"}},
		{"StrOperatorModifier", []string{"a.b = oneof (x, y)", "a.b contains anyof (x)", "a.b startswith allof ()", "a.b != anyof (x,y)"},
			[]string{"a.b = oneof x, y", "a.b = oneof (x", "a.b > oneof (1)", "a.b in anyof (x)"}},
		{"ListOperator", []string{"a.b in (x)", "a.b in(x)", "a.b in ()", "a.b intersects (x, 'y z')", "a.b pmatch (/a, /b)", "a.b in l", "a.b in val(c.d)", "a.b in tolower(c.d)"},
			[]string{"a.b in", "a.b in (", "a.b in )", "a.b in (x,)", "a.b in (x,,y)", "a.b in (,)", "a.b in (x y)", "a.b in 'x'"}},
		{"Field", []string{"a.b.c = 1", "a1.b_2 = 1", "a.b[0] = 1", "a.b[x/y] = 1", "a.b['x y'] = 1", `a.b["x\"y"] = 1`, "a.b[/x/0/y] exists", "a.b[+0.2e+1] = 1"},
			[]string{"a.1 = 1", ".b = 1", "a. = 1", "a.b[] = 1", "a.b[ = 1", "a.b[ x ] = 1", "a.b[[] = 1", "a.b] = 1", "a.b [1] = 1", `a.b[x"] = 1`}},
		{"FieldTransformer", []string{"tolower(a.b) = x", "toupper( a.b ) exists", "b64(b64(a.b)) contains x", "basename(a.b)= x", "len(a.b) > 1",
			`join("-", (a.b, c.d)) = x`, `join(",", ()) = x`, `concat(a.b, ":", c.d) = x`, `concat(a.b, 1) = x`, `getopt(a.b, "nt:")[t] = x`, `getopt(("-n", "x"), "n") intersects (n)`},
			[]string{"tolower (a.b) = x", "nosuch(a.b) = x", "tolower(a.b = x", "tolower(a.b)) = x", "tolower(m) = x", "val(a.b) = x", "tolower(val(a.b)) = x", "tolower(a.b [1]) = x", "tolower(a.b,) = x", "len(a.b c.d) = 1"}},
		{"FieldTransformerOrVal", []string{"a.b = val(c.d)", "a.b = val( c.d[1] )", "a.b != tolower(c.d)", "a.b contains toupper(c.d)", "a.b intersects val(c.d)"},
			[]string{"a.b = val(x)", "a.b = val(c.d", "a.b = val(tolower(c.d))", "a.b = val()"}},
		{"QuotedStr", []string{`a.b = ""`, `a.b = ''`, `a.b = "x y"`, `a.b = "it's"`, `a.b = 'a "b"'`, `a.b = "a \" b"`, `a.b = 'a \' b'`, `a.b = "\\ \/ \b\f\n\r\t"`, `a.b = "(x), =y"`},
			[]string{`a.b = "`, `a.b = '`, `a.b = "x'`, `a.b = "x""`, `a.b = "\d"`, `a.b = "\'"`, `a.b = '\"'`, `a.b = x"`}},
		{"BareStr", []string{`a.b = 0a!@#45:/\.;$%^&*[]{}|`, "a.b = *.log", "a.b = a.a", "a.b = not"}, []string{"a.b = a,", "a.b = a=", "a.b = a(b)", "a.b = x y"}},
	} {
		for _, in := range tt.taken {
			if _, err := parse(in); err != nil {
				t.Errorf("%s: %q: %v", tt.production, in, err)
			}
		}
		for _, in := range tt.refused {
			if e, err := parse(in); err == nil {
				t.Errorf("%s: %q is taken, as %#v", tt.production, in, e)
			}
		}
	}
}

// TestPrecedence writes conditions with all their parentheses.
func TestPrecedence(t *testing.T) {
	for in, want := range map[string]string{
		"a or b and c":             "or(a, and(b, c))",
		"a and b or c and d":       "or(and(a, b), and(c, d))",
		"(a or b) and c":           "and(or(a, b), c)",
		"not a and b":              "and(not(a), b)",
		"not (a and b)":            "not(and(a, b))",
		"not not a":                "a",
		"not not not a":            "not(a)",
		"not not(a)":               "a",
		"a and b and c":            "and(a, b, c)",
		"not x.y = 1 or z":         "or(not(x.y = 1), z)",
		"x.y == 1":                 "x.y = 1",
		`x.y in (b, "c d", 'e')`:   `x.y in (b, "c d", e)`,
		`x.y[a/b] startswith "x"`:  "x.y[a/b] startswith x",
		`x.y = val(p.q[1])`:        "x.y = p.q[1]",
		`join( "-" , (x.y,a.b))=1`: `join("-", (x.y, a.b)) = 1`,
		`x.y = allof (a, b)`:       "x.y = allof (a, b)",
		`getopt(x.y, "n:")[n] = 1`: `getopt(x.y, "n:")[n] = 1`,
		`x.y = "a\tb\"c\\d e\/f"`:  `x.y = "a\tb\"c\\d e/f"`,
	} {
		e, err := parse(in)
		if err != nil {
			t.Errorf("%s: %v", in, err)
		} else if got := show1(e); got != want {
			t.Errorf("%s\nis  %s\nnot %s", in, got, want)
		}
	}
}

func show1(e expr) string {
	var kids []expr
	name := ""
	switch e := e.(type) {
	case *ident:
		return e.name
	case *check:
		return e.String()
	case *or:
		name, kids = "or", e.kids
	case *and:
		name, kids = "and", e.kids
	case *not:
		name, kids = "not", []expr{e.kid}
	}
	var all []string
	for _, k := range kids {
		all = append(all, show1(k))
	}
	return name + "(" + strings.Join(all, ", ") + ")"
}

func TestDepth(t *testing.T) {
	for name, in := range map[string]func(int) string{
		"parentheses":  func(n int) string { return strings.Repeat("(", n) + "m" + strings.Repeat(")", n) },
		"not":          func(n int) string { return strings.Repeat("not(", n) + "m" + strings.Repeat(")", n) },
		"transformers": func(n int) string { return strings.Repeat("tolower(", n) + "a.b" + strings.Repeat(")", n) + " exists" },
	} {
		if _, err := parse(in(maxDepth)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := parse(in(maxDepth + 1)); err == nil {
			t.Errorf("%s: no limit", name)
		}
		if _, err := parse(in(1000000)); err == nil {
			t.Errorf("%s: no limit", name)
		}
	}
}

func TestErrorsSayWhere(t *testing.T) {
	_, err := parse("ka.verb = get and\n  ka.uri like x")
	if want := `expected an operator at character 28, before "like x"`; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}
