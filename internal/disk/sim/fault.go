package sim

import "errors"

// ErrCrashed is what every operation returns after the fault Crash, and on a disk whose successor Crash or Kill has made.
var ErrCrashed = errors.New("the simulated machine has crashed")

// Kind is an operation's kind.
type Kind uint8

const (
	Open Kind = iota
	Create
	OpenRW
	Rename
	Remove
	Mkdir
	ReadDir
	Stat // File.Size, too
	SyncDir
	Read
	Write
	Truncate
	Sync
	Close
	kinds
)

var kindNames = [kinds]string{"open", "create", "openrw", "rename", "remove", "mkdir", "readdir", "stat", "syncdir", "read",
	"write", "truncate", "sync", "close"}

func (k Kind) String() string { return kindNames[k] }

// Op is one operation: the N-th since the disk was made (from 0), on a file or directory, with Size bytes to read or write.
type Op struct {
	N    int
	Kind Kind
	Name string
	Size int
}

// Fault is what goes wrong with an operation.
type Fault uint8

const (
	None  Fault = iota
	Full        // ENOSPC, and nothing is done
	Short       // a write: its first half is done, then ENOSPC; else as Full
	IO          // EIO, and nothing is done
	Done        // EIO, but it is done all the same
	Lost        // a sync: EIO, and what was to be made durable shows but never will be, bar a few sectors; else as IO
	Crash       // the power goes during the operation; it may be done or not. Every later one is ErrCrashed
	faults
)

// Faults lists every fault, for tables.
func Faults() []Fault {
	var all []Fault
	for f := Full; f < faults; f++ {
		all = append(all, f)
	}
	return all
}

var faultNames = [faults]string{"none", "full", "short", "io", "done", "lost", "crash"}

func (f Fault) String() string { return faultNames[f] }
