package logfile

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"
)

// millEvery is how often backups are looked at for their age, if nothing is rotated.
const millEvery = time.Hour

// errStopped ends a compression because the log is closed. The next start makes it anew.
var errStopped = errors.New("the log is closed")

// runMill removes and compresses backups: at the start, after each rotation, and every hour.
func (l *Log) runMill() {
	ticker := time.NewTicker(millEvery)
	defer ticker.Stop()
	for {
		l.millOnce(time.Now())
		select {
		case <-l.stop:
			return
		case <-l.mill:
		case <-ticker.C:
		}
	}
}

// backup is one rotated file: plain, compressed or, after a crash, both.
type backup struct {
	name        string // without .gz
	time        time.Time
	plain, gzip bool
	size        int64
}

func (l *Log) millOnce(now time.Time) {
	backups, err := l.backups()
	if err != nil {
		l.report.Problem("prune", err)
		return
	}
	total := int64(0)
	for i, b := range backups {
		total += b.size
		if l.cfg.MaxBackups > 0 && i >= l.cfg.MaxBackups || l.cfg.MaxAge > 0 && now.Sub(b.time) > l.cfg.MaxAge ||
			l.cfg.MaxTotal > 0 && total > l.cfg.MaxTotal {
			if err := b.remove(); err != nil {
				l.report.Problem("prune", err)
			}
			continue
		}
		if l.cfg.Compress && b.plain {
			if err := l.compress(b.name); err != nil && !errors.Is(err, errStopped) {
				l.report.Problem("compress", fmt.Errorf("%s stays as it is: %w", b.name, err))
			}
		}
	}
}

// backups lists those of this log, the newest first, and removes what a crash left half compressed.
func (l *Log) backups() ([]backup, error) {
	prefix, ext := l.parts()
	dir, base := filepath.Split(prefix)
	entries, err := os.ReadDir(cmp.Or(dir, "."))
	if err != nil {
		return nil, err
	}
	found := map[string]*backup{}
	for _, e := range entries {
		rest, ours := strings.CutPrefix(e.Name(), base)
		if !ours || !e.Type().IsRegular() {
			continue
		}
		rest, temp := strings.CutSuffix(rest, gzipSuffix+tempSuffix)
		rest, compressed := strings.CutSuffix(rest, gzipSuffix)
		stamp, ours := strings.CutSuffix(rest, ext)
		at, err := time.Parse(stampLayout, stamp)
		if !ours || err != nil || at.Format(stampLayout) != stamp {
			continue
		}
		if temp {
			if err := os.Remove(dir + e.Name()); err != nil {
				return nil, err
			}
			continue
		}
		b := found[stamp]
		if b == nil {
			b = &backup{name: prefix + stamp + ext, time: at}
			found[stamp] = b
		}
		b.plain, b.gzip = b.plain || !compressed, b.gzip || compressed
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue // somebody else removes them too
		}
		if err != nil {
			return nil, err
		}
		b.size += info.Size()
	}
	var all []backup
	for _, b := range found {
		all = append(all, *b)
	}
	slices.SortFunc(all, func(a, b backup) int { return b.time.Compare(a.time) })
	return all, nil
}

func (b backup) remove() error {
	var all error
	for _, f := range []struct {
		there bool
		name  string
	}{{b.plain, b.name}, {b.gzip, b.name + gzipSuffix}} {
		if f.there {
			if err := os.Remove(f.name); !errors.Is(err, fs.ErrNotExist) {
				all = errors.Join(all, err)
			}
		}
	}
	return all
}

// compress makes name.gz of name. The plain file goes only when the other is durable under its name.
func (l *Log) compress(name string) (err error) {
	in, err := os.Open(name)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	temp := name + gzipSuffix + tempSuffix
	out, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(temp)
		}
	}()
	z := gzip.NewWriter(out)
	_, err = io.Copy(z, stoppable{in, l.stop})
	if err == nil {
		err = z.Close()
	}
	if err == nil {
		err = out.Sync()
	}
	if err = errors.Join(err, out.Close()); err != nil {
		return err
	}
	if err = inherit(temp, info); err != nil {
		return err
	}
	if err = l.os.rename(temp, name+gzipSuffix); err != nil {
		return err
	}
	if err = syncDir(filepath.Dir(name)); err != nil {
		return err
	}
	return os.Remove(name)
}

// stoppable is a reader that ends with errStopped when stop is closed.
type stoppable struct {
	io.Reader
	stop <-chan struct{}
}

func (s stoppable) Read(p []byte) (int, error) {
	select {
	case <-s.stop:
		return 0, errStopped
	default:
		return s.Reader.Read(p)
	}
}
