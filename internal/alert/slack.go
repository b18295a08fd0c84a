package alert

import (
	"encoding/json"
	"net/http"
	"strings"
)

// What Slack takes at most.
const (
	slackHeader  = 150
	slackSection = 3000
	slackBlocks  = 8 // sections of one message
)

// escape makes a text mean nothing to Slack: <!channel>, <@U123> and <https://…|a name> begin with what it escapes.
var slackEscape = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// slack says the message in blocks. Findings stand in plain text, in which Slack sees no mentions, links or marks.
func (p *poster) slack(m *Message, t *texts, _ http.Header) ([]byte, error) {
	type object = map[string]any
	title, body, _ := t.of(m)
	blocks := []object{{"type": "header", "text": object{"type": "plain_text", "emoji": false, "text": cut(title, slackHeader)}}}
	for n := 0; body != "" && n < slackBlocks; n++ {
		part := body
		if len(part) > slackSection {
			if part = body[:slackSection]; n < slackBlocks-1 {
				if i := strings.LastIndexByte(part, '\n'); i > 0 {
					part = part[:i+1]
				}
			}
		}
		part = cutValid(part)
		body = body[len(part):]
		if n == slackBlocks-1 && body != "" {
			part = cut(part+" ", slackSection-len("…")) + "…"
		}
		if strings.TrimSpace(part) != "" {
			blocks = append(blocks, object{"type": "section", "text": object{"type": "plain_text", "emoji": false, "text": part}})
		}
	}
	if m.URL != "" { // ours, and the IDs in it are our own hashes: still it is escaped
		link := "<" + strings.NewReplacer("&", "&amp;", "<", "%3C", ">", "%3E", "|", "%7C").Replace(m.URL) + "|Open in Annals>"
		blocks = append(blocks, object{"type": "context", "elements": []object{{"type": "mrkdwn", "verbatim": true, "text": link}}})
	}
	return json.Marshal(object{
		"text": slackEscape.Replace(title), "mrkdwn": false, "link_names": false, "parse": "none",
		"unfurl_links": false, "unfurl_media": false, "blocks": blocks,
	})
}

// cutValid drops the half of a character at the end.
func cutValid(s string) string {
	return strings.TrimRightFunc(s, func(r rune) bool { return r == '\uFFFD' })
}
