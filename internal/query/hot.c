#include "hot.h"
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// The few functions of DuckDB's C API that are used here, declared as it documents them: its header belongs to the Go
// module that brings the library, where cgo does not find it.
typedef uint64_t idx_t;
typedef struct duckdb_opaque *handle;
enum { STATE_ERROR = 1, TYPE_BIGINT = 5, TYPE_TIMESTAMP = 12, TYPE_VARCHAR = 17, TYPE_BLOB = 18, TYPE_UUID = 27 };
handle duckdb_create_table_function(void);
void duckdb_destroy_table_function(handle *function);
void duckdb_table_function_set_name(handle function, const char *name);
void duckdb_table_function_add_parameter(handle function, handle type);
void duckdb_table_function_set_bind(handle function, void (*bind)(handle));
void duckdb_table_function_set_init(handle function, void (*init)(handle));
void duckdb_table_function_set_function(handle function, void (*scan)(handle, handle));
void duckdb_table_function_supports_projection_pushdown(handle function, bool pushdown);
int duckdb_register_table_function(handle connection, handle function);
handle duckdb_create_logical_type(int type);
void duckdb_destroy_logical_type(handle *type);
handle duckdb_bind_get_parameter(handle info, idx_t index);
int64_t duckdb_get_int64(handle value);
void duckdb_destroy_value(handle *value);
void duckdb_bind_add_result_column(handle info, const char *name, handle type);
void duckdb_bind_set_bind_data(handle info, void *data, void (*destroy)(void *));
void duckdb_bind_set_cardinality(handle info, idx_t cardinality, bool exact);
void duckdb_bind_set_error(handle info, const char *error);
void *duckdb_init_get_bind_data(handle info);
void duckdb_init_set_init_data(handle info, void *data, void (*destroy)(void *));
void duckdb_init_set_error(handle info, const char *error);
idx_t duckdb_init_get_column_count(handle info);
idx_t duckdb_init_get_column_index(handle info, idx_t column);
void duckdb_init_set_max_threads(handle info, idx_t threads);
void *duckdb_function_get_bind_data(handle info);
void *duckdb_function_get_init_data(handle info);
void duckdb_function_set_error(handle info, const char *error);
idx_t duckdb_vector_size(void);
handle duckdb_data_chunk_get_vector(handle chunk, idx_t column);
void duckdb_data_chunk_set_size(handle chunk, idx_t size);
void *duckdb_vector_get_data(handle vector);
void duckdb_vector_ensure_validity_writable(handle vector);
uint64_t *duckdb_vector_get_validity(handle vector);
void duckdb_vector_assign_string_element_len(handle vector, idx_t row, const char *s, idx_t len);

// Go looks the handle up, so that a number that somebody made up leads nowhere.
extern hot_snapshot *annalsHotLookup(int64_t number);

static const int64_t null_int = INT64_MIN;

static void nothing(void *p) { (void)p; }

static void hot_bind(handle info) {
  handle value = duckdb_bind_get_parameter(info, 0);
  hot_snapshot *s = annalsHotLookup(duckdb_get_int64(value));
  duckdb_destroy_value(&value);
  if (!s) {
    duckdb_bind_set_error(info, "no such snapshot");
    return;
  }
  for (int i = 0; i < s->columns; i++) {
    int type = TYPE_VARCHAR;
    switch (s->column[i].kind) {
    case HOT_INT: type = TYPE_BIGINT; break;
    case HOT_TIMESTAMP: type = TYPE_TIMESTAMP; break;
    case HOT_UUID: type = TYPE_UUID; break;
    case HOT_BLOB: type = TYPE_BLOB; break;
    }
    handle t = duckdb_create_logical_type(type);
    duckdb_bind_add_result_column(info, s->column[i].name, t);
    duckdb_destroy_logical_type(&t);
  }
  duckdb_bind_set_bind_data(info, s, nothing);
  duckdb_bind_set_cardinality(info, s->rows, true);
}

typedef struct {
  _Atomic uint64_t next;
  int columns;
  uint64_t column[64];
} hot_scan_state;

static void hot_init(handle info) {
  idx_t n = duckdb_init_get_column_count(info);
  hot_scan_state *st = n <= 64 ? calloc(1, sizeof *st) : NULL;
  if (!st) {
    duckdb_init_set_error(info, "too many columns, or out of memory");
    return;
  }
  st->columns = (int)n;
  for (idx_t i = 0; i < n; i++) st->column[i] = duckdb_init_get_column_index(info, i);
  duckdb_init_set_init_data(info, st, free);
  duckdb_init_set_max_threads(info, 2);
}

// A string as DuckDB's vectors hold it: up to 12 bytes stand in it, longer ones elsewhere.
typedef struct { uint32_t len; char prefix[4]; const char *p; } string_head;

static void set_null(handle vector, uint64_t **valid, uint64_t row) {
  if (!*valid) {
    duckdb_vector_ensure_validity_writable(vector);
    *valid = duckdb_vector_get_validity(vector);
  }
  (*valid)[row >> 6] &= ~(1ull << (row & 63));
}

static void put_ints(handle vector, const int64_t *v, uint64_t n) {
  memcpy(duckdb_vector_get_data(vector), v, n * sizeof *v);
  uint64_t *valid = NULL;
  for (uint64_t i = 0; i < n; i++)
    if (v[i] == null_int) set_null(vector, &valid, i);
}

static void put_uuids(handle vector, const uint64_t *hi, const uint64_t *lo, uint64_t n) {
  uint64_t *q = duckdb_vector_get_data(vector), *valid = NULL;
  for (uint64_t i = 0; i < n; i++) {
    q[2 * i] = lo[i];
    q[2 * i + 1] = hi[i] ^ 1ull << 63;
    if (!(hi[i] | lo[i])) set_null(vector, &valid, i);
  }
}

// Long strings are not copied: the vector points into the dictionary, which outlives the query.
static void put_strings(handle vector, const uint32_t *code, const hot_bytes *dict, uint64_t n) {
  string_head *q = duckdb_vector_get_data(vector);
  uint64_t *valid = NULL;
  for (uint64_t i = 0; i < n; i++) {
    if (!code[i]) {
      set_null(vector, &valid, i);
      continue;
    }
    const hot_bytes *s = &dict[code[i] - 1];
    q[i].len = (uint32_t)s->len;
    if (s->len <= 12) {
      memset(q[i].prefix, 0, 12);
      if (s->len) memcpy(q[i].prefix, s->p, s->len);
    } else {
      memcpy(q[i].prefix, s->p, 4);
      q[i].p = s->p;
    }
  }
}

static bool read_all(int fd, char *p, uint64_t n, int64_t off) {
  while (n > 0) {
    ssize_t got = pread(fd, p, n, off);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    p += got, off += got, n -= got;
  }
  return true;
}

static bool put_bodies(handle vector, const hot_body *body, uint64_t n) {
  uint64_t *valid = NULL, room = 0;
  char *buf = NULL;
  bool ok = true;
  for (uint64_t i = 0; ok && i < n; i++) {
    const hot_body *b = &body[i];
    if (b->fd == -1) {
      set_null(vector, &valid, i);
      continue;
    }
    if (b->fd == -2) {
      duckdb_vector_assign_string_element_len(vector, i, b->memory, b->req);
      continue;
    }
    uint64_t len = (uint64_t)b->req + 1 + b->resp;
    if (len > room) {
      free(buf);
      room = len < 4096 ? 4096 : 2 * len;
      if (!(buf = malloc(room))) return false;
    }
    buf[b->req] = 0x1E;
    ok = read_all(b->fd, buf, b->req, b->req_off) && read_all(b->fd, buf + b->req + 1, b->resp, b->resp_off);
    if (ok) duckdb_vector_assign_string_element_len(vector, i, buf, len);
  }
  free(buf);
  return ok;
}

static void hot_scan(handle info, handle out) {
  hot_snapshot *s = duckdb_function_get_bind_data(info);
  hot_scan_state *st = duckdb_function_get_init_data(info);
  uint64_t step = duckdb_vector_size(), from = atomic_fetch_add(&st->next, step);
  if (from >= s->rows) {
    duckdb_data_chunk_set_size(out, 0);
    return;
  }
  uint64_t n = s->rows - from < step ? s->rows - from : step;
  for (int i = 0; i < st->columns; i++) {
    if (st->column[i] >= (uint64_t)s->columns) continue; // a virtual column: count(*) asks for one
    const hot_column *c = &s->column[st->column[i]];
    handle v = duckdb_data_chunk_get_vector(out, i);
    if (!c->a) {
      uint64_t *valid = NULL;
      for (uint64_t k = 0; k < n; k++) set_null(v, &valid, k);
      continue;
    }
    switch (c->kind) {
    case HOT_INT:
    case HOT_TIMESTAMP: put_ints(v, (const int64_t *)c->a + from, n); break;
    case HOT_UUID: put_uuids(v, (const uint64_t *)c->a + from, (const uint64_t *)c->b + from, n); break;
    case HOT_STRING: put_strings(v, (const uint32_t *)c->a + from, c->dict, n); break;
    case HOT_BODY:
      if (!put_bodies(v, (const hot_body *)c->a + from, n)) {
        duckdb_function_set_error(info, "an event's bytes cannot be read from the log");
        return;
      }
      break;
    }
  }
  duckdb_data_chunk_set_size(out, n);
}

int hot_register(void *connection, const char *name) {
  handle f = duckdb_create_table_function();
  duckdb_table_function_set_name(f, name);
  handle t = duckdb_create_logical_type(TYPE_BIGINT);
  duckdb_table_function_add_parameter(f, t);
  duckdb_destroy_logical_type(&t);
  duckdb_table_function_set_bind(f, hot_bind);
  duckdb_table_function_set_init(f, hot_init);
  duckdb_table_function_set_function(f, hot_scan);
  duckdb_table_function_supports_projection_pushdown(f, true);
  int state = duckdb_register_table_function(connection, f);
  duckdb_destroy_table_function(&f);
  return state;
}
