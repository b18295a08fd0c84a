package cli

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	actors "annals.dev/internal/query/actor"
)

var roleFormats = []string{"yaml", "json"}

const rbacLong = `Rbac writes the least roles that allow what a user did, as kubectl apply takes them: a Role with its
binding for each namespace, and a ClusterRole for what is not within one. Where the objects were few,
the rules name them.

It covers the requests that were allowed in the range, those that others made acting as this user
included, and lets the user act again as whom it acted. What it cannot see, it says on standard error.`

const rbacExample = `  annals rbac sa:ci/deployer --since 30d > deployer.yaml
  # of one cluster, for kubectl apply -f
  annals rbac jane@example.com --cluster prod > jane.yaml
  # what was refused as well
  annals rbac bob@contractor.example --denied`

func newRBAC(e *env) *cobra.Command {
	var a asking
	var r ranged
	var q actors.RoleQuestion
	cmd := &cobra.Command{Use: "rbac USER", Short: "The least roles that allow what a user did", Long: rbacLong, Example: rbacExample, Args: cobra.ExactArgs(1)}
	a.flags(cmd, e, roleFormats)
	o := cmd.Flags().Lookup("output")
	o.DefValue = "yaml"
	a.output = "yaml"
	r.flags(cmd)
	cmd.Flags().BoolVar(&q.Denied, "denied", false, "cover what was forbidden too")
	cmd.Flags().BoolVar(&q.All, "all", false, "cover what Kubernetes grants to every user too, such as discovery")
	cmd.RunE = func(cmd *cobra.Command, args []string) (err error) {
		if err := checkFormat(a.output, roleFormats); err != nil {
			return err
		}
		q.User, q.Clusters = args[0], a.clusters
		if q.Since, q.Until, err = r.times(e, &a); err != nil {
			return err
		}
		client, err := e.connect(cmd.Context())
		if err != nil {
			return err
		}
		defer client.Close()
		role, err := client.LeastRole(cmd.Context(), q)
		if err != nil {
			return err
		}
		err = e.paged(func(w io.Writer) error {
			if a.output == "json" {
				return printObject(w, "json", role)
			}
			_, err := fmt.Fprint(w, role.YAML) // nothing in it acts on a terminal
			return err
		})
		if err != nil {
			return err
		}
		if role.YAML == "" && len(role.Near) == 0 {
			e.say("there is nothing to grant to %s", role.User)
		}
		e.nearby(role.User, role.Near)
		for _, note := range role.Notes {
			e.say("* %s", note)
		}
		return e.covered(role.Cover, "request", time.Time{}, time.Time{}, a.zone(), 0)
	}
	return cmd
}
