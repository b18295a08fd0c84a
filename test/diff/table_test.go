package diff

import "encoding/json"

// Differences is the list of all deliberate differences.
var Differences = []*Difference{
	{
		ID: "body-not-json",
		Reason: "A body that is not JSON makes kube-apiserver lose the event, and a whole batch of them on the way to a webhook; " +
			"whoever may patch anything can so act unseen. We write the body as a string.",
		explains: func(m *mismatch) bool {
			w, ok := m.of.(written)
			return ok && (m.field == "event.json" || m.field == "event.list") && m.upstream == "" && w.unencodable() && json.Valid([]byte(m.ours))
		},
	},
}
