/* Runs a harness without a fuzzer: int LLVMFuzzerTestOneInput(…) { is not defined here. */
#include <stddef.h>
#include <stdint.h>

extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

const char *help = "define int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {";

int main(void) {
	if (LLVMFuzzerTestOneInput((const uint8_t *)"", 0)) {
		return 1;
	}
	return 0;
}
