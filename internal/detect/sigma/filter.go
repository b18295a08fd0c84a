package sigma

import "go.yaml.in/yaml/v3"

func (d *draft) readFilter(n *yaml.Node) {}

func (c *collection) filter() {}
