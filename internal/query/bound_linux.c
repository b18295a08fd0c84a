#include <stdlib.h>

// DuckDB's allocator keeps the address space of what is freed, and reads once, before main, whether it shall. Kept, it would
// count for the process, and each statement that went to its bound would move the next one's up.
__attribute__((constructor(101))) static void annals_give_back(void) {
	setenv("DUCKDB_JE_MALLOC_CONF", "retain:false", 0);
}
