package cli

import (
	"io"
	"os"
	"os/exec"
	"strings"
)

// page puts a pager between the command and a terminal. What is read slowly is written slowly, and a pager that is left ends
// the question: close returns and the writes fail.
func (e *env) page() (w io.Writer, closePager func(), err error) {
	if !e.outTerminal || e.noPager {
		return e.out, func() {}, nil
	}
	command := e.getenv("ANNALS_PAGER")
	if command == "" {
		command = e.getenv("PAGER")
	}
	if command == "" {
		command = "less"
	}
	args := strings.Fields(command)
	if len(args) == 0 || args[0] == "cat" {
		return e.out, func() {}, nil
	}
	path, err := exec.LookPath(args[0])
	if err != nil {
		return e.out, func() {}, nil // without a pager the answer is still an answer
	}
	cmd := exec.Command(path, args[1:]...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.Env = os.Environ()
	if os.Getenv("LESS") == "" {
		cmd.Env = append(cmd.Env, "LESS=FRSX") // leave at once if it fits, keep colours, cut lines, leave the text standing
	}
	pipe, err := cmd.StdinPipe()
	if err != nil {
		return nil, nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, nil, err
	}
	return pipe, func() {
		pipe.Close()
		cmd.Wait()
	}, nil
}
