#include "record.h"

#include <stdio.h>

int main(void) { return printf("%d\n", record_sum((const uint8_t *)"Rx", 2)); }
