/* Would define record_sum twice. */
int record_sum(void) { return 0; }
