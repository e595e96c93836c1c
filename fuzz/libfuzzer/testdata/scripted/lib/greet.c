#include <string.h>

int greet(const char *s, unsigned long size) { return size >= 2 && !memcmp(s, GREETING, 2); }
