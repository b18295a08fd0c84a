package proxy

import (
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/client-go/kubernetes/scheme"
)

const protobufType = "application/vnd.kubernetes.protobuf"

// builtin decodes the types that Kubernetes has built in.
var builtin = func() runtime.Decoder {
	s := runtime.NewScheme()
	utilruntime.Must(scheme.AddToScheme(s))
	utilruntime.Must(metav1.AddMetaToScheme(s))
	return serializer.NewCodecFactory(s).UniversalDeserializer()
}()

// DecodeBody is the capture.BodyDecoder of a Proxy.
func DecodeBody(contentType string, body []byte) ([]byte, bool, error) {
	kind, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		kind = strings.ToLower(strings.TrimSpace(contentType))
	}
	switch kind {
	case protobufType:
		obj, gvk, err := builtin.Decode(body, nil, nil)
		if err != nil {
			return nil, false, fmt.Errorf("a protobuf body: %w", err)
		}
		obj.GetObjectKind().SetGroupVersionKind(*gvk)
		b, err := json.Marshal(obj)
		return b, err == nil, err
	case "", "application/json":
		if !json.Valid(body) {
			return nil, false, errors.New("the body is no JSON")
		}
		return body, true, nil
	}
	return nil, false, nil
}

// decodeStatus reads a Status.
func decodeStatus(kind string, b []byte) (*metav1.Status, bool) {
	if kind != protobufType && kind != "application/json" {
		return nil, false
	}
	obj, _, err := builtin.Decode(b, nil, nil)
	s, ok := obj.(*metav1.Status)
	return s, err == nil && ok
}
