#include <stdlib.h>
#include <unistd.h>

__AFL_FUZZ_INIT();

static void __attribute__((noinline)) give_up(void) { abort(); }

int main(void) {
	__AFL_INIT();
	unsigned char *data = __AFL_FUZZ_TESTCASE_BUF;
	while (__AFL_LOOP(1000)) {
		if (__AFL_FUZZ_TESTCASE_LEN > 12 && data[0] == 'A')
			give_up();
	}
	return 0;
}
