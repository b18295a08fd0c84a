package match

import (
	"bytes"
	"hash/fnv"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWords(t *testing.T) {
	const uuid = "99d809eb-6562-49d3-a758-e75e6f018e00"
	for _, tt := range []struct {
		text string
		want []string
	}{
		{"", nil},
		{" -/. ", nil},
		{"Foo_bar9 BAZ", []string{"foo_bar9", "baz"}},
		{"grüße-Ünder", []string{"grüße", "Ünder"}},
		{`{"a":"b c"}`, []string{"a", "b", "c"}},
		{`a\nb\\nc\\\\tnd`, []string{"a", "b", "c", "nd"}},
		{`{\"kind\":\"Pod\"}`, []string{"kind", "pod"}},
		{`{\\\"kind\\\":\\\"Pod\\\"}`, []string{"kind", "pod"}},
		{`a\u0026b\u003cc\\u003ed`, []string{"a", "b", "c", "d"}},
		{`\u0041b\u0063d`, []string{"abcd"}},
		{`x\\u0041b`, []string{"xab"}},
		{`gr\u00fc\u00dfe`, []string{"grüße"}},
		{`a\ud83d\ude00b`, []string{"a😀b"}},
		{`a\\ud83d\\ude00b`, []string{"a😀b"}},
		{`a\ud83dxb`, []string{"a\ufffdxb"}},
		{`a\u00zzb`, []string{"a", "u00zzb"}},
		{`C:\\Users\\x`, []string{"c", "users", "x"}},
		{`end\`, []string{"end"}},
		{`end\u`, []string{"end", "u"}},
		{uuid, []string{uuid}},
		{`"` + uuid + `"`, []string{uuid}},
		{"pvc-" + uuid + ".x", []string{"pvc", uuid, "x"}},
		{"99D809EB-6562-49d3-a758-e75e6f018e00", []string{uuid}},
		{"x" + uuid, []string{"x99d809eb", "6562", "49d3", "a758", "e75e6f018e00"}},
		{uuid + "x", []string{"99d809eb", "6562", "49d3", "a758", "e75e6f018e00x"}},
		{uuid + `\n`, []string{uuid}},
		{uuid + `\u0041`, []string{"99d809eb", "6562", "49d3", "a758", "e75e6f018e00a"}},
		{`\u0039` + uuid[1:], []string{uuid}},
		{uuid[:8] + `\u002d` + uuid[9:], []string{uuid}},
		{uuid[:35], []string{"99d809eb", "6562", "49d3", "a758", "e75e6f018e0"}},
	} {
		var want, got []uint32
		for _, w := range tt.want {
			want = append(want, HashWord([]byte(w)))
		}
		Words([]byte(tt.text), func(h uint32) { got = append(got, h) })
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("Words(%q), want those of %q: %s", tt.text, tt.want, d)
		}
	}
}

func TestHashWord(t *testing.T) {
	// On disk: these never change.
	for w, want := range map[string]uint32{"": 0x4fd0bfc1, "a": 0x296230c0, "Secrets": 0x996e4376, "secrets": 0x996e4376} {
		f := fnv.New64a()
		f.Write(bytes.ToLower([]byte(w)))
		if sum := f.Sum64(); uint32(sum>>32)^uint32(sum) != want {
			t.Errorf("the test's own figure for %q is wrong", w)
		}
		if got := HashWord([]byte(w)); got != want {
			t.Errorf("HashWord(%q) = %#x, want %#x", w, got, want)
		}
	}
}
