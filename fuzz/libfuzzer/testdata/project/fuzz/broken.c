#include "record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	return record_of_nothing(data, size);
}
