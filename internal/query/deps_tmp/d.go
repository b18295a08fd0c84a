package deps

import (
	_ "gopkg.in/evanphx/json-patch.v4"
	_ "github.com/santhosh-tekuri/jsonschema/v6"
	_ "k8s.io/apimachinery/pkg/util/strategicpatch"
	_ "k8s.io/client-go/kubernetes/scheme"
)
