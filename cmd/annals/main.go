// Annals keeps the record of what happens at a Kubernetes API.
package main

import (
	"os"

	"annals.dev/internal/cli"
)

func main() { os.Exit(cli.Main()) }
