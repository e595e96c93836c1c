/*
 * Reads a packet from the file that its last argument names.
 *
 * cordon: afl --title @@
 */
#include "packet.h"

#include <stdio.h>
#include <string.h>

int main(int argc, char **argv) {
	unsigned char data[4096];
	if (argc != 3 || strcmp(argv[1], "--title") != 0)
		return 2;
	FILE *in = fopen(argv[2], "rb");
	if (!in)
		return 1;
	size_t size = fread(data, 1, sizeof data, in);
	fclose(in);
	packet_title(data, size);
	return 0;
}
