// Package web holds the web UI as it is built: Dist, which the server serves. Its sources are in src; npm run build makes dist of
// them, the same bytes each time, and dist is kept in the repository so that go build needs no Node.
package web

import "embed"

// Dist holds the built files under dist/. index.html has the placeholder __CSP_NONCE__, for which a server puts a fresh nonce in
// every answer; all other files have their hash in their name.
//
//go:embed all:dist
var Dist embed.FS
