package capture

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"annals.dev/audit"

	"github.com/fxamacker/cbor/v2"
	"sigs.k8s.io/yaml"
)

var errNotJSON = errors.New("not JSON")

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
		b, err := yaml.YAMLToJSON(body)
		return b, err == nil, err
	case cborBody:
		b, err := cborToJSON(body)
		return b, err == nil, err
	}
	return nil, false, nil
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
