package source

import (
	"time"

	"annals.dev/internal/format"
	"annals.dev/internal/ledger"
)

// Progress is how far an import is.
type Progress struct {
	Files, FilesDone int
	Bytes, Total     int64 // as the files lie on disk; a pipe counts for nothing
	Events           int64 // read, known ones and unreadable pieces too
	Salvaged         int64
	Quarantined      int64
	Elapsed          time.Duration
}

// Summary is what an import came to.
type Summary struct {
	Files     int              // read to their end
	Unchanged int              // passed over, since an earlier import finished them
	Failed    []FileError      // not read, or not to their end
	NotRead   map[string]int   // found in directories and left alone, by kind: "symbolic link", "pipe", …
	Formats   map[string]int   // files by what they held: "v1", "legacy text", …; one may hold several
	Skipped   map[string]int64 // records that are no audit events, by kind

	New, Duplicates, Conflicts, Salvaged int64            // events; conflicts and salvaged are among the new
	Quarantined                          int64            // unreadable pieces that are new
	Reasons                              map[string]int64 // unreadable pieces by reason, known ones too
	Examples                             []string         // the first few of them: "audit.log at byte 1532: …"

	Bytes       int64 // read, after decompression
	From, Until time.Time
	Elapsed     time.Duration
}

// FileError is a file that could not be read to its end. What stood before the error is in the ledger.
type FileError struct {
	Path string
	Err  error
}

const maxExamples = 20

func newSummary() Summary {
	return Summary{
		NotRead: make(map[string]int), Formats: make(map[string]int),
		Skipped: make(map[string]int64), Reasons: make(map[string]int64),
	}
}

// dialects are those seen in one file.
type dialects map[format.Dialect]bool

var dialectNames = map[format.Dialect]string{
	format.V1: "audit.k8s.io", format.LegacyText: "legacy text", format.GKE: "GKE log entry", format.AKSTable: "AKS table",
	format.Elastic: "Elastic", format.ViaQ: "OpenShift ViaQ", format.FalcoAlert: "Falco alert",
}

func (im *Importer) took(events []format.Event, r ledger.Receipt, seen dialects) {
	im.mu.Lock()
	defer im.mu.Unlock()
	s := &im.sum
	s.New += int64(r.Accepted)
	s.Duplicates += int64(r.Duplicates)
	s.Conflicts += int64(r.Conflicts)
	s.Salvaged += int64(r.Salvaged)
	s.Quarantined += int64(r.Quarantined)
	im.now.Events += int64(len(events))
	im.now.Salvaged += int64(r.Salvaged)
	im.now.Quarantined += int64(r.Quarantined)
	for i := range events {
		e := &events[i]
		if e.Dialect == format.Unreadable {
			if len(s.Examples) < maxExamples {
				s.Examples = append(s.Examples, e.Note)
			}
			continue
		}
		seen[e.Dialect] = true
		if e.View.Time == 0 {
			continue
		}
		t := time.UnixMicro(e.View.Time).UTC()
		if s.From.IsZero() || t.Before(s.From) {
			s.From = t
		}
		if t.After(s.Until) {
			s.Until = t
		}
	}
}

// ended counts a file that will not be read on, because of its end or of err.
func (im *Importer) ended(f importFile, c format.Counts, seen dialects, err error) {
	im.mu.Lock()
	defer im.mu.Unlock()
	s := &im.sum
	s.Bytes += c.Bytes
	for k, n := range c.Skipped {
		s.Skipped[k] += n
	}
	for k, n := range c.Quarantined {
		s.Reasons[k] += n
	}
	for d := range seen {
		s.Formats[dialectNames[d]]++
	}
	im.now.FilesDone++
	if err != nil {
		s.Failed = append(s.Failed, FileError{f.path, err})
		return
	}
	s.Files++
	if len(seen) == 0 {
		s.Formats["no audit events"]++
	}
}

func (im *Importer) unchanged(f importFile) {
	im.mu.Lock()
	defer im.mu.Unlock()
	im.sum.Unchanged++
	im.now.FilesDone++
	im.now.Bytes += f.size
}

func (im *Importer) advance(n int64) {
	im.mu.Lock()
	defer im.mu.Unlock()
	im.now.Bytes += max(n, 0)
}
