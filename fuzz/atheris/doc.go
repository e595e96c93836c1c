// Package atheris fuzzes Python with Atheris, which is libFuzzer with Python's
// coverage.
//
// A harness is a Python file that calls atheris.Setup, or that defines TestOneInput
// and leaves the rest to whoever runs it. It runs as a program by itself, with the
// directory that it lies in, the project's root and its src directory in sys.path.
// In a file that does not call Setup all that it imports is instrumented.
//
// What a project needs is installed from requirements.txt beside the harness and in
// the project's root, where they are; what it has of its own is used from its sources.
package atheris
