// The way from DuckDB to the scalar functions that are written in Go.
#include <stdint.h>

void annals_call(void *info, void *input, void *output);

// A small number as a pointer that Go's runtime takes for one.
void *annals_number(int n);
