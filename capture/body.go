package capture

import "annals.dev/audit"

// DecodeBody is the BodyDecoder for JSON.
func DecodeBody(contentType string, body []byte) ([]byte, bool, error) {
	return body, audit.Span(body).Valid(), nil
}
