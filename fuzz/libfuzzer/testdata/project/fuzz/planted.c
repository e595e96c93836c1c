#include "record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	record_name(data, size);
	return 0;
}
