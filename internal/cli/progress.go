package cli

import (
	"fmt"
	"io"
	"strings"
	"time"

	"golang.org/x/term"
)

// progress tells how long work goes: a bar that is drawn over on a terminal, a line every ten seconds elsewhere. One
// goroutine uses it.
type progress struct {
	w        io.Writer
	terminal bool
	width    func() int
	now      func() time.Time
	last     time.Time
	drawn    bool
}

const (
	barEvery  = 100 * time.Millisecond
	lineEvery = 10 * time.Second
	barWidth  = 24
)

func (io *streams) progress() *progress {
	p := &progress{w: io.err, terminal: io.errTerminal, now: time.Now, width: func() int { return 80 }}
	if io.errTerminal {
		p.width = func() int {
			if w, _, err := term.GetSize(io.errFd); err == nil && w > 20 {
				return w
			}
			return 80
		}
	}
	p.last = p.now()
	return p
}

// show draws how much of total is done; total 0 means that nobody knows.
func (p *progress) show(done, total int64, text string) {
	every := lineEvery
	if p.terminal {
		every = barEvery
	}
	now := p.now()
	if now.Sub(p.last) < every {
		return
	}
	p.last = now
	share := ""
	if total > 0 {
		share = fmt.Sprintf("%3d%%  ", min(100, done*100/total))
	}
	if !p.terminal {
		fmt.Fprintf(p.w, "%s%s\n", share, text)
		return
	}
	bar := ""
	if total > 0 {
		n := int(min(barWidth, done*barWidth/total))
		bar = "[" + strings.Repeat("=", n) + strings.Repeat(" ", barWidth-n) + "] "
	}
	line := []rune(bar + share + text)
	if w := p.width() - 1; len(line) > w {
		line = line[:w]
	}
	fmt.Fprintf(p.w, "\r\x1b[K%s", string(line))
	p.drawn = true
}

// clear takes the bar away.
func (p *progress) clear() {
	if p.drawn {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.drawn = false
	}
}

// count writes a number with commas between the thousands.
func count[N int | int64 | uint64](n N) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// size writes a number of bytes.
func size(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%d B", n)
}

// plural is a number of things.
func plural[N int | int64 | uint64](n N, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return count(n) + " " + thing + "s"
}
