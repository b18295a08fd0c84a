package proxy

import (
	"encoding/json"
	"reflect"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/client-go/kubernetes/scheme"

	"annals.dev/capture"
)

const protobufType = "application/vnd.kubernetes.protobuf"

// builtin decodes the types that Kubernetes has built in.
var builtin = func() runtime.Decoder {
	s := runtime.NewScheme()
	utilruntime.Must(scheme.AddToScheme(s))
	utilruntime.Must(metav1.AddMetaToScheme(s))
	return serializer.NewCodecFactory(s).UniversalDeserializer()
}()

// DecodeBody is the capture.BodyDecoder of a Proxy: capture's own, and protobuf of built-in types. That of other types, which
// only their server can read, is an error, and so the event says that there was a body.
func DecodeBody(contentType string, body []byte) ([]byte, bool, error) {
	media, _, _ := strings.Cut(contentType, ";")
	if strings.ToLower(strings.TrimSpace(media)) != protobufType {
		return capture.DecodeBody(contentType, body)
	}
	obj, kind, err := builtin.Decode(body, nil, nil)
	if err != nil {
		return nil, false, err
	}
	obj.GetObjectKind().SetGroupVersionKind(*kind)
	itemsNotNull(obj)
	b, err := json.Marshal(obj)
	return b, err == nil, err
}

// itemsNotNull has an empty list written as [], as the API server does. In protobuf empty and absent are the same.
func itemsNotNull(obj runtime.Object) {
	items, err := meta.GetItemsPtr(obj)
	if err != nil {
		return // no list
	}
	if v := reflect.ValueOf(items).Elem(); v.Kind() == reflect.Slice && v.IsNil() {
		v.Set(reflect.MakeSlice(v.Type(), 0, 0))
	}
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
