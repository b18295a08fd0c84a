package cli

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"annals.dev/internal/access"
	"annals.dev/internal/server"
)

const tokenLong = `Token lists, makes and revokes tokens: those with which clusters deliver events, and those with which
people and programs ask. A token is shown once, when it is made; of it only a hash is kept. A server
heeds changes at once. Each is an event in the cluster annals.

Roles:
  ingest    delivers the events of one cluster, and asks nothing
  reader    asks about the events of its scope, but never about other readers' questions
  auditor   asks about everything, Annals' own events too, and verifies
  admin     an auditor who also imports and manages tokens

A scope is a query over fields, as annals search has them: 'ns:team-a', 'cluster:prod -resource:secrets'.
What requests and responses held is shown to those with --bodies alone.`

const tokenExample = `  annals token create --role reader --scope 'ns:team-a' --bodies --expires 30d --name jane
  annals token create --role admin
  annals token create --cluster prod
  annals token list
  annals token revoke 0123456789ab`

func newToken(e *env) *cobra.Command {
	cmd := &cobra.Command{
		Use: "token", Short: "The tokens of clusters and of people", Example: tokenExample, Long: tokenLong,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("annals token %s is not a command; they are list, create and revoke", args[0])
			}
			return cmd.Help()
		},
	}
	cmd.AddCommand(newTokenList(e), newTokenCreate(e), newTokenRevoke(e))
	return cmd
}

func newTokenCreate(e *env) *cobra.Command {
	var q server.TokenQuestion
	var role, expires string
	cmd := &cobra.Command{
		Use: "create", Short: "Make a token and print it", Long: tokenLong, Args: cobra.NoArgs,
		Example: `  annals token create --role reader --scope 'ns:team-a' --expires 30d --name jane
  annals token create --cluster prod`,
	}
	f := cmd.Flags()
	f.StringVar(&role, "role", "", "reader, auditor, admin or ingest (default ingest, if there is --cluster)")
	f.StringVar(&q.Cluster, "cluster", "", "for ingest: the cluster that may deliver with it")
	f.StringVar(&q.Scope, "scope", "", "for a reader: a query that says which events there are for it (default all but Annals' own)")
	f.BoolVar(&q.Bodies, "bodies", false, "it may see what requests and responses held")
	f.StringVar(&expires, "expires", "", "how long it lasts: 30d, 12h, never (default 90d; ingest tokens last until they are revoked)")
	f.StringVar(&q.Name, "name", "", "whose it is; on record with all that is asked with it")
	f.StringVar(&q.Note, "note", "", "what it is for")
	perCall(cmd, "role", "cluster", "scope", "bodies", "expires", "name", "note")
	cmd.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		q.Role = access.Role(role)
		if q.Role == "" {
			if q.Cluster == "" {
				return usagef("say what the token is for: --role reader, auditor or admin, or --cluster NAME for a cluster that delivers")
			}
			q.Role = access.Ingest
		}
		if q.Role == access.Ingest {
			if err := access.CheckCluster(q.Cluster); err != nil {
				return &usageError{err}
			}
			if expires != "" && expires != "never" {
				return usagef("--expires is for people's tokens: a cluster whose token ended would lose events; revoke it when it is to end")
			}
		} else if q.Seconds, q.Never, err = life(expires); err != nil {
			return err
		}
		client, err := e.connect(cmd.Context())
		if err != nil {
			return err
		}
		defer client.Close()
		made, err := client.CreateToken(cmd.Context(), q)
		if err != nil {
			return err
		}
		e.say("%s; it is not shown again:", tokenText(made.Token))
		_, err = fmt.Fprintln(e.out, made.Text)
		return err
	}
	return cmd
}

// tokenText says in a line what a token is good for.
func tokenText(t server.TokenInfo) string {
	if t.Role == access.Ingest {
		return fmt.Sprintf("token %s of cluster %s", t.ID, t.Cluster)
	}
	s := fmt.Sprintf("token %s of %s, %s", t.ID, t.Name, t.Role)
	if t.Scope != "" {
		s += ", for " + t.Scope
	}
	if t.Bodies {
		s += ", with bodies"
	}
	if t.Expires.IsZero() {
		return s + ", until it is revoked"
	}
	return s + ", until " + formatTime(t.Expires, time.UTC)
}

func newTokenList(e *env) *cobra.Command {
	var output string
	cmd := &cobra.Command{Use: "list", Short: "List the tokens", Example: "  annals token list", Args: cobra.NoArgs}
	cmd.Flags().StringVarP(&output, "output", "o", "table", "format: table, json, jsonl, yaml, csv")
	perCall(cmd, "output")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := checkFormat(output, rowFormats); err != nil {
			return err
		}
		client, err := e.connect(cmd.Context())
		if err != nil {
			return err
		}
		defer client.Close()
		p := &printer{w: e.out, format: output, list: "tokens", header: []string{"ID", "ROLE", "WHO", "SCOPE", "BODIES", "CREATED", "EXPIRES", "NOTE"}}
		err = client.Tokens(cmd.Context(), func(t server.TokenInfo) error {
			return p.row(func() []string { return tokenRow(t) }, func() ([]byte, error) { return json.Marshal(t) })
		})
		if err != nil {
			return err
		}
		return p.end(nil)
	}
	return cmd
}

func tokenRow(t server.TokenInfo) []string {
	who, bodies, expires := t.Name, "", "never"
	if t.Role == access.Ingest {
		who = t.Cluster
	}
	if t.Bodies {
		bodies = "yes"
	}
	switch {
	case t.Expired:
		expires = "expired"
	case !t.Expires.IsZero():
		expires = formatTime(t.Expires, time.UTC)
	}
	return []string{t.ID, string(t.Role), who, t.Scope, bodies, formatTime(t.Created, time.UTC), expires, t.Note}
}

func newTokenRevoke(e *env) *cobra.Command {
	return &cobra.Command{
		Use: "revoke ID", Short: "Revoke a token", Example: "  annals token revoke 0123456789ab", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := e.connect(cmd.Context())
			if err != nil {
				return err
			}
			defer client.Close()
			if err := client.RevokeToken(cmd.Context(), args[0]); err != nil {
				return err
			}
			e.say("token %s is revoked, and the sessions begun with it are over", args[0])
			return nil
		},
	}
}
