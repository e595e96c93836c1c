#include "packet.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size) {
	return packet_of_nothing(data, size);
}
