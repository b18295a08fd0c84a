package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"annals.dev/policy/lint"
)

const policyRepairLong = `Repair gives back the policy that a mangled one once was: one copied from a web page, with curly quotes,
dashes for hyphens, lost indentation or lost keys. The policy goes to standard output, every change to
standard error; where a change is a guess it says so. A policy in which nothing is wrong comes back as it is.

What it cannot make a policy of, it refuses, and says where.`

const policyRepairExample = `  annals policy repair audit-policy.yaml > repaired.yaml
  annals policy repair - < audit-policy.yaml
  annals policy repair --write audit-policy.yaml`

func newPolicyRepair(io *streams) *cobra.Command {
	write := false
	cmd := &cobra.Command{Use: "repair FILE", Short: "Give back the policy that a mangled one was", Long: policyRepairLong, Example: policyRepairExample, Args: cobra.ExactArgs(1)}
	cmd.Flags().BoolVar(&write, "write", false, "write the policy back to the file")
	perCall(cmd, "write")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		file := args[0]
		if write && file == "-" {
			return usagef("--write wants a file, not standard input")
		}
		b, err := readPolicy(io.in, file)
		if err != nil {
			return err
		}
		out, changes, err := lint.Repair(b)
		if err != nil {
			return fmt.Errorf("%s: %w; leave out what is no part of the policy, or mend that line", file, err)
		}
		for _, c := range changes {
			guess := ""
			if c.Guess {
				guess = "guessed: "
			}
			io.say("%s:%d: %s%s", file, c.Line, guess, c.What)
		}
		switch {
		case !write:
			_, err = io.out.Write(out)
			return err
		case len(changes) == 0:
			return nil
		}
		return replaceFile(file, out)
	}
	return cmd
}
