package wal

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

const (
	magic      = "ANNALWAL"
	version    = 1
	headerSize = 44
	headSize   = 24
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// header begins each file.
type header struct {
	file  uint32
	first uint64 // sequence number of the file's first frame
	id    [16]byte
}

func (h header) encode() []byte {
	b := make([]byte, 0, headerSize)
	b = append(b, magic...)
	b = binary.LittleEndian.AppendUint32(b, version)
	b = binary.LittleEndian.AppendUint32(b, h.file)
	b = binary.LittleEndian.AppendUint64(b, h.first)
	b = append(b, h.id[:]...)
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// key is the checksum that those of the frames' heads go on from. It binds a frame to its log and file.
func (h header) key() uint32 { return binary.LittleEndian.Uint32(h.encode()[headerSize-4:]) }

// parseHeader gives what is wrong with b as text, or ErrVersion.
func parseHeader(b []byte) (h header, reason string, err error) {
	if string(b[:8]) != magic {
		return h, "this is no log file", nil
	}
	if crc32.Checksum(b[:headerSize-4], castagnoli) != binary.LittleEndian.Uint32(b[headerSize-4:]) {
		return h, "the file header's checksum is wrong", nil
	}
	if v := binary.LittleEndian.Uint32(b[8:]); v != version {
		return h, "", fmt.Errorf("version %d, this program knows %d: %w", v, version, ErrVersion)
	}
	h.file = binary.LittleEndian.Uint32(b[12:])
	h.first = binary.LittleEndian.Uint64(b[16:])
	copy(h.id[:], b[24:])
	return h, "", nil
}

// head begins each frame.
type head struct {
	length uint32
	index  uint32 // the frame's place in the batch that one Append wrote, from 0
	seq    uint64
	sum    uint32 // CRC32C of the payload
}

// batch is the sequence number of the first frame of the frame's batch. When it was written, all before it was durable.
func (h head) batch() uint64 { return h.seq - uint64(h.index) }

func (h head) put(b []byte, key uint32) {
	binary.LittleEndian.PutUint32(b, h.length)
	binary.LittleEndian.PutUint32(b[4:], h.index)
	binary.LittleEndian.PutUint64(b[8:], h.seq)
	binary.LittleEndian.PutUint32(b[16:], h.sum)
	binary.LittleEndian.PutUint32(b[20:], crc32.Update(key, castagnoli, b[:20]))
}

// parseHead is false unless b begins with a frame's head made for this log and file.
func parseHead(b []byte, key uint32) (head, bool) {
	h := head{
		length: binary.LittleEndian.Uint32(b),
		index:  binary.LittleEndian.Uint32(b[4:]),
		seq:    binary.LittleEndian.Uint64(b[8:]),
		sum:    binary.LittleEndian.Uint32(b[16:]),
	}
	if h.length > MaxPayload || uint64(h.index) >= h.seq {
		return head{}, false
	}
	return h, crc32.Update(key, castagnoli, b[:20]) == binary.LittleEndian.Uint32(b[20:])
}
