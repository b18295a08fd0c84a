package diff

import (
	"fmt"
	"slices"
	"strings"

	"annals.dev/audit"
)

// ofSinks are the differences of sinks and of the flags that put them together.
var ofSinks = []*Difference{
	{
		ID: "refused-alone",
		Reason: "kube-apiserver sends a batch that the receiver refuses for good (400, 413, 422) again and again, and then drops all of it. We look for the event that is the cause and drop it " +
			"alone.",
		explains: func(m *mismatch) bool {
			of, ok := m.of.(posted)
			return ok && of.events > 1 && (strings.HasPrefix(of.script, "400") || strings.HasPrefix(of.script, "413") || strings.HasPrefix(of.script, "422"))
		},
	},
	{
		ID:     "no-redirect",
		Reason: "kube-apiserver follows redirects, by which a POST may become a GET, and takes credentials along. Events go to one server alone: a redirect is a failure.",
		explains: func(m *mismatch) bool {
			of, ok := m.of.(posted)
			return ok && (of.script == "302" || of.script == "307") && (m.field == "webhook.requests" && strings.Contains(m.upstream, "/elsewhere") && !strings.Contains(m.ours, "/elsewhere") || m.field == "webhook.ok")
		},
	},
	{
		ID:     "url-as-written",
		Reason: "The kubeconfig's server URL is used as the operator wrote it. kube-apiserver drops its query, and slashes that stand double or last.",
		explains: func(m *mismatch) bool {
			return m.field == "webhook.url" && (m.of == "/a?b=c" && strings.Replace(m.ours, "b=c&", "", 1) == m.upstream || m.of == "/a//b/" && strings.Replace(m.ours, "/a//b/", "/a/b", 1) == m.upstream)
		},
	},
	{
		ID:       "credentials-in-clear",
		Reason:   "A kubeconfig with credentials for an http:// server is refused. kube-apiserver leaves the credentials out and says nothing.",
		explains: scene("credentials-in-clear", "refused", "sent without"),
	},
	{
		ID:       "truncate-shares-nothing",
		Reason:   "kube-apiserver's truncated event has the annotations of the whole one, so that the other log says truncated of an event that is whole. Ours are bytes, which nobody shares.",
		explains: scene("truncate.others", "true", "false"),
	},
	{
		ID: "cut-not-dropped",
		Reason: "kube-apiserver drops an event that is too large even without its bodies, so that a client with a long enough URL is not recorded. We cut its texts, keep sixteen of each list and of the " +
			"annotations, and mark it.",
		explains: func(m *mismatch) bool {
			of, ok := m.of.(truncation)
			if !ok || m.field != "truncate" {
				return false
			}
			lines := func(s string) []string {
				return slices.DeleteFunc(strings.Split(s, "\n"), func(l string) bool { return l == "--" || l == "" })
			}
			theirs, left := lines(m.upstream), 0
			for _, l := range lines(m.ours) { // theirs are among ours, in order
				switch {
				case left < len(theirs) && l == theirs[left]:
					left++
				case !strings.Contains(l, `"audit.k8s.io/truncated":"true"`) || int64(len(l)) >= of.config.MaxEventSize:
					return false
				}
			}
			return left == len(theirs) && len(lines(m.ours)) <= len(of.events.events)
		},
	},
	{
		ID:       "strict-truncation",
		Reason:   "In mode blocking-strict a request whose event is too large even with its texts cut fails, because the event is not stored. kube-apiserver says that it is.",
		explains: scene("truncate.strict", "false", "true"),
	},
	{
		ID: "legacy-of-json",
		Reason: "A line of the legacy format is made of the event as JSON, so that a queue or a spool may stand before the log. Its time has microseconds and the server's zone, what is not UTF-8 is U+FFFD, " +
			"and an empty list of groups is none.",
		explains: func(m *mismatch) bool {
			of, ok := m.of.(written)
			if !ok || m.field != "log.legacy" {
				return false
			}
			var read audit.Event
			if read.UnmarshalJSON(ourEvent(of.events[0]).AppendJSON(nil)) != nil {
				return false
			}
			if at := &read.RequestReceivedTimestamp; !at.IsZero() {
				at.Time = at.Local()
			}
			return string(read.AppendLegacy(nil))+"\n" == m.ours
		},
	},
	{
		ID: "rotation-fills-files",
		Reason: "lumberjack begins a new file before the first line that it writes after a start if that line would fill the old one exactly. We do so only if the line does not fit, " +
			"at the start as later.",
		explains: func(m *mismatch) bool {
			of, ok := m.of.(rotation)
			return ok && m.field == "rotation.sizes" && of.before > 0 && of.before+of.lines[0] == megabyte
		},
	},
	{
		ID:       "rotation-overwrites-nothing",
		Reason:   "lumberjack gives two backups of one millisecond the same name, and so loses the first. Ours are unique.",
		explains: scene("rotation.burst", "true", "false"),
	},
	{
		ID:       "line-of-any-length",
		Reason:   "lumberjack refuses a line that is longer than a file may be, and the event is lost. We write it into a file of its own.",
		explains: scene("rotation.too long", "stored true, lost false, zeros false", "stored false, lost true, zeros false"),
	},
	{
		ID:       "removed-log",
		Reason:   "lumberjack writes on into a log file that somebody removed, where nobody will find it. We make a new one.",
		explains: scene("rotation.removed", "stored true, lost false, zeros false", "stored true, lost true, zeros false"),
	},
	{
		ID:       "cut-log",
		Reason:   "A log file that is cut while it is written, as by copytruncate, gets zeros from lumberjack up to where it was. We write at its end.",
		explains: scene("rotation.cut", "stored true, lost false, zeros false", "stored true, lost false, zeros true"),
	},
	{
		ID:     "negative-durations",
		Reason: "kube-apiserver accepts negative back-offs and waits, which mean nothing. We refuse them.",
		explains: func(m *mismatch) bool {
			switch m.field {
			case "options.build", "options.composition":
				return strings.Contains(fmt.Sprint(m.of), "=-1s") && (m.field == "options.composition" || strings.HasSuffix(m.ours, "cannot be negative"))
			case "options.validate":
			default:
				return false
			}
			rest := slices.DeleteFunc(strings.Split(m.ours, "\n"), func(s string) bool { return strings.HasSuffix(s, "can't be negative") })
			return strings.Join(rest, "\n") == m.upstream
		},
	},
}
