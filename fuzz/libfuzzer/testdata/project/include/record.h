#ifndef RECORD_H
#define RECORD_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* record_sum adds up the bytes of a record that begins with "R". */
int record_sum(const uint8_t *data, size_t size);

/* record_name reads the name in a record that begins with "BUG". */
int record_name(const uint8_t *data, size_t size);

#ifdef __cplusplus
}
#endif

#endif
