package alert

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"annals.dev/internal/detect"
)

var syslogSeverity = map[detect.Severity]int{detect.Critical: 2, detect.High: 3, detect.Medium: 4, detect.Low: 5, detect.Informational: 6}

const (
	maxDatagram  = 2 << 10 // what every receiver should take
	maxSyslog    = 8 << 10
	syslogWait   = time.Second           // for a receiver to say that it has gone
	datagramWait = 50 * time.Millisecond // or that nobody listens
)

// syslog sends each finding as a message of RFC 5424.
type syslog struct {
	d        *Destination
	t        *texts
	tls      *tls.Config
	facility int
}

func newSyslog(d *Destination, t *texts) (sender, error) {
	host, _, err := net.SplitHostPort(d.Address)
	if err != nil {
		return nil, err
	}
	c, err := trust(d, host)
	facility := d.Facility
	if facility == "" {
		facility = "authpriv"
	}
	return &syslog{d, t, c, slices.Index(facilities, facility)}, err
}

// send writes the message on a connection of its own, and waits a moment whether the receiver resets it: the protocol has no
// answer, so that is the most that can be known.
func (s *syslog) send(ctx context.Context, m *Message) error {
	if err := s.write(ctx, m); err != nil {
		return fmt.Errorf("%s: %w", s.d.Address, err)
	}
	return nil
}

func (s *syslog) write(ctx context.Context, m *Message) error {
	network := "tcp"
	if s.d.Network == "udp" {
		network = "udp"
	}
	conn, err := new(net.Dialer).DialContext(ctx, network, s.d.Address)
	if err != nil {
		return err
	}
	defer conn.Close()
	raw := conn
	defer context.AfterFunc(ctx, func() { _ = raw.SetDeadline(time.Unix(1, 0)) })()
	if network == "udp" {
		if _, err := conn.Write(s.text(m, maxDatagram)); err != nil {
			return err
		}
		return s.listen(ctx, conn, datagramWait)
	}
	text := s.text(m, maxSyslog)
	framed := append([]byte(strconv.Itoa(len(text))+" "), text...)
	if s.d.Network != "tcp" {
		secure := tls.Client(conn, s.tls)
		if err := secure.HandshakeContext(ctx); err != nil {
			return err
		}
		conn = secure
	}
	if _, err := conn.Write(framed); err != nil {
		return err
	}
	if half, ok := conn.(interface{ CloseWrite() error }); ok {
		if err := half.CloseWrite(); err != nil {
			return err
		}
	}
	return s.listen(ctx, conn, syslogWait)
}

// listen waits a moment for the receiver to say that it is not there.
func (s *syslog) listen(ctx context.Context, conn net.Conn, wait time.Duration) error {
	_ = conn.SetReadDeadline(time.Now().Add(wait))
	_, err := io.CopyN(io.Discard, conn, maxAnswer)
	if timeout, ok := errors.AsType[net.Error](err); err == nil || errors.Is(err, io.EOF) || ok && timeout.Timeout() && ctx.Err() == nil {
		return nil
	}
	return err
}

// text is the message: <PRI>1 TIME HOST annals - MSGID [data] text.
func (s *syslog) text(m *Message, most int) []byte {
	f := m.First()
	title, _, _ := s.t.of(m)
	text := title
	if f.Summary != "" && m.Digest == nil {
		text += ": " + f.Summary
	}
	var b bytes.Buffer
	host, _ := os.Hostname()
	fmt.Fprintf(&b, "<%d>1 %s %s annals - finding [annals@32473", s.facility*8+syslogSeverity[m.Severity], m.Time.UTC().Format("2006-01-02T15:04:05.000000Z"), token(host, 255))
	for _, p := range [][2]string{{"key", m.Key}, {"finding", f.ID}, {"severity", string(m.Severity)}, {"rule", f.Rule}, {"cluster", f.Cluster}, {"namespace", f.Namespace},
		{"user", f.User}, {"as", f.As}, {"peer", f.Peer}, {"verb", f.Verb}, {"resource", f.Resource}, {"name", f.Name}, {"techniques", strings.Join(f.Techniques, ",")},
		{"findings", strconv.Itoa(m.Count)}, {"url", m.URL}} {
		if p[1] == "" {
			continue
		}
		param := fmt.Sprintf(` %s="%s"`, p[0], syslogEscape.Replace(cut(p[1], 200)))
		if b.Len()+len(param) > most-200 {
			break
		}
		b.WriteString(param)
	}
	b.WriteString("] \xef\xbb\xbf")
	b.WriteString(cut(clean(text, maxSyslog), most-b.Len()))
	return b.Bytes()
}

var syslogEscape = strings.NewReplacer(`\`, `\\`, `"`, `\"`, `]`, `\]`)

// token is a field of the header: printable ASCII without blanks.
func token(s string, most int) string {
	s = strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' {
			return -1
		}
		return r
	}, s)
	if s == "" {
		return "-"
	}
	return s[:min(len(s), most)]
}
