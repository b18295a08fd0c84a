package repeat

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

const line = `{"auditID":"12f3481f-a8ed-4b18-912a-60fe7da89ac9","uid":"12f3481f-a8ed-4b18-912a-60fe7da89ac9",` +
	`"uri":"/x?resourceVersion=1234","at":"2026-11-21T00:19:35.965773Z","of":"2026-11-21T00:19:35Z","v":{"resourceVersion":"999"},` +
	`"hash":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","day":"2026-13-45T00:00:00Z","kept":"abc 1234"}` + "\n"

func TestCopies(t *testing.T) {
	s, err := New([]byte(line))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := s.WriteTo(&out, 3, time.Hour); err != nil {
		t.Fatal(err)
	}
	copies := strings.SplitAfter(out.String(), "\n")
	if copies[0] != line {
		t.Errorf("copy 0 is not the source:\n%s", copies[0])
	}
	for k, want := range []string{
		1: `"uri":"/x?resourceVersion=1207","at":"2026-11-21T01:19:35.965773Z","of":"2026-11-21T01:19:35Z","v":{"resourceVersion":"972"}`,
		2: `"uri":"/x?resourceVersion=1180","at":"2026-11-21T02:19:35.965773Z","of":"2026-11-21T02:19:35Z","v":{"resourceVersion":"945"}`,
	} {
		if !strings.Contains(copies[k], want) {
			t.Errorf("copy %d is\n%swithout\n%s", k, copies[k], want)
		}
		if !strings.HasSuffix(copies[k], `"day":"2026-13-45T00:00:00Z","kept":"abc 1234"}`+"\n") {
			t.Errorf("copy %d changes what is no id, time or version:\n%s", k, copies[k])
		}
		if k > 0 && strings.Contains(copies[k], "e3b0c44298fc1c14") {
			t.Errorf("copy %d keeps a hash:\n%s", k, copies[k])
		}
	}
	ids := map[string]bool{}
	for _, c := range copies[:3] {
		id, uid := c[12:48], c[57:93]
		if id != uid {
			t.Errorf("an id is %s in one place and %s in another", id, uid)
		}
		ids[id] = true
	}
	if len(ids) != 3 {
		t.Errorf("three copies have %d audit IDs", len(ids))
	}
	var again bytes.Buffer
	if err := s.WriteTo(&again, 3, time.Hour); err != nil || !bytes.Equal(again.Bytes(), out.Bytes()) {
		t.Errorf("the same source gave other copies: %v", err)
	}
}

func TestTextWithoutEnd(t *testing.T) {
	if _, err := New([]byte("{}")); err == nil {
		t.Error("a line that is cut off was taken")
	}
}
