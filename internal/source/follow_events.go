package source

import (
	"context"
	"fmt"
	"net/url"
	"path/filepath"
	"strconv"
	"time"

	"github.com/google/uuid"

	"annals.dev/audit"
	"annals.dev/internal/access"
	"annals.dev/internal/format"
	"annals.dev/internal/ledger"
)

// What happened to a followed file, as the annotation annals.dev/what has it.
const (
	whatDeleted   = "source-deleted"
	whatTruncated = "source-truncated"
	whatReplaced  = "source-replaced"
	whatMissing   = "source-missing" // a rotated file went before it was read whole
	whatOpened    = "source-opened"
	whatSilent    = "source-silent"
	whatResumed   = "source-resumed"
)

var whatVerbs = map[string]string{
	whatDeleted: "delete", whatTruncated: "update", whatReplaced: "update", whatMissing: "delete",
	whatOpened: "patch", whatSilent: "watch", whatResumed: "watch",
}

// record makes an event of what happened to a log and has it in the ledger when it returns. A failure leaves the saved
// state as it was, so that the next run sees the same again.
func (l *followedLog) record(ctx context.Context, what, text string, args ...any) error {
	message := fmt.Sprintf(text, args...)
	path := filepath.Join(l.Dir, l.Live)
	e := sourceEvent(l.s.now, l.s.src.Cluster, l.s.cfg.Host, path, what, message)
	l.s.cfg.Log.Warn("follow: "+message, "cluster", l.s.src.Cluster, "path", path, "what", what)
	batch := ledger.Batch{Cluster: access.Reserved, Origin: "file/" + l.s.cfg.Host + ":" + path, Received: l.s.now, Events: []format.Event{e}}
	if _, err := l.s.ledger.append(ctx, batch); err != nil {
		l.s.stale = true
		return &ledgerError{fmt.Errorf("record that %s: %w", message, err)}
	}
	l.s.dirty = true
	return nil
}

// sourceEvent is an audit.k8s.io/v1 event of ours: the follower did not do what it tells of, it saw it.
func sourceEvent(at time.Time, cluster, host, path, what, message string) format.Event {
	uri := url.URL{Path: "/annals/source/" + cluster + path}
	now := audit.MicroTime{Time: at.UTC().Truncate(time.Microsecond)}
	e := audit.Event{
		Level: audit.LevelMetadata, AuditID: uuid.NewString(), Stage: audit.StageResponseComplete,
		RequestURI: uri.EscapedPath(), Verb: whatVerbs[what],
		User:                     audit.UserInfo{Username: "annals:follower", Groups: []string{"annals:system"}},
		UserAgent:                "annals",
		ObjectRef:                &audit.ObjectReference{Resource: "sources", Namespace: cluster, Name: path, APIGroup: "annals.dev", APIVersion: "v1"},
		ResponseStatus:           &audit.Status{Message: message},
		RequestReceivedTimestamp: now, StageTimestamp: now,
		Annotations: map[string]string{
			"annals.dev/what": what, "annals.dev/cluster": cluster, "annals.dev/host": host, "annals.dev/path": path,
		},
	}
	out := format.Event{Bytes: e.AppendJSON(nil)}
	if err := out.View.Parse(out.Bytes); err != nil {
		panic("BUG: an event of ours cannot be read: " + err.Error())
	}
	return out
}

// missing deals with the tracked files that are not in the directory any more. cut are those in whose place other content
// stands. replayed says that a compressed file is going to be read whole, which may be any of them.
func (l *followedLog) missing(ctx context.Context, cut []cutFile, entries []entry, replayed bool) error {
	live := hasName(entries, l.Live)
	gone := make(map[*tracked]bool)
	for _, c := range cut {
		if c.name != l.Live {
			continue // an inode used again: it is dealt with as any that is gone
		}
		if err := l.recordCut(ctx, c); err != nil {
			return err
		}
		gone[c.t] = !c.t.bound
	}
	for _, t := range l.Files {
		if t.bound || gone[t] || t.gone {
			continue
		}
		if err := l.recordGone(ctx, t, live, replayed); err != nil {
			return err
		}
		if t.f == nil {
			gone[t] = true
			continue
		}
		t.gone, t.grew = true, l.s.now
	}
	kept := l.Files[:0]
	for _, t := range l.Files {
		if gone[t] {
			t.close()
			l.s.dirty = true
			continue
		}
		kept = append(kept, t)
	}
	clear(l.Files[len(kept):])
	l.Files = kept
	if l.Gone && live {
		l.Gone, l.s.dirty = false, true
	}
	return nil
}

// cutFile is a file whose inode holds other content now.
type cutFile struct {
	t      *tracked
	name   string
	opened bool // it was open while that happened: it cannot be another file with the inode of a deleted one
}

func (l *followedLog) recordCut(ctx context.Context, c cutFile) error {
	copied := ""
	for _, t := range l.Files {
		if t.bound && t.Head == c.t.Head && t.Head.Len >= leastHead {
			copied = t.Name
		}
	}
	switch {
	case copied != "" && parseRotated(copied).compressed != "" && !c.opened:
		return nil // rotated and compressed while nobody watched; its inode serves again
	case copied != "":
		return l.record(ctx, whatTruncated, "%s was truncated, after it was copied to %s", l.Live, copied)
	case c.opened:
		return l.record(ctx, whatTruncated, "%s was truncated: the ledger has its first %d bytes; what stood behind them is lost", l.Live, c.t.Offset)
	}
	return l.record(ctx, whatReplaced, "%s has other content than was read before, and no rotated file holds that: the ledger has its first %d bytes; it was truncated or replaced while it was not followed", l.Live, c.t.Offset)
}

// recordGone tells rotation from the rest.
func (l *followedLog) recordGone(ctx context.Context, t *tracked, live, replayed bool) error {
	if t.Name != l.Live {
		if t.f == nil && t.Offset < t.Size && !replayed && parseRotated(t.Name).compressed == "" {
			return l.record(ctx, whatMissing, "%s is gone with %d bytes that were not read", t.Name, t.Size-t.Offset)
		}
		return nil
	}
	for _, o := range l.Files {
		if o.bound && o.Head == t.Head && t.Head.Len >= leastHead {
			return nil
		}
	}
	if t.f == nil && replayed {
		return nil // rotated and compressed before it could be opened; it is read again
	}
	where := ""
	if t.f != nil {
		path := whereabouts(t.f)
		if r := parseRotated(filepath.Base(path)); r.rotated && r.live == l.Live && filepath.Dir(path) == l.Dir {
			t.Name = filepath.Base(path) // rotated, and deleted at once
			return nil
		}
		if path != filepath.Join(l.Dir, l.Live) && path != "" {
			where = ", and the old one lies at " + path
		}
	}
	if l.Gone {
		return nil
	}
	read := strconv.FormatInt(t.Offset, 10)
	if t.f == nil {
		read += " (while it was not followed)"
	}
	if live {
		return l.record(ctx, whatReplaced, "%s is another file now%s; of the old one %s bytes were read", l.Live, where, read)
	}
	if err := l.record(ctx, whatDeleted, "%s was deleted or moved away%s; %s bytes of it were read", l.Live, where, read); err != nil {
		return err
	}
	l.Gone = true
	return nil
}

func hasName(entries []entry, name string) bool {
	for _, e := range entries {
		if e.name == name {
			return true
		}
	}
	return false
}

// othersMay are the permission bits by which others than the owner read or write a file.
const othersMay = 0o066

// opened records that more may read or write the live file than before, or that it has another owner.
func (l *followedLog) opened(ctx context.Context, entries []entry) error {
	for _, e := range entries {
		if e.name != l.Live {
			continue
		}
		mode := uint32(e.mode.Perm())
		if l.Owned {
			if more := mode & othersMay &^ l.Mode; more != 0 {
				if err := l.record(ctx, whatOpened, "%s is open to others: its mode went from %04o to %04o", l.Live, l.Mode, mode); err != nil {
					return err
				}
			}
			if e.uid != l.UID || e.gid != l.GID {
				if err := l.record(ctx, whatOpened, "%s has another owner: from %d:%d to %d:%d", l.Live, l.UID, l.GID, e.uid, e.gid); err != nil {
					return err
				}
			}
		}
		if !l.Owned || l.Mode != mode || l.UID != e.uid || l.GID != e.gid {
			l.Owned, l.Mode, l.UID, l.GID, l.s.dirty = true, mode, e.uid, e.gid, true
		}
	}
	return nil
}

// silence records that a log has brought nothing for too long, and that it brings something again.
func (l *followedLog) silence(ctx context.Context, lines bool) error {
	if l.lastLine.IsZero() {
		l.lastLine = l.s.now // time in which nobody looked is not silence
	}
	if lines {
		l.lastLine = l.s.now
	}
	switch quiet := l.s.now.Sub(l.lastLine); {
	case lines && l.Silent:
		if err := l.record(ctx, whatResumed, "%s brings events again", l.Live); err != nil {
			return err
		}
		l.Silent = false
	case !l.Silent && quiet >= l.s.src.Silence:
		if err := l.record(ctx, whatSilent, "%s has brought no event for %s", l.Live, quiet.Truncate(time.Second)); err != nil {
			return err
		}
		l.Silent = true
	}
	return nil
}
