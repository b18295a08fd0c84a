package baseline

import (
	"slices"

	"annals.dev/internal/detect"
)

func rule(name, title, about string, severity detect.Severity, techniques []string, falsePositives ...string) *detect.Rule {
	return &detect.Rule{
		ID: "annals-baseline-" + name, Name: name, Title: title, Version: version, Language: detect.Builtin, Severity: severity, About: about,
		Author: "Annals", Techniques: techniques, Tactics: []string{"initial-access"}, Tags: []string{"baseline"}, FalsePositives: falsePositives, File: "builtin/baseline",
	}
}

var (
	ruleTogether = rule("together", "Several things are unusual on one day",
		"Each of them may be chance. That a user comes from a new network, at an hour at which they never work, and does what they never did, is seldom so.",
		detect.High, []string{"T1078"}, "a new task, taken up while travelling")
	ruleOf = map[feature]*detect.Rule{
		action: rule("action", "An action that is unusual for the actor",
			"A service account does the same few things every day, and a person few new ones. What neither the actor nor its peers ever did is what a stolen credential is used for.",
			detect.Medium, []string{"T1078"}, "a new version of a controller", "a new task"),
		namespace: rule("namespace", "A namespace that is unusual for the actor",
			"Whoever looks around goes where the owner of the credential has no work.", detect.Medium, []string{"T1078"}, "a new project"),
		network: rule("network", "A network that is unusual for the actor",
			"A stolen credential is used from elsewhere.", detect.Medium, []string{"T1078", "T1550"}, "travel", "a new provider", "new nodes"),
		client: rule("client", "A client that is unusual for the actor",
			"Tools of attackers, and curl with a stolen token, call themselves something that the actor never did.", detect.Medium, []string{"T1078", "T1550"}, "a new tool"),
		hourly: rule("hour", "An hour that is unusual for the person",
			"Somebody in another part of the world, or who does not want to be seen.", detect.Low, []string{"T1078"}, "an incident at night"),
		changes: rule("rate", "More changes in an hour than is usual",
			"Destruction, mining, or a script that runs away. Who has no past yet, such as a new user, is held against their peers.",
			detect.Medium, []string{"T1485", "T1496"}, "a migration", "a first installation"),
	}
)

// Rules are what a baseline reports.
func (b *Baseline) Rules() []*detect.Rule {
	all := []*detect.Rule{ruleTogether}
	for f := range changes + 1 {
		if r := ruleOf[f]; r != nil {
			all = append(all, r)
		}
	}
	return slices.Clip(all)
}
