#include <record.h>

#include <string>

// The harness is below.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	std::string copy(reinterpret_cast<const char *>(data), size);
	record_sum(reinterpret_cast<const uint8_t *>(copy.data()), copy.size());
	return 0;
}
