package audit

import "testing"

func TestText(t *testing.T) {
	for in, want := range map[string]string{
		"":                         "",
		"plain":                    "plain",
		"long and plain, é, 😀":     "long and plain, é, 😀",
		`\"\\\/\b\f\n\r\t`:         "\"\\/\b\f\n\r\t",
		`/a?b=1\u0026c\u003D2`:     "/a?b=1&c=2",
		`\u00e9\u2028\uFFFD\u0000`: "é\u2028\ufffd\x00",
		`\ud83d\ude00`:             "😀",
		`\ud83d`:                   "\ufffd",
		`\ude00\ud83d`:             "\ufffd\ufffd",
		`\ud83d\u0041`:             "\ufffdA",
		`\ud83dx\ude00`:            "\ufffdx\ufffd",
		"a\xffb\xe2\x80":           "a\ufffdb\ufffd\ufffd",
		`\`:                        "\ufffd",
		`a\q`:                      "a\ufffd",
		`\u12`:                     "\ufffd12",
		`\u12g4`:                   "\ufffd12g4",
		`12345678\n`:               "12345678\n",
		"12345678\xff":             "12345678\ufffd",
	} {
		if got := Text(in).String(); got != want {
			t.Errorf("%q decodes to %q, want %q", in, got, want)
		}
		checkText(t, Text(in))
	}
}
