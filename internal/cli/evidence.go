package cli

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"annals.dev/internal/server"
)

func newProve(e *env) *cobra.Command {
	var q server.ProveQuestion
	var file string
	cmd := &cobra.Command{
		Use: "prove ID", Short: "Make a proof that an event was recorded", Args: cobra.ExactArgs(1),
		Long: `Prove writes a file that shows, to somebody who has nothing but the ledger's public key, that an event
is in the ledger, when and from where it came, and that its bytes are the ones recorded. Annals verify
FILE checks it, anywhere and without the ledger.

ID is an audit ID, or a position. Where an ID has events at several stages, the last is taken.`,
		Example: `  annals prove 99b17670-825b-4373-ba54-559cf33ef833 --out proof.json
  annals prove 4812 --cluster prod > proof.json`,
	}
	cmd.Flags().StringVar(&q.Cluster, "cluster", "", "the event's cluster, where that is not clear")
	cmd.Flags().StringVar(&file, "out", "", "write the proof to this file instead of standard output")
	perCall(cmd, "out")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		q.ID = args[0]
		client, err := e.connect(cmd.Context())
		if err != nil {
			return err
		}
		defer client.Close()
		p, err := client.Prove(cmd.Context(), q)
		if err != nil {
			return err
		}
		more := ""
		if p.Stages > 1 {
			more = fmt.Sprintf(", the last of %d with this ID", p.Stages)
		}
		e.say("the event at position %d of cluster %s%s", p.Position, p.Cluster, more)
		return e.write(file, append(p.File, '\n'))
	}
	return cmd
}

func newCheckpoint(e *env) *cobra.Command {
	var q server.CheckpointQuestion
	var file string
	cmd := &cobra.Command{
		Use: "checkpoint", Short: "Sign the state of the ledger", Args: cobra.NoArgs,
		Long: `Checkpoint prints a signed note of how many events a cluster has and of the root of the tree over all of
them. Keep it where nobody who can change the ledger can change it: annals verify --against then finds
any event that was changed or taken away since, and an old copy of the directory put back in its place.`,
		Example: `  annals checkpoint --cluster prod --out prod.checkpoint
  annals verify --against prod.checkpoint`,
	}
	cmd.Flags().StringVar(&q.Cluster, "cluster", "", "which cluster, where there is more than one")
	cmd.Flags().StringVar(&file, "out", "", "write the note to this file instead of standard output")
	perCall(cmd, "out")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		client, err := e.connect(cmd.Context())
		if err != nil {
			return err
		}
		defer client.Close()
		note, err := client.Checkpoint(cmd.Context(), q)
		if err != nil {
			return err
		}
		return e.write(file, note.Text)
	}
	return cmd
}

// write puts a result where it was asked for.
func (e *env) write(file string, b []byte) error {
	if file == "" {
		_, err := e.out.Write(b)
		return err
	}
	if err := os.WriteFile(file, b, 0o644); err != nil {
		return err
	}
	e.say("wrote %s", file)
	return nil
}
