package proxy

import (
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"unicode/utf8"
)

// protocolToken begins the WebSocket subprotocol with which a browser, which cannot set headers, sends a token.
const protocolToken = "base64url.bearer.authorization.k8s.io."

const protocolHeader = "Sec-Websocket-Protocol"

// bearer gives the token that the upstream would read out of a request, by the same rules. Where it could be read in two
// ways the request is refused: whoever is asked about one token must not be followed by a request that acts by another.
func bearer(r *http.Request) (string, error) {
	if len(r.Header["Authorization"]) > 1 {
		return "", errors.New("more than one Authorization header")
	}
	_, inProtocol, err := splitProtocols(r.Header)
	if err != nil {
		return "", err
	}
	inHeader := ""
	if parts := strings.SplitN(strings.TrimSpace(r.Header.Get("Authorization")), " ", 3); len(parts) > 1 && strings.EqualFold(parts[0], "bearer") {
		inHeader = parts[1]
	}
	switch {
	case inProtocol == "":
		return inHeader, nil
	case inHeader != "":
		return "", errors.New("a token in the Authorization header and another in the WebSocket subprotocol")
	case !isWebSocket(r):
		// The upstream would not read it.
		return "", errors.New("a token in the WebSocket subprotocol of a request that is not for a WebSocket")
	}
	return inProtocol, nil
}

func isWebSocket(r *http.Request) bool {
	return isUpgrade(r) && strings.EqualFold(r.Header.Get("Upgrade"), "websocket")
}

// splitProtocols gives the subprotocols but the one that holds a token, and the token.
func splitProtocols(h http.Header) (others []string, token string, err error) {
	for _, line := range h[protocolHeader] {
		for p := range strings.SplitSeq(line, ",") {
			p = strings.TrimSpace(p)
			encoded, ok := strings.CutPrefix(p, protocolToken)
			if !ok {
				if p != "" {
					others = append(others, p)
				}
				continue
			}
			if token != "" {
				return nil, "", errors.New("more than one token in the WebSocket subprotocols")
			}
			b, err := base64.RawURLEncoding.DecodeString(encoded)
			// A token with a space in it would be another one in the header in which the upstream is asked about it.
			odd := func(c rune) bool { return c <= ' ' || c == 0x7f }
			if err != nil || !utf8.Valid(b) || len(b) == 0 || strings.ContainsFunc(string(b), odd) {
				return nil, "", errors.New("the token in the WebSocket subprotocol is not base64url of a token")
			}
			token = string(b)
		}
	}
	return others, token, nil
}
