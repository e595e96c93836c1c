#ifndef PACKET_H
#define PACKET_H

#include <stddef.h>

/* packet_kind sorts a packet by its first bytes. */
int packet_kind(const unsigned char *data, size_t size);

/* packet_title reads the title of a packet that begins with "PK". */
int packet_title(const unsigned char *data, size_t size);

#endif
