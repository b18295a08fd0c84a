// Package named holds the questions that people have, by name: each a search with parameters, in questions.yaml, to which a
// user can add a file. Start with Load.
package named

// Question is one of them, as the YAML has it.
type Question struct {
	Name   string      `json:"name"`             // secrets-read
	Title  string      `json:"title"`            // Who read secrets?
	About  string      `json:"about"`            // what the answer means, what it does not show, what to look at next
	Group  string      `json:"group"`            // Access, Sessions, Changes, …: how lists are cut
	Search string      `json:"search"`           // with {parameter} in it
	Params []Parameter `json:"params,omitempty"` //
	By     []string    `json:"by,omitempty"`     // count by these fields instead of listing events
	Sort   string      `json:"sort,omitempty"`   // time (newest first) or latency (slowest first)
	Needs  string      `json:"needs,omitempty"`  // which audit level the answer needs: Metadata, Request, RequestResponse
}

// Parameter is what a question leaves open.
type Parameter struct {
	Name    string `json:"name"`
	About   string `json:"about"`
	Type    string `json:"type"` // text, user, namespace, object, networks, hour
	Default string `json:"default,omitempty"`
}

// Asked is a question with its parameters put in: what runs.
type Asked struct {
	Question Question          `json:"question"`
	Params   map[string]string `json:"params,omitempty"`
	Search   string            `json:"search"` // the search as it runs
}
