package alert

import (
	"encoding/json"
	"fmt"
	"time"

	"sigs.k8s.io/yaml"

	"annals.dev/internal/detect"
)

// Config says who is told of what, and how. It is the part alerts of watch.yaml. Without destinations nobody is told anything.
type Config struct {
	Destinations []Destination `json:"destinations,omitempty"`
	Routes       []Route       `json:"routes,omitempty"`
	Grouping     Grouping      `json:"grouping,omitzero"` // where a route says nothing else
	Repeat       Repeat        `json:"repeat,omitzero"`
	Inhibit      []Inhibition  `json:"inhibit,omitempty"`
}

// Kind is how a destination is spoken to.
type Kind string

const (
	Alertmanager Kind = "alertmanager"
	Webhook      Kind = "webhook"
	Slack        Kind = "slack"
	PagerDuty    Kind = "pagerduty"
	Email        Kind = "email"
	Syslog       Kind = "syslog"
	Falco        Kind = "falco"
)

// Destination is where alerts go. Secrets are named, never written here: a file that is read at each attempt, or a variable of
// the environment.
type Destination struct {
	Name string `json:"name"`
	Kind Kind   `json:"kind"`

	// Of those over HTTP. Slack's address is a secret itself, so it may stand in a file or a variable.
	URL         string            `json:"url,omitempty"`
	URLFile     string            `json:"urlFile,omitempty"`
	URLEnv      string            `json:"urlEnv,omitempty"`
	Headers     map[string]string `json:"headers,omitempty"`     // no secrets
	HeaderFiles map[string]string `json:"headerFiles,omitempty"` // name of the header: file
	Proxy       string            `json:"proxy,omitempty"`       // that of the environment is not used
	SecretFile  string            `json:"secretFile,omitempty"`  // of webhook: signs the body
	SecretEnv   string            `json:"secretEnv,omitempty"`

	// Of email and syslog.
	Address  string   `json:"address,omitempty"`  // host:port
	TLS      string   `json:"tls,omitempty"`      // of email: starttls (what it is if nothing is said), tls or none
	Network  string   `json:"network,omitempty"`  // of syslog: tls (what it is if nothing is said), tcp or udp
	Facility string   `json:"facility,omitempty"` // of syslog; authpriv if nothing is said
	From     string   `json:"from,omitempty"`     // of email
	To       []string `json:"to,omitempty"`

	Username     string `json:"username,omitempty"` // of email, and of HTTP with a password
	PasswordFile string `json:"passwordFile,omitempty"`
	PasswordEnv  string `json:"passwordEnv,omitempty"`
	TokenFile    string `json:"tokenFile,omitempty"` // a bearer token; of pagerduty the routing key
	TokenEnv     string `json:"tokenEnv,omitempty"`

	CAFile       string   `json:"caFile,omitempty"`       // whom to believe instead of the system's authorities
	Timeout      Duration `json:"timeout,omitzero"`       // of one attempt; 10s
	MaxPerMinute int      `json:"maxPerMinute,omitempty"` // messages; 60
	Active       Duration `json:"active,omitzero"`        // of alertmanager: how long an alert fires; 1h

	Title string `json:"title,omitempty"` // text/template over a Message
	Body  string `json:"body,omitempty"`
}

// Route says to whom findings go. All that is said must be so; of a list, one. Routes are looked at in their order, and the
// first that takes a finding is the last, unless it says continue.
type Route struct {
	Severity   detect.Severity `json:"severity,omitempty"` // this or worse
	Rules      []string        `json:"rules,omitempty"`    // IDs; * is any text here and below
	Techniques []string        `json:"techniques,omitempty"`
	Tags       []string        `json:"tags,omitempty"`
	Clusters   []string        `json:"clusters,omitempty"`
	Namespaces []string        `json:"namespaces,omitempty"`

	To       []string `json:"to"` // names of destinations
	Continue bool     `json:"continue,omitempty"`

	Grouping *Grouping `json:"grouping,omitempty"`
	Repeat   *Repeat   `json:"repeat,omitempty"`
}

// Grouping gathers findings into messages: those that have the fields of By in common.
type Grouping struct {
	By       []string  `json:"by,omitempty"`       // rule, cluster, namespace, user, severity; rule and cluster if nothing is said
	Wait     *Duration `json:"wait,omitempty"`     // from the first finding to the first message; 5s
	Interval *Duration `json:"interval,omitempty"` // between messages of a group; 5m
}

// Repeat throttles: what has been told is not told again for a while.
type Repeat struct {
	After Duration `json:"after,omitzero"` // 0: everything is told
	By    []string `json:"by,omitempty"`   // what makes it the same: rule, cluster, user and namespace if nothing is said
}

// Inhibition mutes findings that are less severe than another, which has the same By and goes to the same destination.
type Inhibition struct {
	Severity detect.Severity `json:"severity"`     // of what mutes, or worse
	By       []string        `json:"by"`           //
	For      Duration        `json:"for,omitzero"` // how long; 1h
}

// Duration is written as 30s, 5m, 1h30m.
type Duration time.Duration

func (d Duration) String() string               { return time.Duration(d).String() }
func (d Duration) MarshalJSON() ([]byte, error) { return json.Marshal(d.String()) }

func (d *Duration) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return fmt.Errorf("a duration is written as 30s, 5m or 1h30m, not %s", b)
	}
	v, err := time.ParseDuration(s)
	if err != nil || v < 0 {
		return fmt.Errorf("a duration is written as 30s, 5m or 1h30m, not %q", s)
	}
	*d = Duration(v)
	return nil
}

// Parse reads the part alerts of watch.yaml. A key that nobody knows is an error: it would be an alert that never comes.
func Parse(data []byte) (Config, error) {
	var c Config
	if err := yaml.UnmarshalStrict(data, &c); err != nil {
		return Config{}, fmt.Errorf("alerts: %w", err)
	}
	if err := c.Check(); err != nil {
		return Config{}, err
	}
	return c, nil
}
