package lint

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Server is what an API server was told of auditing: its flags, and what is mounted into it.
type Server struct {
	name   string
	flags  map[string]setting
	mounts []mount

	webhookName string
	webhook     *yaml.Node // its kubeconfig, nil if that was not given
}

type setting struct {
	value        string
	line, column int
}

type mount struct {
	path, host   string
	line, column int
}

// ParseServer reads the API server's flags from a static pod's manifest, a kubeadm ClusterConfiguration, a systemd unit, or
// a plain list. name is what findings call the file.
func ParseServer(name string, b []byte) (*Server, error) {
	s := &Server{name: name, flags: map[string]setting{}}
	d := yaml.NewDecoder(bytes.NewReader(b))
	for range 100 {
		var doc yaml.Node
		if d.Decode(&doc) != nil {
			break
		}
		s.manifest(follow(&doc))
	}
	if len(s.flags) == 0 {
		s.list(string(b))
	}
	if len(s.flags) == 0 {
		return nil, fmt.Errorf("%s: no --audit-… flag in it: give a static pod's manifest, a kubeadm ClusterConfiguration, or a list of flags", name)
	}
	return s, nil
}

// child gives the value of a key of a mapping, an empty node if there is none.
func child(n *yaml.Node, path ...string) *yaml.Node {
	for _, key := range path {
		next := &yaml.Node{}
		if n.Kind == yaml.MappingNode {
			for i := 0; i+1 < len(n.Content); i += 2 {
				if n.Content[i].Value == key {
					next = follow(n.Content[i+1])
				}
			}
		}
		n = next
	}
	return n
}

func (s *Server) manifest(root *yaml.Node) {
	hosts := map[string]string{}
	for _, v := range child(root, "spec", "volumes").Content {
		v = follow(v)
		hosts[child(v, "name").Value] = child(v, "hostPath", "path").Value
	}
	for _, c := range child(root, "spec", "containers").Content {
		c = follow(c)
		for _, key := range []string{"command", "args"} {
			s.args(child(c, key).Content)
		}
		for _, m := range child(c, "volumeMounts").Content {
			s.mount(follow(m), "mountPath", hosts[child(follow(m), "name").Value])
		}
	}
	api := child(root, "apiServer")
	extra := child(api, "extraArgs")
	for i := 0; extra.Kind == yaml.MappingNode && i+1 < len(extra.Content); i += 2 {
		s.set(extra.Content[i].Value, follow(extra.Content[i+1]).Value, extra.Content[i].Line, extra.Content[i].Column)
	}
	for _, a := range extra.Content {
		if a = follow(a); a.Kind == yaml.MappingNode {
			s.set(child(a, "name").Value, child(a, "value").Value, a.Line, a.Column)
		}
	}
	for _, v := range child(api, "extraVolumes").Content {
		s.mount(follow(v), "mountPath", child(follow(v), "hostPath").Value)
	}
}

func (s *Server) mount(n *yaml.Node, key, host string) {
	if p := child(n, key); p.Value != "" {
		s.mounts = append(s.mounts, mount{strings.TrimRight(p.Value, "/"), host, p.Line, p.Column})
	}
}

func (s *Server) args(list []*yaml.Node) {
	for i, n := range list {
		n = follow(n)
		name, value, is := strings.Cut(n.Value, "=")
		if !is && i+1 < len(list) && !strings.HasPrefix(follow(list[i+1]).Value, "-") {
			value = follow(list[i+1]).Value
		}
		if strings.HasPrefix(name, "--") {
			s.set(name, value, n.Line, n.Column)
		}
	}
}

// set keeps a flag of auditing; one without a value is a boolean.
func (s *Server) set(name, value string, line, column int) {
	name = strings.TrimLeft(name, "-")
	if !strings.HasPrefix(name, "audit-") {
		return
	}
	if value == "" && strings.HasSuffix(name, "-enable") || value == "" && strings.HasSuffix(name, "-enabled") {
		value = "true"
	}
	s.flags[name] = setting{value, line, column}
}

var flagWord = regexp.MustCompile(`--(audit-[a-z-]+)(?:(?:=|[ \t]+)("[^"]*"|'[^']*'|[^\s"'\\-][^\s"'\\]*))?`)

// list reads flags from any text that holds them.
func (s *Server) list(text string) {
	line := 0
	for l := range strings.Lines(text) {
		line++
		if strings.HasPrefix(strings.TrimSpace(l), "#") {
			continue
		}
		for _, m := range flagWord.FindAllStringSubmatchIndex(l, -1) {
			value := ""
			if m[4] >= 0 {
				value = strings.Trim(l[m[4]:m[5]], `"'`)
			}
			s.set(l[m[2]:m[3]], value, line, len([]rune(l[:m[0]]))+1)
		}
	}
}

// WebhookConfig is where the webhook's kubeconfig lies: on the host, if the manifest says; "" if there is no webhook.
func (s *Server) WebhookConfig() string {
	path := s.flags["audit-webhook-config-file"].value
	best := mount{}
	for _, m := range s.mounts {
		if m.host != "" && (path == m.path || strings.HasPrefix(path, m.path+"/")) && len(m.path) >= len(best.path) {
			best = m
		}
	}
	if best.host != "" {
		return best.host + strings.TrimPrefix(path, best.path)
	}
	return path
}

// SetWebhook gives the webhook's kubeconfig.
func (s *Server) SetWebhook(name string, b []byte) error {
	var doc yaml.Node
	if err := yaml.Unmarshal(b, &doc); err != nil {
		return fmt.Errorf("%s: the webhook's kubeconfig is not YAML: %w", name, err)
	}
	s.webhookName, s.webhook = name, follow(&doc)
	return nil
}
