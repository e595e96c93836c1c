#include <stddef.h>
#include <stdint.h>

int greet(const char *s, unsigned long size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) { return greet((const char *)data, size), 0; }
