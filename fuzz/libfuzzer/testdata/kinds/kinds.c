#include <assert.h>
#include <limits.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/* The first byte of the input says what happens. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	static void *volatile kept;
	volatile int number = INT_MAX;
	if (size == 0)
		return 0;
	switch (data[0]) {
	case 'H': /* hangs */
		for (;;)
			number = 1;
	case 'M': /* takes all memory */
		kept = malloc((size_t)3 << 30);
		free(kept);
		break;
	case 'L': /* leaks */
		kept = malloc(10);
		kept = NULL;
		break;
	case 'A':
		assert(size > 1000);
		break;
	case 'U': /* overflows a signed number */
		number += 1;
		break;
	}
	return 0;
}
