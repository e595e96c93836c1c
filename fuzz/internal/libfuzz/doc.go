// Package libfuzz runs programs that have libFuzzer in them: harnesses in C and
// C++, Python's through Atheris, Rust's through libfuzzer-sys. They take the same
// arguments and speak alike; what differs is how they are built and started, which
// a Program says.
//
// What a program prints is the word of hostile code. It is read in bounded pieces,
// numbers in it are believed for what they are worth, and a file that it claims to
// have written counts only if it is a regular one where it should be.
package libfuzz
