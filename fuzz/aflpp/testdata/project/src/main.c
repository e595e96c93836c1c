/* The program itself, which is no harness. */
int main(void) { return 0; }
