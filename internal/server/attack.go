package server

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"annals.dev/internal/detect"
)

// tactics are ATT&CK's, in its order.
var tactics = []AttackTactic{
	{"reconnaissance", "Reconnaissance"}, {"initial-access", "Initial Access"}, {"execution", "Execution"}, {"persistence", "Persistence"}, {"privilege-escalation", "Privilege Escalation"},
	{"defense-evasion", "Defense Evasion"}, {"credential-access", "Credential Access"}, {"discovery", "Discovery"}, {"lateral-movement", "Lateral Movement"},
	{"collection", "Collection"}, {"command-and-control", "Command and Control"}, {"exfiltration", "Exfiltration"}, {"impact", "Impact"},
}

// techniques are those of ATT&CK that happen at a cluster. What else a rule names is added to them.
var techniques = []struct{ id, name, tactics, unseen string }{
	{"T1190", "Exploit Public-Facing Application", "initial-access", ""},
	{"T1133", "External Remote Services", "initial-access persistence", ""},
	{"T1078", "Valid Accounts", "initial-access persistence privilege-escalation defense-evasion", ""},
	{"T1078.001", "Default Accounts", "initial-access persistence privilege-escalation defense-evasion", ""},
	{"T1078.004", "Cloud Accounts", "initial-access persistence privilege-escalation defense-evasion", ""},
	{"T1609", "Container Administration Command", "execution", ""},
	{"T1610", "Deploy Container", "execution defense-evasion", ""},
	{"T1053.007", "Container Orchestration Job", "execution persistence privilege-escalation", ""},
	{"T1059", "Command and Scripting Interpreter", "execution", ""},
	{"T1059.004", "Unix Shell", "execution", ""},
	{"T1204.003", "Malicious Image", "execution", "what an image holds, no request tells"},
	{"T1098", "Account Manipulation", "persistence privilege-escalation", ""},
	{"T1098.001", "Additional Cloud Credentials", "persistence privilege-escalation", ""},
	{"T1098.006", "Additional Container Cluster Roles", "persistence privilege-escalation", ""},
	{"T1136", "Create Account", "persistence", ""},
	{"T1136.001", "Local Account", "persistence", ""},
	{"T1543.005", "Container Service", "persistence privilege-escalation", ""},
	{"T1525", "Implant Internal Image", "persistence", ""},
	{"T1546", "Event Triggered Execution", "persistence privilege-escalation", ""},
	{"T1611", "Escape to Host", "privilege-escalation", ""},
	{"T1068", "Exploitation for Privilege Escalation", "privilege-escalation", "it happens in a node's kernel or in a program, past the API"},
	{"T1548", "Abuse Elevation Control Mechanism", "privilege-escalation defense-evasion", ""},
	{"T1134", "Access Token Manipulation", "privilege-escalation defense-evasion", ""},
	{"T1134.001", "Token Impersonation/Theft", "privilege-escalation defense-evasion", ""},
	{"T1612", "Build Image on Host", "defense-evasion", "it happens on a node, past the API"},
	{"T1562", "Impair Defenses", "defense-evasion", ""},
	{"T1562.001", "Disable or Modify Tools", "defense-evasion", ""},
	{"T1562.006", "Indicator Blocking", "defense-evasion", ""},
	{"T1562.007", "Disable or Modify Cloud Firewall", "defense-evasion", ""},
	{"T1562.008", "Disable or Modify Cloud Logs", "defense-evasion", ""},
	{"T1578", "Modify Cloud Compute Infrastructure", "defense-evasion", ""},
	{"T1070", "Indicator Removal", "defense-evasion", ""},
	{"T1027", "Obfuscated Files or Information", "defense-evasion", ""},
	{"T1036", "Masquerading", "defense-evasion", ""},
	{"T1036.005", "Match Legitimate Resource Name or Location", "defense-evasion", ""},
	{"T1550", "Use Alternate Authentication Material", "defense-evasion lateral-movement", ""},
	{"T1550.001", "Application Access Token", "defense-evasion lateral-movement", ""},
	{"T1110", "Brute Force", "credential-access", ""},
	{"T1110.003", "Password Spraying", "credential-access", ""},
	{"T1528", "Steal Application Access Token", "credential-access", ""},
	{"T1552", "Unsecured Credentials", "credential-access", ""},
	{"T1552.001", "Credentials In Files", "credential-access", "what is read within a container, no request tells"},
	{"T1552.007", "Container API", "credential-access", ""},
	{"T1649", "Steal or Forge Authentication Certificates", "credential-access", ""},
	{"T1557", "Adversary-in-the-Middle", "credential-access collection", ""},
	{"T1040", "Network Sniffing", "credential-access discovery", "it happens on the network, past the API"},
	{"T1556", "Modify Authentication Process", "credential-access persistence defense-evasion", ""},
	{"T1595", "Active Scanning", "reconnaissance", ""},
	{"T1613", "Container and Resource Discovery", "discovery", ""},
	{"T1046", "Network Service Discovery", "discovery", "it happens on the network, past the API"},
	{"T1069", "Permission Groups Discovery", "discovery", ""},
	{"T1087", "Account Discovery", "discovery", ""},
	{"T1021", "Remote Services", "lateral-movement", ""},
	{"T1090", "Proxy", "command-and-control", ""},
	{"T1105", "Ingress Tool Transfer", "command-and-control", ""},
	{"T1572", "Protocol Tunneling", "command-and-control", ""},
	{"T1213", "Data from Information Repositories", "collection", ""},
	{"T1530", "Data from Cloud Storage", "collection", ""},
	{"T1005", "Data from Local System", "collection", ""},
	{"T1567", "Exfiltration Over Web Service", "exfiltration", "it leaves from within a container, past the API"},
	{"T1485", "Data Destruction", "impact", ""},
	{"T1489", "Service Stop", "impact", ""},
	{"T1490", "Inhibit System Recovery", "impact", ""},
	{"T1496", "Resource Hijacking", "impact", ""},
	{"T1498", "Network Denial of Service", "impact", ""},
	{"T1499", "Endpoint Denial of Service", "impact", ""},
	{"T1499.004", "Application or System Exploitation", "impact", ""},
	{"T1531", "Account Access Removal", "impact", ""},
	{"T1565", "Data Manipulation", "impact", ""},
	{"T1565.001", "Stored Data Manipulation", "impact", ""},
}

// attack lays the rules out over the techniques.
func (c *core) attack(ctx context.Context, by *asker, q AttackQuestion, emit func(AttackTechnique) error) (AttackEnd, error) {
	end := AttackEnd{Tactics: tactics}
	found, err := c.countFindings(ctx, by, FindingsRange{Since: q.Since, Until: q.Until, Clusters: q.Clusters})
	if err != nil {
		return end, err
	}
	end.Cover = found.cover
	all, at := []*AttackTechnique{}, map[string]*AttackTechnique{}
	technique := func(id string, tactics []string) *AttackTechnique {
		if at[id] == nil {
			at[id] = &AttackTechnique{ID: id, Tactics: append([]string{}, tactics...), Rules: []AttackRule{}}
			all = append(all, at[id])
		}
		return at[id]
	}
	for _, t := range techniques {
		x := technique(t.id, strings.Fields(t.tactics))
		x.Name, x.Unseen = t.name, t.unseen
	}
	for _, r := range c.rulesFor(by) {
		if !r.On || r.Silent {
			continue
		}
		for _, id := range r.Techniques {
			x := technique(id, r.Tactics)
			x.Rules = append(x.Rules, AttackRule{r.ID, r.Title, r.Severity, found.of(r.ID).n})
		}
	}
	for id, n := range found.techniques {
		x := technique(id, nil)
		x.Findings, x.Last = n.n, n.last
	}
	slices.SortStableFunc(all[len(techniques):], func(a, b *AttackTechnique) int { return cmp.Compare(a.ID, b.ID) })
	for _, x := range all {
		slices.SortFunc(x.Rules, func(a, b AttackRule) int { return cmp.Or(worse(b.Severity, a.Severity), cmp.Compare(a.ID, b.ID)) })
		if len(x.Rules) > 0 {
			end.Covered++
		}
		if x.Findings > 0 {
			end.Fired++
		}
		if err := emit(*x); err != nil {
			return end, err
		}
	}
	end.Cover.Returned = len(all)
	return end, nil
}

// isBuiltin says whether a rule comes with Annals.
func isBuiltin(r *detect.Rule) bool {
	return r.Language == detect.Builtin || strings.HasPrefix(r.File, "builtin/")
}
