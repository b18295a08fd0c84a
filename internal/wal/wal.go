// Package wal is an append-only log of byte strings in numbered files of one directory: each in a frame with its sequence
// number and checksums, each durable when Append returns. It knows nothing of what the bytes mean. Start with Log.
//
// It promises: what Append acknowledged is replayed by every later Open, once and in order, whatever a power cut does; an
// unacknowledged tail may be replayed or cut off, and what is cut off is kept in a file beside; anything else that is wrong
// is a CorruptError, and then nothing on disk is changed. A failed fsync ends all writing until the log is opened anew.
//
// docs/wal.md is the byte format.
package wal

import (
	"errors"
	"fmt"
)

// MaxPayload is the most that one frame holds: 512 MiB, twice the largest request that the ledger takes.
const MaxPayload = 512 << 20

var (
	// ErrFailed is what Append returns after a failed fsync: what is on disk is no longer known. Open the log anew.
	ErrFailed = errors.New("the log has failed and takes nothing more until it is opened anew")
	// ErrClosed is what a closed log returns.
	ErrClosed = errors.New("the log is closed")
	// ErrVersion is a log that a newer program wrote.
	ErrVersion = errors.New("the log's format is newer than this program")
)

// Place is where a payload lies: Len bytes at Off of file File. Sequence numbers count from 1, over all files, without gaps.
type Place struct {
	Seq  uint64
	File uint32
	Off  int64
	Len  uint32
}

// Entry is a payload as it is replayed. Payload is valid until the callback returns.
type Entry struct {
	Place
	Payload []byte
}

// FileInfo is one file of the log: the frames First to First+Frames-1 in Size bytes.
type FileInfo struct {
	File   uint32
	First  uint64
	Frames uint64
	Size   int64
}

// Report is what Open or Check found.
type Report struct {
	ID     [16]byte   // drawn when the log was made
	Files  []FileInfo // oldest first
	Next   uint64     // the next sequence number
	Others []string   // names in the directory that are not the log's
	Kept   []string   // torn-… files, this time's and earlier ones

	// A tail that a power cut or kill left half written; TornFile is 0 if there was none. Open has cut it off and kept it
	// under the name TornKept; Check leaves it where it is.
	TornFile  uint32
	TornOff   int64
	TornBytes int64
	TornKept  string
}

// CorruptError says that the log is not as it was written, in a way that no power cut leaves.
type CorruptError struct {
	Path   string
	File   uint32
	Off    int64
	Reason string
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("%s is corrupt at byte %d: %s", e.Path, e.Off, e.Reason)
}
