package query

/*
#cgo CFLAGS: -O2 -std=c11 -D_XOPEN_SOURCE=700
#include <stdlib.h>
#include "hot.h"
*/
import "C"

import (
	"errors"
	"runtime"
	"sync"
	"unsafe"

	"annals.dev/internal/ledger"
)

// hotFunction is the name under which DuckDB knows the table function.
const hotFunction = "annals_hot"

func registerHot(c *conn) error {
	name := C.CString(hotFunction)
	defer C.free(unsafe.Pointer(name))
	if C.hot_register(c.c.Ptr, name) != 0 {
		return errors.New("query: duckdb refuses the table function of unsealed rows")
	}
	return nil
}

// hotRows makes the rows of a ledger.Hot readable by DuckDB under a number until close. DuckDB reads them where they lie:
// the backing arrays are pinned, and with them stays what they point to. C follows the pointers to a dictionary's values
// although those are not pinned one by one (there may be thirty thousand): that is safe for as long as Go's collector does
// not move what is reachable, which holds for every release so far.
type hotRows struct {
	number int64
	c      *C.hot_snapshot
	pin    runtime.Pinner
	bodies unsafe.Pointer
}

var hotTable = struct {
	sync.Mutex
	last int64
	open map[int64]*hotRows
}{open: make(map[int64]*hotRows)}

//export annalsHotLookup
func annalsHotLookup(number C.int64_t) *C.hot_snapshot {
	hotTable.Lock()
	defer hotTable.Unlock()
	if h := hotTable.open[int64(number)]; h != nil {
		return h.c
	}
	return nil
}

// columnNames are the ledger's column names as C strings, made once.
var columnNames = func() (names []*C.char) {
	for _, c := range ledger.Columns {
		names = append(names, C.CString(c.Name))
	}
	return names
}()

// openHot registers h. withBodies says whether the bodies column will be read.
func openHot(h *ledger.Hot, withBodies bool) *hotRows {
	r := &hotRows{c: (*C.hot_snapshot)(C.calloc(1, C.sizeof_hot_snapshot))}
	r.c.rows, r.c.columns = C.uint64_t(h.N), C.int(len(h.Cols))
	for i := range h.Cols {
		from, to := &h.Cols[i], &r.c.column[i]
		to.name = columnNames[i]
		switch from.Kind {
		case ledger.Int64:
			to.kind, to.a = C.HOT_INT, pinned(r, from.I64)
		case ledger.Timestamp:
			to.kind, to.a = C.HOT_TIMESTAMP, pinned(r, from.I64)
		case ledger.UUID:
			to.kind, to.a, to.b = C.HOT_UUID, pinned(r, from.Hi), pinned(r, from.Lo)
		case ledger.String:
			to.kind, to.a = C.HOT_STRING, pinned(r, from.Codes)
			to.dict = (*C.hot_bytes)(pinned(r, from.Dict))
		case ledger.Body:
			to.kind = C.HOT_BODY
			if withBodies {
				to.a = r.makeBodies(h, from.Refs)
			}
		case ledger.Blob:
			to.kind = C.HOT_BLOB
		}
	}
	hotTable.Lock()
	hotTable.last++
	r.number = hotTable.last
	hotTable.open[r.number] = r
	hotTable.Unlock()
	return r
}

// pinned keeps a slice's backing array where it is until close, and hides from cgo that it is Go's.
func pinned[T any](r *hotRows, s []T) unsafe.Pointer {
	if len(s) == 0 {
		return nil
	}
	p := unsafe.SliceData(s)
	r.pin.Pin(p)
	return unsafe.Pointer(p)
}

// makeBodies tells C where each row's bodies are.
func (r *hotRows) makeBodies(h *ledger.Hot, refs []ledger.BodyRef) unsafe.Pointer {
	p := C.calloc(C.size_t(max(h.N, 1)), C.sizeof_hot_body)
	r.bodies = p
	bodies := unsafe.Slice((*C.hot_body)(p), h.N)
	for i := range bodies {
		ref, b := &refs[i], &bodies[i]
		switch {
		case ref.Extra != 0:
			extra := h.Extra[ref.Extra-1]
			b.fd, b.req = -2, C.uint32_t(len(extra))
			b.memory = (*C.char)(pinned(r, extra))
		case ref.Req[1]|ref.Resp[1] == 0:
			b.fd = -1
		default:
			fd, ok := h.Fd(ref.File)
			if !ok {
				b.fd = -3 // pread fails, and says so
			} else {
				b.fd = C.int32_t(fd)
			}
			b.req, b.resp = C.uint32_t(ref.Req[1]), C.uint32_t(ref.Resp[1])
			b.req_off, b.resp_off = C.int64_t(ref.Off+int64(ref.Req[0])), C.int64_t(ref.Off+int64(ref.Resp[0]))
		}
	}
	return p
}

// close forgets the rows. No query that reads them may be running.
func (r *hotRows) close() {
	hotTable.Lock()
	delete(hotTable.open, r.number)
	hotTable.Unlock()
	C.free(r.bodies)
	C.free(unsafe.Pointer(r.c))
	r.pin.Unpin()
}
