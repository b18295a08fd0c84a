package alert

import (
	"encoding/json"
	"net/http"
	"strings"
	"unicode/utf8"
)

// What Slack takes at most.
const (
	slackHeader  = 150
	slackSection = 3000
	slackBlocks  = 8 // sections of one message
)

// slackEscape makes a text mean nothing to Slack: <!channel>, <@U123> and <https://…|a name> begin with what it escapes.
var slackEscape = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// slackLink is for an address within <…|…>.
var slackLink = strings.NewReplacer("&", "&amp;", "<", "%3C", ">", "%3E", "|", "%7C")

// slack says the message in blocks. Findings stand in plain text, in which Slack sees no mentions, links or marks.
func (p *poster) slack(m *Message, t *texts, _ http.Header) ([]byte, error) {
	type object = map[string]any
	plain := func(text string) object { return object{"type": "plain_text", "emoji": false, "text": text} }
	title, body, _ := t.of(m)
	blocks := []object{{"type": "header", "text": plain(cut(title, slackHeader))}}
	for _, part := range sections(cut(body, slackBlocks*slackSection*9/10)) {
		blocks = append(blocks, object{"type": "section", "text": plain(part)})
	}
	if m.URL != "" {
		link := "<" + slackLink.Replace(m.URL) + "|Open in Annals>"
		blocks = append(blocks, object{"type": "context", "elements": []object{{"type": "mrkdwn", "verbatim": true, "text": link}}})
	}
	return json.Marshal(object{
		"text": slackEscape.Replace(title), "mrkdwn": false, "link_names": false, "parse": "none",
		"unfurl_links": false, "unfurl_media": false, "blocks": blocks,
	})
}

// sections cuts a text at ends of lines where it can, else between characters.
func sections(text string) (parts []string) {
	for text != "" {
		n := len(text)
		if n > slackSection {
			n = strings.LastIndexByte(text[:slackSection], '\n') + 1
			if n < slackSection/2 {
				for n = slackSection; !utf8.RuneStart(text[n]); n-- {
				}
			}
		}
		if part := text[:n]; strings.TrimSpace(part) != "" {
			parts = append(parts, part)
		}
		text = text[n:]
	}
	return parts
}
