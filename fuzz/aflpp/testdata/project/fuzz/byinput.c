// Reads a packet from its standard input.
// cordon: afl
#include "packet.h"

#include <stdio.h>
#include <unistd.h>

int main(void) {
	unsigned char data[4096];
	size_t size = fread(data, 1, sizeof data, stdin);
	if (size > 4 && data[0] == 'Z')
		for (;;)
			pause();
	packet_title(data, size);
	return 0;
}
