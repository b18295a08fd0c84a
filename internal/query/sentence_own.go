package query

// ownGroup is the API group of what people did with Annals itself.
const ownGroup = "annals.dev"

// ownActs are those, by verb, resource and subresource.
var ownActs = map[string]act{
	"list events":            {base: "search the events", past: "searched the events"},
	"watch events":           {base: "follow the events", past: "followed the events", lasts: true, begins: true},
	"get events":             {base: "look at an event", past: "looked at an event"},
	"list events/hits":       {base: "count events by time", past: "counted events by time"},
	"list events/facets":     {base: "count events by fields", past: "counted events by fields"},
	"list events/values":     {base: "look up values of a field", past: "looked up values of a field"},
	"list events/neighbours": {base: "look at the events around one", past: "looked at the events around one"},
	"list events/overview":   {base: "look at the overview", past: "looked at the overview"},
	"get questions":          {base: "ask a named question", past: "asked a named question"},
	"create sql":             {base: "ask in SQL", past: "asked in SQL"},
	"create exports":         {base: "export events", past: "exported events", lasts: true},
	"create imports":         {base: "import files", past: "imported files", lasts: true},
	"get proofs":             {base: "have an event proven", past: "had an event proven"},
	"list tokens":            {base: "list the tokens", past: "listed the tokens"},
	"create tokens":          {base: "make a token", past: "made a token"},
	"delete tokens":          {base: "end a token", past: "ended a token"},
	"create signins":         {base: "sign in", past: "signed in"},
	"delete signins":         {base: "sign out", past: "signed out"},
	"get ledger":             {base: "ask how the record is", past: "asked how the record is"},
	"get ledger/verify":      {base: "verify the ledger", past: "verified the ledger"},
	"get ledger/checkpoint":  {base: "have a tree head signed", past: "had a tree head signed"},
	"get status":             {base: "ask how the server is", past: "asked how the server is"},
}

// ownAct is what somebody did with Annals itself.
func (r *Row) ownAct() (act, bool) {
	key := r.Verb + " " + r.Resource
	if r.Subresource != "" {
		key += "/" + r.Subresource
	}
	a, ok := ownActs[key]
	return a, ok
}
