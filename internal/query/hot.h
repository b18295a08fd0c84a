// The table function hot(handle): a snapshot's unsealed rows, read by DuckDB where they lie in Go's memory.
#include <stdbool.h>
#include <stdint.h>

enum { HOT_INT, HOT_TIMESTAMP, HOT_UUID, HOT_STRING, HOT_BODY, HOT_BLOB };

// A Go []byte as it lies in memory.
typedef struct { const char *p; intptr_t len, cap; } hot_bytes;

// Where a row's bodies are: two pieces of a file, or bytes in memory; with neither it has none.
typedef struct {
  int32_t fd; // -1: none, -2: in memory
  uint32_t req, resp; // lengths
  int64_t req_off, resp_off;
  const char *memory;
} hot_body;

typedef struct {
  int kind;
  const char *name;
  const void *a, *b;      // int64_t; UUID: hi and lo; string: uint32_t codes; body: hot_body. No a: all null
  const hot_bytes *dict;  // string: code k is dict[k-1], 0 is null
} hot_column;

typedef struct {
  uint64_t rows;
  int columns;
  hot_column column[64];
} hot_snapshot;

int hot_register(void *connection, const char *name);
