package alert

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

const signatureHeader = "Annals-Signature"

// webhook sends the message as it is.
func (p *poster) webhook(m *Message, t *texts, h http.Header) ([]byte, error) {
	title, body, _ := t.of(m)
	b, err := json.Marshal(struct {
		Version int `json:"version"`
		*Message
		Title string `json:"title"`
		Body  string `json:"body"`
	}{1, m, title, body})
	if err != nil {
		return nil, err
	}
	key, err := secret("secret", p.d.SecretFile, p.d.SecretEnv)
	if err != nil {
		return nil, err
	}
	if key != "" {
		h.Set(signatureHeader, sign(key, time.Now(), b))
	}
	return b, nil
}

// sign is "t=SECONDS,v1=HEX": the HMAC-SHA256 of the seconds, a dot, and the body. The time is in it so that a receiver can refuse
// what was recorded and sent again.
func sign(key string, at time.Time, body []byte) string {
	seconds := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(seconds + "."))
	mac.Write(body)
	return "t=" + seconds + ",v1=" + hex.EncodeToString(mac.Sum(nil))
}
