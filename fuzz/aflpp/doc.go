// Package aflpp is the engine "afl++": AFL++ 4.04c or newer, for C and C++.
//
// A harness is a source file of one of these kinds:
//
//   - it defines LLVMFuzzerTestOneInput, as for libFuzzer;
//
//   - it has a main and AFL's persistent mode, __AFL_LOOP or __AFL_INIT;
//
//   - it has a main and a comment "cordon: afl" in it, with the arguments that the program is to
//     be run with. @@ among them stands for the file with the input; without it the
//     input comes by standard input. For example
//
//     // cordon: afl --quiet @@
//
// They are built as package libfuzzer builds its own, with afl-clang-fast.
//
// # Sessions
//
// Session.Jobs are as many instances of afl-fuzz in one directory, a main one and secondary
// ones with other power schedules. AFL goes on after a crash; a session ends with the first one of
// a bug that this Binary has not told of yet, and passes over those of bugs that it has. So
// the next session gets past them, and Stats.Crashes counts bugs. What crashes of
// the corpus is told of in the same way and ends no session.
//
// AFL says nothing of a crash. So each input is run again by itself, with the sanitizer that was wished
// for; where that is "none", in a second program, with AddressSanitizer.
//
// Session.Memory holds for programs without a sanitizer only: those of AddressSanitizer reserve
// more address space than there is, and AFL knows no other limit. The confinement
// is what limits them.
package aflpp
