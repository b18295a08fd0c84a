package proxy

import (
	"encoding/json"
	"net/http"
	"strconv"

	"annals.dev/capture"
)

// refuse answers with a Kubernetes Status, as an API server does.
func (p *Proxy) refuse(w http.ResponseWriter, r *http.Request, f *refusal) {
	p.cfg.Metrics.refused(f.code)
	message := f.Error()
	if f.code == http.StatusUnauthorized {
		message = "Unauthorized" // what was wrong with a credential is nobody's affair who does not hold a right one
	}
	status := struct {
		Kind       string   `json:"kind"`
		APIVersion string   `json:"apiVersion"`
		Metadata   struct{} `json:"metadata"`
		Status     string   `json:"status"`
		Message    string   `json:"message"`
		Reason     string   `json:"reason,omitempty"`
		Code       int      `json:"code"`
	}{Kind: "Status", APIVersion: "v1", Status: "Failure", Message: message, Reason: f.reason, Code: f.code}
	b, err := json.Marshal(status)
	if err != nil {
		http.Error(w, http.StatusText(f.code), f.code) // cannot happen: all of it is text
		return
	}
	h := w.Header()
	if id := capture.AuditID(r.Context()); id != "" {
		h[auditIDHeader] = []string{id}
	}
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-cache, private")
	h.Set("Content-Length", strconv.Itoa(len(b)))
	w.WriteHeader(f.code)
	w.Write(b)
}
