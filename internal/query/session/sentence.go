package session

import (
	"fmt"
	"strings"
	"time"
)

// longestCommand is how much of a command a sentence shows, in characters.
const longestCommand = 160

// sentence says what happened in words.
func (s *Session) sentence() string {
	var b strings.Builder
	b.WriteString(s.User)
	if s.User == "" {
		b.WriteString("somebody unknown")
	}
	if s.As != "" {
		b.WriteString(" as " + s.As)
	}
	done := s.State == Open || s.State == Ended
	if !done {
		b.WriteString(" tried to")
	}
	b.WriteString(" ")
	verb := func(present, past string) string {
		if done {
			return past
		}
		return present
	}
	target := s.Target
	switch s.Kind {
	case "exec":
		fmt.Fprintf(&b, "%s %s in %s", verb("run", "ran"), shown(s.Command, "a command that is not recorded"), target)
	case "cp":
		fmt.Fprintf(&b, "%s files %s %s with %s", verb("copy", "copied"), direction(s.Command), target, shown(s.Command, ""))
	case "attach":
		fmt.Fprintf(&b, "%s to %s", verb("attach", "attached"), target)
	case "portforward":
		fmt.Fprintf(&b, "%s %s of %s", verb("forward", "forwarded"), ports(s.Ports), target)
	case "proxy":
		fmt.Fprintf(&b, "%s %s through the API server", verb("reach", "reached"), target+clip(s.Path))
	case "ephemeralcontainer":
		fmt.Fprintf(&b, "%s an ephemeral container%s to %s", verb("add", "added"), image(s.Image), target)
	case "debug":
		if strings.HasPrefix(target, "nodes/") {
			fmt.Fprintf(&b, "%s a pod%s to debug %s", verb("make", "made"), image(s.Image), target)
		} else {
			fmt.Fprintf(&b, "%s %s, a copy to debug%s", verb("make", "made"), target, image(s.Image))
		}
	}
	if s.Container != "" {
		fmt.Fprintf(&b, " (container %s)", s.Container)
	}
	if s.Namespace != "" && !strings.HasPrefix(s.Target, "nodes/") {
		b.WriteString(" in " + s.Namespace)
	}
	switch {
	case s.State == Denied:
		fmt.Fprintf(&b, ": refused (%d)", s.Code)
	case s.State == Failed:
		b.WriteString(": failed")
		if s.Code != 0 {
			fmt.Fprintf(&b, " (%d)", s.Code)
		}
	case s.State == Open:
		b.WriteString(", no end recorded")
	case s.State == Unknown:
		b.WriteString(", what came of it is not recorded")
	case s.lasts():
		b.WriteString(", " + lasted(s.Seconds))
	}
	return b.String()
}

// lasts says whether how long the request took is how long the session took.
func (s *Session) lasts() bool { return s.Kind != "ephemeralcontainer" && s.Kind != "debug" }

func lasted(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second))
	switch {
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Round(time.Millisecond)/time.Millisecond)
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Round(time.Second)/time.Second))
	}
	return d.Round(time.Second).String()
}

func direction(command []string) string {
	for _, word := range command {
		if strings.HasPrefix(strings.TrimPrefix(word, "-"), "x") {
			return "to"
		}
	}
	return "from"
}

func ports(ports []int) string {
	switch len(ports) {
	case 0:
		return "ports" // clients that speak SPDY name them within the connection alone
	case 1:
		return fmt.Sprintf("port %d", ports[0])
	}
	text := make([]string, len(ports))
	for i, p := range ports {
		text[i] = fmt.Sprint(p)
	}
	return "ports " + strings.Join(text, ", ")
}

func image(name string) string {
	if name == "" {
		return ""
	}
	return " with " + clip(name)
}

// shown writes a command as one would type it.
func shown(command []string, none string) string {
	if len(command) == 0 {
		return none
	}
	return "`" + clip(Line(command)) + "`"
}

// Line writes a command as a shell reads it.
func Line(command []string) string {
	words := make([]string, len(command))
	for i, w := range command {
		if w == "" || strings.IndexFunc(w, func(r rune) bool { return !plain(r) }) >= 0 {
			w = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
		words[i] = w
	}
	return strings.Join(words, " ")
}

func plain(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:=@%+,", r) || r >= 0x80
}

func clip(s string) string {
	n := 0
	for i := range s {
		if n++; n > longestCommand {
			return s[:i] + "…"
		}
	}
	return s
}
