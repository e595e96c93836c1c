/* For another system: it is left out. */
#include <no_such_system.h>

int elsewhere(void) { return 1; }
