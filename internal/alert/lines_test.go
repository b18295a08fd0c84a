package alert

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"mime"
	"net"
	"net/mail"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"
)

// certificate is one for 127.0.0.1, and a file with who signed it: itself.
func certificate(t *testing.T) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	must(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, file(t, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
}

// line is a server for each connection of a listener.
func serve(t *testing.T, l net.Listener, each func(c net.Conn)) {
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				each(c)
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		wg.Wait()
	})
}

// post is a mail server.
type post struct {
	address, ca string
	mu          sync.Mutex
	mails       []mailed
	said        []string
	answer      func(verb string, n int) string // "" is what a server in order would say
	noTLS       bool
}

type mailed struct {
	from   string
	to     []string
	login  string
	secure bool
	text   []byte
}

func newPost(t *testing.T, implicit bool) *post {
	cert, ca := certificate(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	p := &post{address: l.Addr().String(), ca: ca}
	conf := &tls.Config{Certificates: []tls.Certificate{cert}}
	serve(t, l, func(c net.Conn) {
		_ = c.SetDeadline(time.Now().Add(10 * time.Second))
		if implicit {
			c = tls.Server(c, conf)
		}
		p.converse(c, conf, implicit)
	})
	return p
}

func (p *post) converse(c net.Conn, conf *tls.Config, secure bool) {
	in := bufio.NewReader(c)
	say := func(s string) { fmt.Fprintf(c, "%s\r\n", s) }
	say("220 ready")
	m := mailed{secure: secure}
	counts := map[string]int{}
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimRight(line, "\r\n")
		verb, rest, _ := strings.Cut(line, " ")
		p.mu.Lock()
		p.said = append(p.said, line)
		answer := ""
		if p.answer != nil {
			answer = p.answer(verb, counts[verb])
		}
		p.mu.Unlock()
		counts[verb]++
		if answer != "" && verb != "DATA" {
			say(answer)
			continue
		}
		switch verb {
		case "EHLO":
			if !m.secure && !p.noTLS {
				say("250-hello\r\n250 STARTTLS")
			} else {
				say("250-hello\r\n250 AUTH PLAIN")
			}
		case "STARTTLS":
			say("220 go")
			c = tls.Server(c, conf)
			in, m.secure = bufio.NewReader(c), true
		case "AUTH":
			b, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(rest, "PLAIN "))
			m.login = string(b)
			say("235 welcome")
		case "MAIL":
			m.from = rest
			say("250 ok")
		case "RCPT":
			m.to = append(m.to, rest)
			say("250 ok")
		case "DATA":
			say("354 go on")
			var text bytes.Buffer
			for {
				l, err := in.ReadString('\n')
				if err != nil {
					return
				}
				if l == ".\r\n" {
					break
				}
				text.WriteString(strings.TrimPrefix(l, "."))
			}
			m.text = text.Bytes()
			if answer != "" {
				say(answer)
				continue
			}
			p.mu.Lock()
			p.mails = append(p.mails, m)
			p.mu.Unlock()
			say("250 taken")
		case "QUIT":
			say("221 bye")
			return
		default:
			say("500 what")
		}
	}
}

func (p *post) all() []mailed {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.mails)
}

// checkMail sees that a mail has our headers and no others, and gives it.
func checkMail(t *testing.T, text []byte) *mail.Message {
	t.Helper()
	for line := range bytes.Lines(text) {
		if !bytes.HasSuffix(line, []byte("\r\n")) || len(line) > 1000 || bytes.IndexByte(line[:len(line)-2], '\r') >= 0 {
			t.Fatalf("a line of a mail: %q", line)
		}
	}
	m, err := mail.ReadMessage(bytes.NewReader(text))
	if err != nil {
		t.Fatalf("%v: %q", err, text)
	}
	ours := []string{"From", "To", "Subject", "Date", "Message-Id", "Auto-Submitted", "X-Annals-Key", "X-Annals-Severity", "Mime-Version", "Content-Type", "Content-Transfer-Encoding"}
	for name, values := range m.Header {
		if !slices.Contains(ours, name) || len(values) != 1 {
			t.Errorf("header %s: %q", name, values)
		}
	}
	if len(m.Header) != len(ours) {
		t.Errorf("headers: %v", m.Header)
	}
	if _, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject")); err != nil {
		t.Errorf("subject %q: %v", m.Header.Get("Subject"), err)
	}
	return m
}

func mailConfig(p *post, rest string) string {
	return one("email", "address: "+p.address+"\ncaFile: "+p.ca+"\nfrom: Annals <annals@example.com>\nto: [a@example.com, Bea <b@example.com>]\n"+rest)
}

func TestEmail(t *testing.T) {
	for name, implicit := range map[string]bool{"starttls": false, "tls": true} {
		t.Run(name, func(t *testing.T) {
			p := newPost(t, implicit)
			r := start(t, mailConfig(p, "tls: "+name+"\nusername: annals\npasswordFile: "+file(t, "p4ss")))
			r.source.find(evil())
			until(t, "the mail", func() bool { return len(r.out.of(Delivered)) == 1 })
			m := p.all()[0]
			if !m.secure || m.login != "\x00annals\x00p4ss" || !strings.HasPrefix(m.from, "FROM:<annals@example.com>") || !slices.Equal(m.to, []string{"TO:<a@example.com>", "TO:<b@example.com>"}) {
				t.Errorf("%+v", m)
			}
			if id := checkMail(t, m.text).Header.Get("Message-Id"); id != "<"+r.out.of(Delivered)[0].Key+"@example.com>" {
				t.Errorf("Message-ID %s", id)
			}
		})
	}
}

// TestEmailWrong sees what becomes of a mail that a server does not take.
func TestEmailWrong(t *testing.T) {
	for _, c := range []struct {
		name     string
		answer   func(verb string, n int) string
		noTLS    bool
		result   Result
		once     bool
		mails    int
		contains string
	}{
		{"busy at first", nil, false, Delivered, false, 1, ""},
		{"mail not wanted", func(verb string, _ int) string { return map[string]string{"DATA": "554 spam\x1b"}[verb] }, false, Failed, true, 0, "554"},
		{"wrong password", func(verb string, _ int) string { return map[string]string{"AUTH": "535 not p4ss"}[verb] }, false, Failed, false, 0, "not (a secret)"},
		{"one of two recipients", func(verb string, n int) string {
			if verb == "RCPT" && n == 0 {
				return "550 nobody"
			}
			return ""
		}, false, Delivered, true, 1, ""},
		{"no recipient", func(verb string, _ int) string { return map[string]string{"RCPT": "550 nobody"}[verb] }, false, Failed, false, 0, "550"},
		{"no STARTTLS", nil, true, Failed, false, 0, "nothing is sent in clear"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := newPost(t, false)
			p.noTLS, p.answer = c.noTLS, c.answer
			if c.name == "busy at first" {
				tries := 0
				p.answer = func(verb string, _ int) string {
					if verb == "MAIL" {
						if tries++; tries < 3 {
							return "451 later"
						}
					}
					return ""
				}
			}
			r := start(t, mailConfig(p, "username: annals\npasswordFile: "+file(t, "p4ss")))
			r.source.find(finding(1))
			until(t, "the outcome", func() bool { return len(r.out.of(c.result)) == 1 })
			o := r.out.of(c.result)[0]
			if (o.Attempts == 1) != c.once || len(p.all()) != c.mails || !strings.Contains(o.Reason, c.contains) || strings.Contains(o.Reason, "p4ss") {
				t.Errorf("%d mails; %+v", len(p.all()), o)
			}
			p.mu.Lock()
			defer p.mu.Unlock()
			if c.noTLS && slices.ContainsFunc(p.said, func(s string) bool { return strings.HasPrefix(s, "AUTH") || strings.HasPrefix(s, "MAIL") }) {
				t.Errorf("in clear: %q", p.said)
			}
		})
	}
}

// TestStranger trusts nobody but the authorities that it was told of.
func TestStranger(t *testing.T) {
	p := newPost(t, true)
	r := start(t, one("email", "tls: tls\naddress: "+p.address+"\nfrom: a@example.com\nto: [b@example.com]"))
	r.source.find(finding(1))
	until(t, "some attempts", func() bool { return r.a.Destinations()[0].Attempts > 2 })
	if s := r.a.Destinations()[0]; len(p.all()) != 0 || !strings.Contains(s.Error, "certificate") {
		t.Errorf("%+v", s)
	}
}

var syslogText = regexp.MustCompile(`(?s)^<(\d{1,3})>1 (\S+) (\S+) annals - finding (\[annals@32473(?: [a-z]+="(?:[^"\\\]]|\\["\\\]])*")*\]) \x{feff}(.*)$`)

// checkSyslog sees that a message is one of RFC 5424 and no more, and gives its parts.
func checkSyslog(t *testing.T, text []byte, most int) []string {
	t.Helper()
	parts := syslogText.FindSubmatch(text)
	if parts == nil || len(text) > most || bytes.ContainsAny(text, "\r\n\x00") || !utf8.Valid(text) {
		t.Fatalf("%d bytes: %q", len(text), text)
	}
	if _, err := time.Parse(time.RFC3339Nano, string(parts[2])); err != nil {
		t.Errorf("%v: %q", err, text)
	}
	return []string{string(parts[1]), string(parts[4]), string(parts[5])}
}

func TestSyslog(t *testing.T) {
	cert, ca := certificate(t)
	for _, network := range []string{"tcp", "tls", "udp"} {
		t.Run(network, func(t *testing.T) {
			came := make(chan []byte, 10)
			var address string
			if network == "udp" {
				c, err := net.ListenPacket("udp", "127.0.0.1:0")
				must(t, err)
				defer c.Close()
				address = c.LocalAddr().String()
				go func() {
					b := make([]byte, 64<<10)
					for {
						n, _, err := c.ReadFrom(b)
						if err != nil {
							return
						}
						came <- bytes.Clone(b[:n])
					}
				}()
			} else {
				l, err := net.Listen("tcp", "127.0.0.1:0")
				must(t, err)
				address = l.Addr().String()
				if network == "tls" {
					l = tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{cert}})
				}
				serve(t, l, func(c net.Conn) {
					b, err := io.ReadAll(c)
					size, text, _ := bytes.Cut(b, []byte(" "))
					if n, _ := strconv.Atoi(string(size)); err != nil || n != len(text) {
						t.Errorf("%v: a frame of %s bytes has %d", err, size, len(text))
					}
					came <- text
				})
			}
			r := start(t, one("syslog", "network: "+network+"\ncaFile: "+ca+"\naddress: "+address+"\nfacility: local3"))
			r.source.find(evil(), finding(2))
			for _, f := range []string{evil().ID, finding(2).ID} {
				parts := checkSyslog(t, <-came, maxSyslog)
				if parts[0] != strconv.Itoa(19*8+3) || !strings.Contains(parts[1], ` finding="`+f+`"`) {
					t.Errorf("%q", parts)
				}
			}
			until(t, "the outcomes", func() bool { return len(r.out.of(Delivered)) == 2 })
		})
	}
}

// TestSyslogGone tries again where a receiver resets the connection, or none is there.
func TestSyslogGone(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	var mu sync.Mutex
	n, taken := 0, 0
	serve(t, l, func(c net.Conn) {
		mu.Lock()
		n++
		gone := n <= 2
		mu.Unlock()
		if gone {
			_ = c.(*net.TCPConn).SetLinger(0)
			return
		}
		if b, err := io.ReadAll(c); err == nil && len(b) > 0 {
			mu.Lock()
			taken++
			mu.Unlock()
		}
	})
	r := start(t, one("syslog", "network: tcp\naddress: "+l.Addr().String()))
	r.source.find(finding(1))
	until(t, "the outcome", func() bool { return len(r.out.of(Delivered)) == 1 })
	mu.Lock()
	defer mu.Unlock()
	if taken != 1 || r.out.of(Delivered)[0].Attempts != 3 {
		t.Errorf("taken %d times, %+v", taken, r.out.of(Delivered)[0])
	}
}
