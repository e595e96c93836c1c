#include "packet.h"

#include <unistd.h>

__AFL_FUZZ_INIT();

int main(void) {
	__AFL_INIT();
	unsigned char *data = __AFL_FUZZ_TESTCASE_BUF;
	while (__AFL_LOOP(1000))
		packet_title(data, __AFL_FUZZ_TESTCASE_LEN);
	return 0;
}
