extern "C" {
#include "packet.h"
}

extern "C" int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size) {
	return packet_kind(data, size) < 0;
}
