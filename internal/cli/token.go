package cli

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"annals.dev/internal/access"
)

const tokenExample = `  annals token list
  annals token create --cluster prod
  annals token revoke 0123456789ab`

func newToken(e *env) *cobra.Command {
	cmd := &cobra.Command{
		Use: "token", Short: "The tokens with which clusters deliver", Example: tokenExample,
		Long: `Token lists, makes and revokes the tokens with which clusters deliver events. A token is shown once, when
it is made; of it only a hash is kept. A running server heeds changes at once.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("annals token %s is not a command; they are list, create and revoke", args[0])
			}
			return cmd.Help()
		},
	}
	var cluster string
	create := &cobra.Command{
		Use: "create", Short: "Make a token for a cluster and print it", Example: "  annals token create --cluster prod", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if cluster == "" {
				return usagef("name the cluster: --cluster prod")
			}
			if err := access.CheckCluster(cluster); err != nil {
				return &usageError{err}
			}
			keys, err := access.Open(e.data, e.logger(slog.LevelWarn))
			if err != nil {
				return err
			}
			text, t, err := keys.NewToken(cluster, "")
			if err != nil {
				return err
			}
			e.say("token %s of cluster %s; it is not shown again:", t.ID, t.Cluster)
			_, err = fmt.Fprintln(e.out, text)
			return err
		},
	}
	create.Flags().StringVar(&cluster, "cluster", "", "the cluster that may deliver with it")
	var output string
	list := &cobra.Command{
		Use: "list", Short: "List the tokens", Example: "  annals token list", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if err := checkFormat(output, rowFormats); err != nil {
				return err
			}
			keys, err := access.Open(e.data, e.logger(slog.LevelWarn))
			if err != nil {
				return err
			}
			tokens, err := keys.Tokens()
			if err != nil {
				return err
			}
			p := &printer{w: e.out, format: output, list: "tokens", header: []string{"ID", "CLUSTER", "CREATED", "NOTE"}}
			for _, t := range tokens {
				err := p.row(
					func() []string { return []string{t.ID, t.Cluster, formatTime(t.Created, time.UTC), t.Note} },
					func() ([]byte, error) {
						return json.Marshal(map[string]any{"id": t.ID, "cluster": t.Cluster, "created": t.Created, "note": t.Note})
					},
				)
				if err != nil {
					return err
				}
			}
			return p.end(nil)
		},
	}
	list.Flags().StringVarP(&output, "output", "o", "table", "format: table, json, jsonl, yaml, csv")
	perCall(list, "output")
	revoke := &cobra.Command{
		Use: "revoke ID", Short: "Revoke a token", Example: "  annals token revoke 0123456789ab", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			keys, err := access.Open(e.data, e.logger(slog.LevelWarn))
			if err != nil {
				return err
			}
			if err := keys.Revoke(args[0]); err != nil {
				return err
			}
			e.say("token %s is revoked", args[0])
			return nil
		},
	}
	cmd.AddCommand(list, create, revoke)
	return cmd
}
