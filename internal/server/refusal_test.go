package server

import (
	"net/http/httptest"
	"strings"
	"testing"

	"annals.dev/internal/access"
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
