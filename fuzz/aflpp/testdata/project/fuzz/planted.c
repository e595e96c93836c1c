#include "packet.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size) {
	packet_title(data, size);
	return 0;
}
