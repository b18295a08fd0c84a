package alert

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/mail"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"annals.dev/internal/detect"
)

var (
	nameText   = regexp.MustCompile(`^[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?$`)
	kinds      = []Kind{Alertmanager, Webhook, Slack, PagerDuty, Email, Syslog, Falco}
	groupWords = []string{"rule", "cluster", "namespace", "user", "severity"}
	facilities = []string{"kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp", "ntp", "audit", "alert", "clock",
		"local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7"}
)

const (
	maxDestinations = 64
	maxRoutes       = 256
	maxTimeout      = 5 * time.Minute
	pagerDutyURL    = "https://events.pagerduty.com/v2/enqueue"
)

// Check says all that is wrong, each with its place. What it lets pass can be delivered as far as one can tell without trying.
func (c *Config) Check() error {
	var errs []error
	wrong := func(at, format string, a ...any) { errs = append(errs, fmt.Errorf("alerts."+at+": "+format, a...)) }
	if len(c.Destinations) > maxDestinations || len(c.Routes) > maxRoutes {
		wrong("destinations", "%d destinations and %d routes: %d and %d are the most", len(c.Destinations), len(c.Routes), maxDestinations, maxRoutes)
	}
	names := map[string]bool{}
	for i := range c.Destinations {
		d := &c.Destinations[i]
		at := fmt.Sprintf("destinations[%d] (%s)", i, d.Name)
		if !nameText.MatchString(d.Name) {
			wrong(at, "name %q: lower-case letters, digits, '.', '_' and '-', 63 at most", d.Name)
		}
		if names[d.Name] {
			wrong(at, "the name is taken by one before it")
		}
		names[d.Name] = true
		for _, err := range d.check() {
			wrong(at, "%w", err)
		}
	}
	c.checkRoutes(names, wrong)
	checkGrouping("grouping", &c.Grouping, wrong)
	checkBy("repeat.by", c.Repeat.By, wrong)
	for i, h := range c.Inhibit {
		at := fmt.Sprintf("inhibit[%d]", i)
		if rank(h.Severity) < 1 {
			wrong(at+".severity", "%q: one of %s", h.Severity, list(detect.Severities[1:]))
		}
		if len(h.By) == 0 {
			wrong(at+".by", "it says nothing: with nothing in common, one finding would mute all others")
		}
		checkBy(at+".by", h.By, wrong)
	}
	return errors.Join(errs...)
}

type wrongFunc func(at, format string, a ...any)

func (c *Config) checkRoutes(names map[string]bool, wrong wrongFunc) {
	used := map[string]bool{}
	for i := range c.Routes {
		r := &c.Routes[i]
		at := fmt.Sprintf("routes[%d]", i)
		if r.Severity != "" && rank(r.Severity) < 0 {
			wrong(at+".severity", "%q: one of %s", r.Severity, list(detect.Severities))
		}
		if len(r.To) == 0 {
			wrong(at+".to", "it names no destination: what it takes would be told to nobody")
		}
		for _, to := range r.To {
			if !names[to] {
				wrong(at+".to", "there is no destination %q", to)
			}
			used[to] = true
		}
		for name, list := range map[string][]string{"rules": r.Rules, "techniques": r.Techniques, "tags": r.Tags, "clusters": r.Clusters, "namespaces": r.Namespaces} {
			if slices.Contains(list, "") {
				wrong(at+"."+name, "an empty text matches nothing")
			}
		}
		if r.Grouping != nil {
			checkGrouping(at+".grouping", r.Grouping, wrong)
		}
		if r.Repeat != nil {
			checkBy(at+".repeat.by", r.Repeat.By, wrong)
		}
	}
	for i := range c.Destinations {
		if name := c.Destinations[i].Name; !used[name] {
			wrong("routes", "none leads to %q: it would never be told anything", name)
		}
	}
}

func checkGrouping(at string, g *Grouping, wrong wrongFunc) {
	checkBy(at+".by", g.By, wrong)
	if g.Wait != nil && time.Duration(*g.Wait) > time.Hour {
		wrong(at+".wait", "%v: an hour is the most", g.Wait)
	}
	if g.Interval != nil && time.Duration(*g.Interval) > 24*time.Hour {
		wrong(at+".interval", "%v: a day is the most", g.Interval)
	}
}

func checkBy(at string, by []string, wrong wrongFunc) {
	for _, word := range by {
		if !slices.Contains(groupWords, word) {
			wrong(at, "%q: one of %s", word, strings.Join(groupWords, ", "))
		}
	}
}

// rank is a severity's place, -1 if there is none such.
func rank(s detect.Severity) int { return slices.Index(detect.Severities, s) }

// list is words as a sentence has them.
func list[W ~string](words []W) string {
	var all []string
	for _, w := range words {
		all = append(all, string(w))
	}
	return strings.Join(all, ", ")
}

func (d *Destination) check() (errs []error) {
	wrong := func(format string, a ...any) { errs = append(errs, fmt.Errorf(format, a...)) }
	if !slices.Contains(kinds, d.Kind) {
		return []error{fmt.Errorf("kind %q: one of %s", d.Kind, list(kinds))}
	}
	if t := time.Duration(d.Timeout); t > maxTimeout || t != 0 && t < 100*time.Millisecond {
		wrong("a timeout of %v: 100ms to %v", d.Timeout, maxTimeout)
	}
	if d.MaxPerMinute < 0 {
		wrong("maxPerMinute: %d", d.MaxPerMinute)
	}
	for _, pair := range [][3]string{{"url", d.URLFile, d.URLEnv}, {"secret", d.SecretFile, d.SecretEnv}, {"password", d.PasswordFile, d.PasswordEnv}, {"token", d.TokenFile, d.TokenEnv}} {
		if pair[1] != "" && pair[2] != "" {
			wrong("%sFile and %sEnv: only one of them", pair[0], pair[0])
		}
	}
	for _, unused := range d.unused() {
		wrong("%s means nothing to a destination of kind %s", unused, d.Kind)
	}
	switch d.Kind {
	case Email, Syslog:
		d.checkAddress(wrong)
	default:
		d.checkHTTP(wrong)
	}
	if d.Kind == PagerDuty && d.TokenFile == "" && d.TokenEnv == "" {
		wrong("tokenFile or tokenEnv is missing: the routing key of the service")
	}
	return errs
}

// unused are the settings that another kind would use.
func (d *Destination) unused() (names []string) {
	overHTTP := d.Kind != Email && d.Kind != Syslog
	for _, s := range []struct {
		name string
		set  bool
		ok   bool
	}{
		{"url", d.URL != "", overHTTP}, {"urlFile", d.URLFile != "", overHTTP}, {"urlEnv", d.URLEnv != "", overHTTP},
		{"headers", len(d.Headers) > 0, overHTTP}, {"headerFiles", len(d.HeaderFiles) > 0, overHTTP}, {"proxy", d.Proxy != "", overHTTP},
		{"secretFile", d.SecretFile != "", d.Kind == Webhook}, {"secretEnv", d.SecretEnv != "", d.Kind == Webhook},
		{"address", d.Address != "", !overHTTP}, {"tls", d.TLS != "", d.Kind == Email},
		{"network", d.Network != "", d.Kind == Syslog}, {"facility", d.Facility != "", d.Kind == Syslog},
		{"from", d.From != "", d.Kind == Email}, {"to", len(d.To) > 0, d.Kind == Email},
		{"username", d.Username != "", d.Kind != Syslog}, {"passwordFile", d.PasswordFile != "", d.Kind != Syslog}, {"passwordEnv", d.PasswordEnv != "", d.Kind != Syslog},
		{"tokenFile", d.TokenFile != "", overHTTP && d.Kind != Slack}, {"tokenEnv", d.TokenEnv != "", overHTTP && d.Kind != Slack},
		{"active", d.Active != 0, d.Kind == Alertmanager},
	} {
		if s.set && !s.ok {
			names = append(names, s.name)
		}
	}
	return names
}

func (d *Destination) secret() bool {
	return d.TokenFile+d.TokenEnv+d.PasswordFile+d.PasswordEnv != "" || len(d.HeaderFiles) > 0 || d.Kind == Slack || d.Kind == PagerDuty
}

func (d *Destination) checkHTTP(wrong func(string, ...any)) {
	ways := 0
	for _, s := range []string{d.URL, d.URLFile, d.URLEnv} {
		if s != "" {
			ways++
		}
	}
	switch {
	case ways > 1:
		wrong("url, urlFile and urlEnv: only one of them")
	case ways == 0 && d.Kind != PagerDuty:
		wrong("url is missing")
	case d.URL != "":
		if _, err := d.parseURL(d.URL); err != nil {
			wrong("%w", err)
		}
	}
	for name, value := range d.Headers {
		if !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(value) {
			wrong("header %q: not a valid name and value", name)
		}
	}
	for _, name := range d.headerNames() {
		switch name = http.CanonicalHeaderKey(name); name {
		case "Host", "Content-Length", "Content-Type", "Transfer-Encoding", "Connection", "Idempotency-Key", signatureHeader:
			wrong("header %q is not yours to set", name)
		case "Authorization":
			if d.TokenFile+d.TokenEnv+d.PasswordFile+d.PasswordEnv != "" {
				wrong("header %q stands beside a token or a password: only one of them", name)
			}
			if _, ok := d.Headers[name]; ok {
				wrong("header %q is a secret: put it into a file and name that in headerFiles", name)
			}
		}
	}
	if (d.TokenFile+d.TokenEnv != "") && (d.PasswordFile+d.PasswordEnv != "") {
		wrong("a token and a password: only one of them")
	}
	if (d.Username != "") != (d.PasswordFile+d.PasswordEnv != "") {
		wrong("username and passwordFile (or passwordEnv) go together")
	}
	if d.Proxy != "" {
		if u, err := url.Parse(d.Proxy); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil {
			wrong("proxy: an http or https URL without credentials")
		}
	}
}

func (d *Destination) headerNames() (names []string) {
	for name := range d.Headers {
		names = append(names, name)
	}
	for name := range d.HeaderFiles {
		names = append(names, name)
	}
	return names
}

// parseURL takes an address apart. Its errors never show it: it may be a secret.
func (d *Destination) parseURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return nil, errors.New("url: it cannot be read as one")
	case u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "":
		return nil, errors.New("url: it must begin with https://host or http://host")
	case u.User != nil:
		return nil, errors.New("url: it holds a user or a password: use username and passwordFile")
	case u.Fragment != "":
		return nil, errors.New("url: it has a #fragment, which is never sent")
	case u.Scheme == "http" && d.secret() && (!loopback(u.Hostname()) || d.Proxy != ""):
		return nil, errors.New("url: credentials would go over http, in clear: use https")
	}
	return u, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func (d *Destination) checkAddress(wrong func(string, ...any)) {
	host, port, err := net.SplitHostPort(d.Address)
	if err != nil || host == "" || port == "" {
		wrong("address %q: host:port", d.Address)
	}
	if d.Kind == Syslog {
		if !slices.Contains([]string{"", "tls", "tcp", "udp"}, d.Network) {
			wrong("network %q: tls, tcp or udp", d.Network)
		}
		if d.Facility != "" && !slices.Contains(facilities, d.Facility) {
			wrong("facility %q: one of %s", d.Facility, strings.Join(facilities, ", "))
		}
		return
	}
	if !slices.Contains([]string{"", "starttls", "tls", "none"}, d.TLS) {
		wrong("tls %q: starttls, tls or none", d.TLS)
	}
	if (d.Username != "") != (d.PasswordFile+d.PasswordEnv != "") {
		wrong("username and passwordFile (or passwordEnv) go together")
	}
	if d.TLS == "none" && d.Username != "" && !loopback(host) {
		wrong("tls: none would send the password in clear")
	}
	if _, err := mailAddress(d.From); err != nil {
		wrong("from %q: %w", d.From, err)
	}
	if len(d.To) == 0 {
		wrong("to is missing: the addresses that get the mail")
	}
	for _, to := range d.To {
		if _, err := mailAddress(to); err != nil {
			wrong("to %q: %w", to, err)
		}
	}
}

func mailAddress(s string) (*mail.Address, error) {
	if strings.ContainsAny(s, "\r\n\x00") {
		return nil, errors.New("it holds a line break")
	}
	return mail.ParseAddress(s)
}
