package capture

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"annals.dev/audit"

	"github.com/fxamacker/cbor/v2"
	goyaml "go.yaml.in/yaml/v3"
	"sigs.k8s.io/yaml"
)

var (
	errNotJSON  = errors.New("not JSON")
	errProtobuf = errors.New("Kubernetes' protobuf, whose kinds of objects are not known here")
)

// DecodeBody is the BodyDecoder that knows JSON, YAML and CBOR, and their types with a suffix, such as
// application/merge-patch+json. Without a content type only what is JSON is recorded; a body of any other type is not.
func DecodeBody(contentType string, body []byte) ([]byte, bool, error) {
	switch kindOf(contentType) {
	case jsonBody:
		if audit.Span(body).Valid() {
			return body, true, nil
		}
		if contentType == "" {
			return nil, false, nil
		}
		return nil, false, errNotJSON
	case yamlBody:
		if audit.Span(body).Valid() {
			return body, true, nil // JSON is YAML too, and stays as it was sent
		}
		b, err := yamlToJSON(body)
		return b, err == nil, err
	case cborBody:
		b, err := cborToJSON(body)
		return b, err == nil, err
	case protobufBody:
		return nil, false, errProtobuf
	}
	return nil, false, nil
}

// yamlSlots bounds the memory that bodies take: a YAML document takes some hundred times its length while it is read, and many
// clients may send one at the same moment.
var yamlSlots = make(chan struct{}, 2)

func yamlToJSON(body []byte) ([]byte, error) {
	yamlSlots <- struct{}{}
	defer func() { <-yamlSlots }()
	if err := checkAliases(body); err != nil {
		return nil, err
	}
	return yaml.YAMLToJSON(body)
}

// maxExpansion is how many times as long a YAML document may become by its aliases. Without a limit, a few bytes each name
// a megabyte again.
const maxExpansion = 16

func checkAliases(body []byte) error {
	if bytes.IndexByte(body, '&') < 0 || bytes.IndexByte(body, '*') < 0 {
		return nil
	}
	var document goyaml.Node
	if err := goyaml.Unmarshal(body, &document); err != nil {
		return err
	}
	if expanded(&document, map[*goyaml.Node]int{}) > maxExpansion*(len(body)+1024) {
		return fmt.Errorf("YAML aliases make it more than %d times as long", maxExpansion)
	}
	return nil
}

// expanded is about how long a node is with all its aliases written out. seen has that of the anchors; one that contains
// itself is endless.
func expanded(n *goyaml.Node, seen map[*goyaml.Node]int) int {
	const endless = 1 << 40
	if n.Alias != nil {
		n = n.Alias
	}
	if n.Anchor != "" {
		if size, ok := seen[n]; ok {
			return size
		}
		seen[n] = endless
	}
	size := len(n.Value) + 1
	for _, child := range n.Content {
		size = min(size+expanded(child, seen), endless)
	}
	if n.Anchor != "" {
		seen[n] = size
	}
	return size
}

type bodyKind int

const (
	otherBody bodyKind = iota
	jsonBody
	yamlBody
	cborBody
	protobufBody // Kubernetes'
)

// kindOf says what a body of that type is. One without a type may be JSON.
func kindOf(contentType string) bodyKind {
	switch contentType {
	case "", "application/json":
		return jsonBody
	}
	media, _, _ := strings.Cut(contentType, ";")
	media = strings.ToLower(strings.TrimSpace(media))
	_, format, _ := strings.Cut(media, "/")
	if i := strings.LastIndexByte(format, '+'); i >= 0 {
		format = format[i+1:]
	}
	switch format {
	case "json":
		return jsonBody
	case "yaml", "x-yaml":
		return yamlBody
	case "cbor":
		return cborBody
	case "vnd.kubernetes.protobuf":
		return protobufBody
	}
	return otherBody
}

// cborMode reads what Kubernetes may send, and nothing that JSON cannot say.
var cborMode = func() cbor.DecMode {
	mode, err := cbor.DecOptions{
		DupMapKey:                cbor.DupMapKeyEnforcedAPF,
		MaxNestedLevels:          1000,
		IntDec:                   cbor.IntDecConvertSignedOrFail,
		MapKeyByteString:         cbor.MapKeyByteStringForbidden,
		DefaultMapType:           reflect.TypeFor[map[string]any](),
		DefaultByteStringType:    reflect.TypeFor[string](),
		ByteStringToString:       cbor.ByteStringToStringAllowedWithExpectedLaterEncoding,
		UnrecognizedTagToAny:     cbor.UnrecognizedTagContentToAny,
		TimeTagToAny:             cbor.TimeTagToRFC3339Nano,
		NaN:                      cbor.NaNDecodeForbidden,
		Inf:                      cbor.InfDecodeForbidden,
		ByteStringExpectedFormat: cbor.ByteStringExpectedBase64,
		BignumTag:                cbor.BignumTagForbidden,
	}.DecMode()
	if err != nil {
		panic(fmt.Sprintf("capture: CBOR options: %v", err)) // only a wrong option, never input
	}
	return mode
}()

func cborToJSON(body []byte) ([]byte, error) {
	var v any
	if err := cborMode.Unmarshal(body, &v); err != nil {
		return nil, err
	}
	return json.Marshal(v)
}
