package server

import (
	"context"
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"annals.dev/internal/access"
	"annals.dev/internal/ledger"
)

// Wrong tokens are on record wherever they are tried, also where questions leave no event; but of what strangers send nothing
// is kept: they do not decide what the ledger holds.
func TestRefusalsAreOnRecord(t *testing.T) {
	s := newSite(t)
	for _, path := range []string{"me", "fields", "openapi.json", "", "events", "tokens/create", "nowhere"} {
		r := httptest.NewRequest("POST", "http://localhost/api/v1/"+path, strings.NewReader(`{"query":"planted"}`))
		r.Header.Set("Authorization", "Bearer "+access.TokenPrefix+strings.Repeat("b", 52))
		before := len(recordedEvents(t, s.core))
		w := httptest.NewRecorder()
		s.h.ServeHTTP(w, r)
		all := recordedEvents(t, s.core)
		if w.Code != 401 || len(all) != before+1 {
			t.Errorf("%s: %d, and %d events more", path, w.Code, len(all)-before)
			continue
		}
		e := all[len(all)-1]
		if e.ResponseStatus == nil || e.ResponseStatus.Code != 401 || e.RequestObject != nil {
			t.Errorf("%s: the event is %+v", path, e)
		}
	}
}

// The largest numbers are numbers: they overflow nowhere.
func TestLargestNumbers(t *testing.T) {
	s := newSite(t)
	for _, path := range []string{
		"events?limit=9223372036854775807", "events?limit=9223372036854775807&order=oldest&detail=whole", "tail?limit=10000",
		"hits?rows=true&since=0000-01-01T00:00:00Z&until=9999-12-31T23:59:59Z", "hits?rows=true&since=1500-01-01T00:00:00Z",
		"hits?buckets=9223372036854775807&top=9223372036854775807&by=user", "sessions?limit=9223372036854775807", "ask?name=deletions&limit=9223372036854775807",
	} {
		r := request("GET", api+path, "", "Authorization", "Bearer "+s.tokens["reader"])
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		w := s.do(r.WithContext(ctx))
		cancel()
		if w.Code != 200 || strings.Contains(w.Body.String(), `{"error":`) && !strings.HasPrefix(path, "tail") {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	w := s.do(request("GET", api+"hits?rows=true&since=1500-01-01T00:00:00Z", "", "Authorization", "Bearer "+s.tokens["reader"]))
	var line struct{ Item HitRow }
	if err := json.NewDecoder(w.Body).Decode(&line); err != nil || line.Item.Time.Year() < 1900 || line.Item.Time.Year() > 2100 {
		t.Errorf("the bucket of events of our time begins at %v, %v", line.Item.Time, err)
	}
}

// What a verification found tells of numbers and other clusters: a reader with a scope learns that something is wrong, no more.
func TestVerdictInScope(t *testing.T) {
	s := newSite(t)
	s.core.judged.put(&ledger.Report{
		Findings: []ledger.Finding{{Kind: ledger.Missing, Cluster: "prod", What: "a signed note says that there were 4711 events"}},
		Clusters: []ledger.VerifiedRange{{Cluster: "prod"}},
	}, time.Now())
	for role, told := range map[string]bool{"reader": true, "scoped": false} {
		for _, path := range []string{"ledger", "overview", "event?cluster=prod&position=3"} {
			w := s.do(request("GET", api+path, "", "Authorization", "Bearer "+s.tokens[role]))
			if text := w.Body.String(); w.Code != 200 || strings.Contains(text, "4711") != told || !told && !strings.Contains(text, "not ok") {
				t.Errorf("%s %s: %d %s", role, path, w.Code, text)
			}
		}
	}
}

// An end too long to look at, such as an object's whole history, is an end: the answer was not cut off.
func TestLongEndIsWhole(t *testing.T) {
	end := `{"end":{"x":"` + strings.Repeat("x", 3<<20) + `"}}` + "\n"
	for cut, want := range map[int]bool{len(end): true, len(end) - 2: false} {
		for _, pieces := range [][]string{{end[:cut]}, {end[:2], end[2:cut]}} {
			a := &account{ResponseWriter: httptest.NewRecorder()}
			for _, s := range pieces {
				if _, err := a.Write([]byte(s)); err != nil {
					t.Fatal(err)
				}
			}
			if a.long != want {
				t.Errorf("%d of %d bytes in %d pieces: whole %v", cut, len(end), len(pieces), a.long)
			}
		}
	}
}

// Nobody hides a question from the record behind spaces or other members.
func TestPaddedQuestionIsOnRecord(t *testing.T) {
	s := newSite(t)
	for _, body := range []string{
		strings.Repeat(" ", 500_000) + `{"query":"name:s3","archive":"none"}`,
		`{"clusters":[` + strings.Repeat(`"prod",`, 50_000) + `"prod"],"archive":"none","query":"name:s3"}`,
	} {
		if w := s.post("reader", "export", body); w.Code != 200 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		if e := lastRecorded(t, s.core); !strings.Contains(e.Annotations[noteQuestion], `"query":"name:s3"`) {
			t.Errorf("the record of an export holds %d bytes of its question: %.80q", len(e.Annotations[noteQuestion]), e.Annotations[noteQuestion])
		}
	}
}
