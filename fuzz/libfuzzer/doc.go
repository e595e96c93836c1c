// Package libfuzzer fuzzes C and C++ with libFuzzer, which comes with clang.
//
// A harness is a source file that defines LLVMFuzzerTestOneInput. It is built in one
// of two ways.
//
// A project that knows how to build its harnesses says so by a script, as OSS-Fuzz and
// ClusterFuzzLite have it: .clusterfuzzlite/build.sh, fuzz/build.sh and some more
// places (cproject.Scripts), taken for one if it mentions LIB_FUZZING_ENGINE. It is run by bash in
// the project's root, with CC, CXX, CFLAGS, CXXFLAGS, LIB_FUZZING_ENGINE, SANITIZER, SRC,
// WORK and OUT set, and leaves a program in OUT that is called like the harness's file.
//
// Without one, every C and C++ file of the project that has no main and is no harness is
// compiled with the directories of headers at hand, into an archive; what does not compile is left
// out. The harness is linked to the archive, so that only what it needs matters. Makefiles and
// CMake are not looked at: what their targets are called is nobody's convention, and
// a script of two lines says it.
package libfuzzer
