package query

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
	"time"
	"unsafe"

	duck "github.com/duckdb/duckdb-go-bindings"
)

// A value of a statement's answer is nil, bool, int64, uint64, *big.Int, float64, json.Number (a DECIMAL), string, []byte,
// time.Time, Date, Interval, []any or Struct.

// Date is a day; Clock a time of day. Both as people write them.
type (
	Date  string
	Clock string
)

// Interval is DuckDB's: months and days have no fixed length.
type Interval struct {
	Months, Days int32
	Micros       int64
}

func (v Interval) String() string {
	var parts []string
	if v.Months != 0 {
		parts = append(parts, fmt.Sprintf("%d months", v.Months))
	}
	if v.Days != 0 {
		parts = append(parts, fmt.Sprintf("%d days", v.Days))
	}
	if v.Micros != 0 || len(parts) == 0 {
		parts = append(parts, (time.Duration(v.Micros) * time.Microsecond).String())
	}
	return strings.Join(parts, " ")
}

// MarshalText makes JSON of it.
func (v Interval) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// Member is one member of a Struct or entry of a map.
type Member struct {
	Name  string
	Value any
}

// Struct is a STRUCT or MAP, its members in order.
type Struct []Member

// MarshalJSON writes an object, its members in order.
func (s Struct) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, m := range s {
		if i > 0 {
			b.WriteByte(',')
		}
		k, _ := json.Marshal(m.Name)
		v, err := json.Marshal(m.Value)
		if err != nil {
			return nil, err
		}
		b.Write(k)
		b.WriteByte(':')
		b.Write(v)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// reader makes values of a vector's rows.
type reader struct {
	name     string // the type's, as DuckDB writes it
	read     func(v vector, row int) any
	children []*reader
	names    []string
}

// vector is a column with the vectors inside it.
type vector struct {
	column
	inner []vector
}

// vectorOf looks at v; n is how many entries it has.
func (r *reader) vectorOf(v duck.Vector, kind duck.Type, n int) vector {
	x := vector{column: column{duck.VectorGetData(v), duck.VectorGetValidity(v), n}}
	switch kind {
	case duck.TypeList, duck.TypeMap:
		x.inner = append(x.inner, r.children[0].vector(duck.ListVectorGetChild(v), int(duck.ListVectorGetSize(v))))
	case duck.TypeStruct:
		for i, c := range r.children {
			x.inner = append(x.inner, c.vector(duck.StructVectorGetChild(v, duck.IdxT(i)), n))
		}
	}
	return x
}

func (r *reader) vector(v duck.Vector, n int) vector {
	t := duck.VectorGetColumnType(v)
	defer duck.DestroyLogicalType(&t)
	return r.vectorOf(v, duck.GetTypeId(t), n)
}

func (r *reader) value(v vector, row int) any {
	if v.null(row) {
		return nil
	}
	return r.read(v, row)
}

// at reads row's entry of a vector of T.
func at[T any](v vector, row int) T { return unsafe.Slice((*T)(v.data), row+1)[row] }

// newReader is the reader for a column's type.
func newReader(t duck.LogicalType) (*reader, error) {
	kind := duck.GetTypeId(t)
	r := &reader{name: typeNames[kind]}
	if alias := duck.LogicalTypeGetAlias(t); alias != "" {
		r.name = alias
	}
	switch kind {
	case duck.TypeSQLNull:
		r.read = func(vector, int) any { return nil }
	case duck.TypeBoolean:
		r.read = func(v vector, i int) any { return at[bool](v, i) }
	case duck.TypeTinyInt:
		r.read = func(v vector, i int) any { return int64(at[int8](v, i)) }
	case duck.TypeSmallInt:
		r.read = func(v vector, i int) any { return int64(at[int16](v, i)) }
	case duck.TypeInteger:
		r.read = func(v vector, i int) any { return int64(at[int32](v, i)) }
	case duck.TypeBigInt:
		r.read = func(v vector, i int) any { return at[int64](v, i) }
	case duck.TypeUTinyInt:
		r.read = func(v vector, i int) any { return uint64(at[uint8](v, i)) }
	case duck.TypeUSmallInt:
		r.read = func(v vector, i int) any { return uint64(at[uint16](v, i)) }
	case duck.TypeUInteger:
		r.read = func(v vector, i int) any { return uint64(at[uint32](v, i)) }
	case duck.TypeUBigInt:
		r.read = func(v vector, i int) any { return at[uint64](v, i) }
	case duck.TypeHugeInt:
		r.read = func(v vector, i int) any { return hugeInt(at[[2]uint64](v, i), true) }
	case duck.TypeUHugeInt:
		r.read = func(v vector, i int) any { return hugeInt(at[[2]uint64](v, i), false) }
	case duck.TypeFloat:
		r.read = func(v vector, i int) any { return float64(at[float32](v, i)) }
	case duck.TypeDouble:
		r.read = func(v vector, i int) any { return at[float64](v, i) }
	case duck.TypeDecimal:
		r.read = decimal(t)
	case duck.TypeVarchar:
		r.read = func(v vector, i int) any { return string(v.bytes(i)) }
	case duck.TypeBlob:
		r.read = func(v vector, i int) any { return append([]byte{}, v.bytes(i)...) }
	case duck.TypeEnum:
		r.read = enum(t)
	case duck.TypeUUID:
		r.read = func(v vector, i int) any { hi, lo := v.uuid(i); return formatUUID(hi, lo) }
	case duck.TypeDate:
		r.read = func(v vector, i int) any {
			return Date(time.Unix(int64(at[int32](v, i))*86400, 0).UTC().Format(time.DateOnly))
		}
	case duck.TypeTime:
		r.read = func(v vector, i int) any {
			return Clock(time.UnixMicro(at[int64](v, i)).UTC().Format("15:04:05.999999"))
		}
	case duck.TypeTimestamp, duck.TypeTimestampTZ:
		r.read = func(v vector, i int) any { return time.UnixMicro(at[int64](v, i)).UTC() }
	case duck.TypeTimestampS:
		r.read = func(v vector, i int) any { return time.Unix(at[int64](v, i), 0).UTC() }
	case duck.TypeTimestampMS:
		r.read = func(v vector, i int) any { return time.UnixMilli(at[int64](v, i)).UTC() }
	case duck.TypeTimestampNS:
		r.read = func(v vector, i int) any { return time.Unix(0, at[int64](v, i)).UTC() }
	case duck.TypeInterval:
		r.read = func(v vector, i int) any { return at[Interval](v, i) }
	case duck.TypeList, duck.TypeMap, duck.TypeStruct:
		return r, r.nest(t, kind)
	default:
		return nil, fmt.Errorf("a value of DuckDB's type %d has no form here: cast it to VARCHAR", kind)
	}
	return r, nil
}

// nest makes r a reader of lists, maps or structs.
func (r *reader) nest(t duck.LogicalType, kind duck.Type) error {
	child := func(t duck.LogicalType) error {
		defer duck.DestroyLogicalType(&t)
		c, err := newReader(t)
		r.children = append(r.children, c)
		return err
	}
	if kind == duck.TypeStruct {
		for i := range duck.StructTypeChildCount(t) {
			r.names = append(r.names, duck.StructTypeChildName(t, i))
			if err := child(duck.StructTypeChildType(t, i)); err != nil {
				return err
			}
		}
		r.read = func(v vector, row int) any {
			s := make(Struct, len(r.names))
			for i, c := range r.children {
				s[i] = Member{r.names[i], c.value(v.inner[i], row)}
			}
			return s
		}
		return nil
	}
	if err := child(duck.ListTypeChildType(t)); err != nil {
		return err
	}
	entries := func(v vector, row int) []any {
		e := at[[2]uint64](v, row)
		l := make([]any, e[1])
		for i := range l {
			l[i] = r.children[0].value(v.inner[0], int(e[0])+i)
		}
		return l
	}
	if kind == duck.TypeList {
		r.name = r.children[0].name + "[]"
		r.read = func(v vector, row int) any { return entries(v, row) }
		return nil
	}
	r.read = func(v vector, row int) any {
		s := Struct{}
		for _, e := range entries(v, row) {
			if kv, ok := e.(Struct); ok && len(kv) == 2 {
				s = append(s, Member{fmt.Sprint(kv[0].Value), kv[1].Value})
			}
		}
		return s
	}
	return nil
}

func hugeInt(x [2]uint64, signed bool) any {
	if signed && int64(x[1]) == int64(x[0])>>63 {
		return int64(x[0])
	}
	hi := new(big.Int).SetUint64(x[1])
	if signed {
		hi.SetInt64(int64(x[1]))
	}
	return hi.Lsh(hi, 64).Add(hi, new(big.Int).SetUint64(x[0]))
}

func decimal(t duck.LogicalType) func(vector, int) any {
	scale, inner := int(duck.DecimalScale(t)), duck.DecimalInternalType(t)
	return func(v vector, i int) any {
		var n any
		switch inner {
		case duck.TypeSmallInt:
			n = at[int16](v, i)
		case duck.TypeInteger:
			n = at[int32](v, i)
		case duck.TypeBigInt:
			n = at[int64](v, i)
		default:
			n = hugeInt(at[[2]uint64](v, i), true)
		}
		digits, sign := fmt.Sprint(n), ""
		if digits[0] == '-' {
			digits, sign = digits[1:], "-"
		}
		if scale == 0 {
			return json.Number(sign + digits)
		}
		if len(digits) <= scale {
			digits = strings.Repeat("0", scale+1-len(digits)) + digits
		}
		return json.Number(sign + digits[:len(digits)-scale] + "." + digits[len(digits)-scale:])
	}
}

func enum(t duck.LogicalType) func(vector, int) any {
	inner := duck.EnumInternalType(t)
	words := make([]string, duck.EnumDictionarySize(t))
	for i := range words {
		words[i] = duck.EnumDictionaryValue(t, duck.IdxT(i))
	}
	return func(v vector, i int) any {
		switch inner {
		case duck.TypeUTinyInt:
			return words[at[uint8](v, i)]
		case duck.TypeUSmallInt:
			return words[at[uint16](v, i)]
		}
		return words[at[uint32](v, i)]
	}
}

const hexDigits = "0123456789abcdef"

func formatUUID(hi, lo uint64) string {
	var b [36]byte
	at := 0
	for i, x := range [2]uint64{hi, lo} {
		for shift := 60; shift >= 0; shift -= 4 {
			if i == 0 && (shift == 28 || shift == 12) || i == 1 && (shift == 60 || shift == 44) {
				b[at] = '-'
				at++
			}
			b[at] = hexDigits[x>>shift&15]
			at++
		}
	}
	return string(b[:])
}

var typeNames = map[duck.Type]string{
	duck.TypeSQLNull: "NULL", duck.TypeBoolean: "BOOLEAN", duck.TypeTinyInt: "TINYINT", duck.TypeSmallInt: "SMALLINT",
	duck.TypeInteger: "INTEGER", duck.TypeBigInt: "BIGINT", duck.TypeUTinyInt: "UTINYINT", duck.TypeUSmallInt: "USMALLINT",
	duck.TypeUInteger: "UINTEGER", duck.TypeUBigInt: "UBIGINT", duck.TypeHugeInt: "HUGEINT", duck.TypeUHugeInt: "UHUGEINT",
	duck.TypeFloat: "FLOAT", duck.TypeDouble: "DOUBLE", duck.TypeDecimal: "DECIMAL", duck.TypeVarchar: "VARCHAR",
	duck.TypeBlob: "BLOB", duck.TypeEnum: "ENUM", duck.TypeUUID: "UUID", duck.TypeDate: "DATE", duck.TypeTime: "TIME",
	duck.TypeTimestamp: "TIMESTAMP", duck.TypeTimestampTZ: "TIMESTAMPTZ", duck.TypeTimestampS: "TIMESTAMP_S",
	duck.TypeTimestampMS: "TIMESTAMP_MS", duck.TypeTimestampNS: "TIMESTAMP_NS", duck.TypeInterval: "INTERVAL",
	duck.TypeMap: "MAP", duck.TypeStruct: "STRUCT",
}
