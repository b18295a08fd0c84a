package lint

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"annals.dev/audit"
	"annals.dev/policy"
)

// CheckServer gives what is wrong with the API server's flags themselves, and with the webhook's kubeconfig.
func CheckServer(o Options) []Finding {
	s := o.Server
	if s == nil {
		return nil
	}
	c := &checker{name: s.name, o: o}
	c.waits(s)
	c.rotation(s)
	c.webhook(s)
	c.throttle(s)
	slices.SortStableFunc(c.found, func(a, b Finding) int { return a.Line - b.Line })
	return c.found
}

// defaults are those of the newest Kubernetes that matter here.
var defaults = map[string]string{
	"audit-log-mode": "blocking", "audit-log-batch-max-size": "1", "audit-log-batch-max-wait": "0s", "audit-log-batch-throttle-enable": "false",
	"audit-log-batch-throttle-qps": "0", "audit-webhook-mode": "batch", "audit-webhook-batch-max-size": "400", "audit-webhook-batch-max-wait": "30s",
	"audit-webhook-batch-throttle-enable": "true", "audit-webhook-batch-throttle-qps": "10", "audit-log-maxsize": "100",
	"audit-log-maxage": "366", "audit-log-maxbackup": "100", "audit-webhook-truncate-enabled": "false",
}

// flag gives a flag's value, or its default.
func (s *Server) flag(name string) string {
	if f, ok := s.flags[name]; ok {
		return f.value
	}
	return defaults[name]
}

func (s *Server) number(name string) float64 {
	n, err := strconv.ParseFloat(s.flag(name), 64)
	if err != nil {
		return -1 // the API server says so itself
	}
	return n
}

// at is where the first of the flags that is given stands.
func (s *Server) at(names ...string) *yaml.Node {
	for _, n := range names {
		if f, ok := s.flags[n]; ok {
			return &yaml.Node{Line: f.line, Column: f.column}
		}
	}
	return nil
}

// backends are those that are on: log, webhook.
func (s *Server) backends() (on []string) {
	if s.flag("audit-log-path") != "" {
		on = append(on, "log")
	}
	if s.flag("audit-webhook-config-file") != "" {
		on = append(on, "webhook")
	}
	return on
}

// serverAndPolicy checks what the flags do to this policy.
func (c *checker) serverAndPolicy() {
	if c.o.Server == nil {
		return
	}
	for _, b := range c.o.Server.backends() {
		if c.o.Server.flag("audit-"+b+"-mode") != "blocking-strict" {
			continue
		}
		if f := c.top["omitStages"]; f != nil && policy.StagesOf(c.policy.OmitStages...).Has(audit.StageRequestReceived) {
			c.strict(f, "the policy", b)
			continue
		}
		for _, r := range c.rules {
			if r.recorded() && omitted(&r.Rule).Has(audit.StageRequestReceived) {
				c.strict(r.f["omitStages"], r.name(), b)
				break
			}
		}
	}
}

func (c *checker) strict(f *field, owner, backend string) {
	if f == nil {
		return
	}
	c.add("L21", Warning, f.key, fmt.Sprintf("%s omits RequestReceived, the only stage at which --audit-%s-mode=blocking-strict refuses a request that cannot be recorded: it refuses none", owner, backend),
		"RequestReceived recorded, where nothing may happen without a record; or mode blocking, which is what it is now")
}

// waits finds batches that wait for nothing.
func (c *checker) waits(s *Server) {
	for _, b := range s.backends() {
		p := "audit-" + b + "-batch-"
		wait, err := time.ParseDuration(s.flag(p + "max-wait"))
		if s.flag("audit-"+b+"-mode") == "batch" && s.number(p+"max-size") > 1 && err == nil && wait <= 0 {
			c.add("L30", Warning, s.at(p+"max-wait", p+"max-size", "audit-"+b+"-mode"), fmt.Sprintf("batches of %s without a --%smax-wait: kube-apiserver asks for events in a loop that never sleeps, and burns a core", s.flag(p+"max-size"), p),
				"--"+p+"max-wait=1s")
		}
	}
}

// rotation finds log files that grow without end, or cannot be rotated.
func (c *checker) rotation(s *Server) {
	path := s.flag("audit-log-path")
	if path == "" || path == "-" {
		return
	}
	old := c.o.Kubernetes > 0 && c.o.Kubernetes < 36
	size, age, backups := s.number("audit-log-maxsize"), s.number("audit-log-maxage"), s.number("audit-log-maxbackup")
	if _, given := s.flags["audit-log-maxage"]; !given && old {
		age = 0
	}
	if _, given := s.flags["audit-log-maxbackup"]; !given && old {
		backups = 0
	}
	unrotated := size == 0 && !old
	switch {
	case unrotated:
		c.add("L31", Warning, s.at("audit-log-maxsize"), "--audit-log-maxsize=0: since Kubernetes 1.36 the file is never rotated, and grows until the disk is full", "--audit-log-maxsize=100")
	case age == 0 && backups == 0:
		c.add("L31", Warning, s.at("audit-log-maxbackup", "audit-log-maxage", "audit-log-path"), "neither --audit-log-maxbackup nor --audit-log-maxage bounds the rotated files: they are kept until the disk is full", "--audit-log-maxbackup=10")
	case backups == 0:
		c.add("L31", Info, s.at("audit-log-maxbackup", "audit-log-path"), fmt.Sprintf("rotated files are bounded by age alone (%g days), not by number: a busy day can fill the disk", age), "--audit-log-maxbackup=10")
	}
	for _, m := range s.mounts {
		if m.path == strings.TrimRight(path, "/") && !unrotated {
			c.add("L32", Warning, &yaml.Node{Line: m.line, Column: m.column}, path+" is mounted as a single file: it cannot be renamed, so rotation fails (device or resource busy), and the log stops", "its directory mounted")
		}
	}
}

// webhook checks how events are sent away.
func (c *checker) webhook(s *Server) {
	if s.flag("audit-webhook-config-file") == "" {
		return
	}
	if on := s.flag("audit-webhook-truncate-enabled"); on != "true" {
		c.add("L34", Info, s.at("audit-webhook-truncate-enabled", "audit-webhook-config-file"), "events go to the webhook at any size: a receiver that refuses large bodies refuses the whole batch, and kube-apiserver drops it after five attempts",
			"--audit-webhook-truncate-enabled, with sizes that the receiver takes; Annals takes 256 MiB at once")
	}
	if s.webhook == nil {
		return
	}
	cluster, user := kubeconfig(s.webhook)
	server := child(cluster, "server")
	if !strings.HasPrefix(strings.ToLower(server.Value), "http://") || user.Kind != yaml.MappingNode || len(user.Content) == 0 {
		return
	}
	w := &checker{name: s.webhookName}
	w.add("L33", Warning, server, "the server is http, and client-go sends credentials over TLS alone: those of this kubeconfig are never sent", "https, and the receiver's certificate authority")
	c.found = append(c.found, w.found...)
}

// kubeconfig gives the cluster and the user of the current context.
func kubeconfig(root *yaml.Node) (cluster, user *yaml.Node) {
	named := func(list, name, what string) *yaml.Node {
		for _, n := range child(root, list).Content {
			if n = follow(n); child(n, "name").Value == name {
				return child(n, what)
			}
		}
		return &yaml.Node{}
	}
	context := named("contexts", child(root, "current-context").Value, "context")
	return named("clusters", child(context, "cluster").Value, "cluster"), named("users", child(context, "user").Value, "user")
}

// usualRate is how many events a second a small cluster records at Metadata.
const usualRate = 200

// throttle finds limits below the rate at which events come.
func (c *checker) throttle(s *Server) {
	rate := c.o.EventRate
	if rate == 0 {
		rate = usualRate
	}
	for _, b := range s.backends() {
		p := "audit-" + b + "-batch-"
		qps, size := s.number(p+"throttle-qps"), s.number(p+"max-size")
		if s.flag("audit-"+b+"-mode") != "batch" || s.flag(p+"throttle-enable") != "true" || qps < 0 || size < 0 || qps*size >= rate {
			continue
		}
		c.add("L35", Warning, s.at(p+"max-size", p+"throttle-qps", p+"throttle-enable", "audit-"+b+"-mode", "audit-webhook-config-file"),
			fmt.Sprintf("%g batches a second of %g events are %g events a second, fewer than the %g that come: the rest is dropped once the buffer is full", qps, size, qps*size, rate),
			fmt.Sprintf("--%smax-size=400, or a higher --%sthrottle-qps", p, p))
	}
}
