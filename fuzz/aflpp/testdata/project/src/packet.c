#include "packet.h"

#include <stdlib.h>
#include <string.h>

int packet_kind(const unsigned char *data, size_t size) {
	if (size == 0)
		return 0;
	if (data[0] < ' ')
		return size > 4 ? 2 : 1;
	if (data[0] >= 'a' && data[0] <= 'z') {
		if (size > 2 && data[1] >= 'a')
			return 4;
		return 3;
	}
	if (data[0] >= '0' && data[0] <= '9')
		return size > 8 ? 6 : 5;
	return 7;
}

/* The planted bug: a title of any length goes to a room for eight bytes. */
static int __attribute__((noinline)) store_title(const unsigned char *title, size_t size) {
	char *room = malloc(8);
	memcpy(room, title, size);
	int first = room[0];
	free(room);
	return first;
}

int packet_title(const unsigned char *data, size_t size) {
	if (size < 2 || data[0] != 'P')
		return -1;
	if (data[1] != 'K')
		return -2;
	return store_title(data + 2, size - 2);
}
