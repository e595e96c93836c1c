// Package cli is the command line: it reads flags and environment, calls the
// packages below, and says what happened.
//
// Manners that hold for every command: standard output is data and standard
// error is talk; --json prints one JSON value; there are colours and bars on a
// terminal only, and none with NO_COLOR; what comes from outside is printed with
// its control characters made visible; an error is one line that says what was
// asked, what was wrong and what to do; exit codes are those of CONTRACT §8.11.
package cli
