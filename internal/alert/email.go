package alert

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/smtp"
	"net/textproto"
	"os"
	"strings"
	"time"
)

// email delivers by SMTP.
type email struct {
	d    *Destination
	t    *texts
	tls  *tls.Config
	host string
}

func newEmail(d *Destination, t *texts) (sender, error) {
	host, _, err := net.SplitHostPort(d.Address)
	if err != nil {
		return nil, err
	}
	c, err := trust(d, host)
	if err != nil {
		return nil, err
	}
	_, err = secret("password", d.PasswordFile, d.PasswordEnv)
	return &email{d, t, c, host}, err
}

func (e *email) send(ctx context.Context, m *Message) error {
	err := e.converse(ctx, m)
	if said, ok := errors.AsType[*textproto.Error](err); ok {
		_, last := errors.AsType[*unwanted](err)
		bad := said.Code/100 == 5
		return &refusal{why: fmt.Errorf("%s answered %d: %s", e.d.Address, said.Code, clean(said.Msg, maxValue)), final: bad && last, whole: bad && !last}
	}
	if err != nil {
		return fmt.Errorf("%s: %w", e.d.Address, err)
	}
	return nil
}

func (e *email) converse(ctx context.Context, m *Message) error {
	password, err := secret("password", e.d.PasswordFile, e.d.PasswordEnv)
	if err != nil {
		return err
	}
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", e.d.Address)
	if err != nil {
		return err
	}
	defer conn.Close()
	raw := conn
	defer context.AfterFunc(ctx, func() { _ = raw.SetDeadline(time.Unix(1, 0)) })()
	if e.d.TLS == "tls" {
		conn = tls.Client(conn, e.tls)
	}
	c, err := smtp.NewClient(&terse{Conn: conn, left: 64 << 10}, e.host)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.Hello(ourName()); err != nil {
		return err
	}
	if e.d.TLS == "" || e.d.TLS == "starttls" {
		if ok, _ := c.Extension("STARTTLS"); !ok {
			return &refusal{why: errors.New("the server offers no STARTTLS: nothing is sent in clear"), whole: true}
		}
		if err := c.StartTLS(e.tls); err != nil {
			return err
		}
	}
	if password != "" {
		auth := smtp.PlainAuth("", e.d.Username, password, e.host)
		if e.d.TLS == "tls" { // PlainAuth looks for STARTTLS only
			auth = overTLS{auth}
		}
		if err := c.Auth(auth); err != nil {
			return hide(err, password)
		}
	}
	from, err := mailAddress(e.d.From)
	if err != nil {
		return err
	}
	if err := c.Mail(from.Address); err != nil {
		return err
	}
	if err := e.recipients(c); err != nil {
		return err
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	if _, err := w.Write(e.text(m)); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return &unwanted{err}
	}
	_ = c.Quit() // it has taken the mail
	return nil
}

// unwanted is what the server says of the mail itself, after all of it.
type unwanted struct{ error }

func (u *unwanted) Unwrap() error { return u.error }

// recipients names them all. One that is refused takes no mail from the others.
func (e *email) recipients(c *smtp.Client) error {
	var refused error
	taken := 0
	for _, to := range e.d.To {
		a, err := mailAddress(to)
		if err != nil {
			return err
		}
		err = c.Rcpt(a.Address)
		if said, ok := errors.AsType[*textproto.Error](err); ok && said.Code/100 == 5 {
			refused = err
			continue
		}
		if err != nil {
			return err
		}
		taken++
	}
	if taken == 0 {
		return refused
	}
	return nil
}

// text is the mail. Headers are encoded words and our own hashes, so that nothing in a finding can begin another header.
func (e *email) text(m *Message) []byte {
	title, body, _ := e.t.of(m)
	var b bytes.Buffer
	header := func(name, value string) { fmt.Fprintf(&b, "%s: %s\r\n", name, value) }
	from, _ := mailAddress(e.d.From)
	_, domain, _ := strings.Cut(from.Address, "@")
	header("From", from.String())
	to := []string{}
	for _, text := range e.d.To {
		if a, err := mailAddress(text); err == nil {
			to = append(to, a.String())
		}
	}
	header("To", strings.Join(to, ",\r\n "))
	subject := strings.ReplaceAll(cut(title, maxValue), "=?", "= ?") // what looks encoded would be decoded
	header("Subject", strings.ReplaceAll(mime.QEncoding.Encode("utf-8", subject), "?= =?", "?=\r\n =?"))
	header("Date", m.Time.Format(time.RFC1123Z))
	header("Message-ID", "<"+m.Key+"@"+domain+">")
	header("Auto-Submitted", "auto-generated")
	header("X-Annals-Key", m.Key)
	header("X-Annals-Severity", string(m.Severity))
	header("MIME-Version", "1.0")
	header("Content-Type", "text/plain; charset=utf-8")
	header("Content-Transfer-Encoding", "quoted-printable")
	b.WriteString("\r\n")
	q := quotedprintable.NewWriter(&b)
	_, _ = q.Write([]byte(strings.ReplaceAll(body, "\n", "\r\n") + "\r\n")) // into memory
	_ = q.Close()
	return b.Bytes()
}

// overTLS lets PLAIN be used on a connection that was TLS from the start.
type overTLS struct{ smtp.Auth }

func (o overTLS) Start(s *smtp.ServerInfo) (string, []byte, error) {
	secure := *s
	secure.TLS = true
	return o.Auth.Start(&secure)
}

// hide keeps a password out of what a server says.
func hide(err error, password string) error {
	if said, ok := errors.AsType[*textproto.Error](err); ok && len(password) > 3 {
		return &textproto.Error{Code: said.Code, Msg: strings.ReplaceAll(said.Msg, password, "(a secret)")}
	}
	return err
}

// terse ends a conversation in which the server says too much.
type terse struct {
	net.Conn
	left int
}

func (b *terse) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errors.New("the server says too much")
	}
	n, err := b.Conn.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

func ourName() string {
	name, err := os.Hostname()
	if err != nil || clean(name, maxValue) != name || strings.ContainsAny(name, " \r\n") || name == "" {
		return "localhost"
	}
	return name
}
