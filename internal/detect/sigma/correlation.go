package sigma

import (
	"strings"

	"go.yaml.in/yaml/v3"
)

type correlated struct{}

func (c *correlated) print(w *strings.Builder) {}

func (d *draft) readCorrelation(n *yaml.Node) {}

func (c *collection) link() {}
