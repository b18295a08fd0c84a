package spool

import (
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"strings"

	"annals.dev/internal/disk"
)

// positionFile says how far delivery has come, in one line: annals-spool 1, the log's id, the last frame that is delivered or
// put aside, and the CRC32C of what stands before it.
const positionFile = "delivered"

const positionWords = "annals-spool 1"

type position struct {
	log  [16]byte
	done uint64
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func (p position) encode() []byte {
	line := fmt.Sprintf("%s %x %d ", positionWords, p.log, p.done)
	return fmt.Appendf(nil, "%s%08x\n", line, crc32.Checksum([]byte(line), castagnoli))
}

func parsePosition(b []byte) (p position, err error) {
	fields := strings.Fields(string(b))
	if len(fields) == 5 {
		if id, err := hex.DecodeString(fields[2]); err == nil && len(id) == len(p.log) {
			copy(p.log[:], id)
			_, err = fmt.Sscanf(fields[3], "%d", &p.done)
			if err == nil && string(p.encode()) == string(b) {
				return p, nil
			}
		}
	}
	return position{}, fmt.Errorf("the file %q is not as it was written: everything that the spool holds is delivered again", positionFile)
}

// loadPosition is the zero position, of no log, if there is none or it cannot be trusted: what is delivered twice is not lost.
func loadPosition(d disk.FS) (position, error) {
	b, err := disk.ReadFile(d, positionFile)
	if errors.Is(err, fs.ErrNotExist) {
		return position{}, nil
	}
	if err != nil {
		return position{}, err
	}
	return parsePosition(b)
}

func (p position) save(d disk.FS) error { return disk.WriteFile(d, positionFile, p.encode()) }
