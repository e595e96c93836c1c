#include "record.h"

#include <stdlib.h>
#include <string.h>

int record_sum(const uint8_t *data, size_t size) {
	int sum = 0;
	if (size < 2 || data[0] != 'R')
		return -1;
	for (size_t i = 1; i < size; i++) {
		if (data[i] > 'm')
			sum += 2;
		else if (data[i] > 'a')
			sum += 1;
		if (i == 3 && data[i] == 'x')
			sum *= 2;
	}
	return sum;
}

/* The planted bug: the name has room for four bytes, whatever its length. */
static int __attribute__((noinline)) copy_name(const uint8_t *name, size_t size) {
	char *copy = malloc(4);
	memcpy(copy, name, size);
	int first = copy[0];
	free(copy);
	return first;
}

int record_name(const uint8_t *data, size_t size) {
	if (size < 10 || data[0] != 'B')
		return -1;
	if (data[1] != 'U')
		return -2;
	if (data[2] != 'G')
		return -3;
	return copy_name(data + 3, size - 3);
}
