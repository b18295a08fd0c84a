package query

// #include "functions.h"
import "C"

import (
	"encoding/binary"
	"fmt"
	"unsafe"

	duck "github.com/duckdb/duckdb-go-bindings"

	"annals.dev/internal/match"
)

// registerFunctions gives DuckDB the functions that predicates call.
func registerFunctions(c *conn) error {
	text, boolean := duck.CreateLogicalType(duck.TypeVarchar), duck.CreateLogicalType(duck.TypeBoolean)
	defer duck.DestroyLogicalType(&text)
	defer duck.DestroyLogicalType(&boolean)
	for i, fn := range match.Functions {
		f := duck.CreateScalarFunction()
		duck.ScalarFunctionSetName(f, fn.Name)
		for range fn.Params {
			duck.ScalarFunctionAddParameter(f, text)
		}
		duck.ScalarFunctionSetReturnType(f, boolean)
		duck.ScalarFunctionSetSpecialHandling(f)
		duck.ScalarFunctionSetExtraInfo(f, C.annals_number(C.int(i)), nil)
		duck.ScalarFunctionSetFunction(f, unsafe.Pointer(C.annals_call))
		state := duck.RegisterScalarFunction(c.c, f)
		duck.DestroyScalarFunction(&f)
		if state == duck.StateError {
			return fmt.Errorf("query: duckdb refuses the function %s", fn.Name)
		}
	}
	return nil
}

//export annalsCall
func annalsCall(number C.int, info, input, output unsafe.Pointer) {
	defer func() {
		if p := recover(); p != nil {
			duck.ScalarFunctionSetError(duck.FunctionInfo{Ptr: info}, fmt.Sprint("annals: ", p))
		}
	}()
	data := duck.DataChunk{Ptr: input}
	ch := chunk{data: data, n: int(duck.DataChunkGetSize(data))}
	out := unsafe.Slice((*bool)(duck.VectorGetData(duck.Vector{Ptr: output})), ch.n)
	if err := callAll(match.Functions[number], ch, out); err != nil {
		duck.ScalarFunctionSetError(duck.FunctionInfo{Ptr: info}, err.Error())
	}
}

// callAll calls a function for each row. Neighbours are often alike, and a function depends on its arguments alone, so what it
// said of a value is remembered for the rest of the chunk.
func callAll(fn match.Function, ch chunk, out []bool) error {
	columns := make([]column, fn.Params)
	for i := range columns {
		columns[i] = ch.column(i)
	}
	args := make([]any, fn.Params)
	var key []byte
	said := make(map[string]bool)
	for row := range out {
		key = key[:0]
		for i, c := range columns {
			b := c.bytes(row)
			args[i] = nil
			if b != nil {
				args[i] = b
				key = append(binary.AppendUvarint(key, uint64(len(b))+1), b...)
			} else {
				key = append(key, 0)
			}
		}
		answer, ok := said[string(key)]
		if !ok {
			var err error
			if answer, err = fn.Call(args); err != nil {
				return err
			}
			said[string(key)] = answer
		}
		out[row] = answer
	}
	return nil
}
