package crash_test

import (
	"testing"

	"github.com/cordonlabs/cordon/crash"
)

// The sources of what a project depends on lie in the workspace while it is fuzzed:
// the engine put them there, and they are not the project's.
func TestWhatTheEngineBuiltIsNotTheProjects(t *testing.T) {
	const log = `thread '<unnamed>' (12) panicked at src/record.rs:9:5:
index out of bounds: the len is 4 but the index is 4
==12== ERROR: libFuzzer: deadly signal
    #0 0x55 in __sanitizer_print_stack_trace /rustc/abc/src/llvm-project/compiler-rt/lib/asan/asan_stack.cpp:87:3
    #1 0x55 in fuzzer::PrintStackTrace() /ws/.cordon-fuzz/cargo-fuzz/planted/build/cargo-home/registry/src/index-1949/libfuzzer-sys-0.4.13/libfuzzer/FuzzerUtil.cpp:210:38
    #2 0x55 in fuzzer::Fuzzer::CrashCallback() /ws/.cordon-fuzz/cargo-fuzz/planted/build/cargo-home/registry/src/index-1949/libfuzzer-sys-0.4.13/libfuzzer/FuzzerLoop.cpp:231:18
    #3 0x55 in parser::decode::h0123456789abcdef /ws/.cordon-fuzz/cargo-fuzz/planted/build/cargo-home/registry/src/index-1949/parser-1.0.0/src/lib.rs:7:1
    #4 0x55 in record::last_of_four::h0123456789abcdef /ws/src/record.rs:9:5
    #5 0x55 in rust_fuzzer_test_input /ws/fuzz/fuzz_targets/planted.rs:4:1
`
	r := crash.Parse("cargo-fuzz", log, "/ws")
	if w := r.Where(); w.File != "src/record.rs" || w.Line != 9 || w.Func != "record::last_of_four" {
		t.Errorf("it is at %+v", w)
	}
	for _, f := range r.Frames {
		switch f.Func {
		case "fuzzer::PrintStackTrace", "fuzzer::Fuzzer::CrashCallback":
			if !f.Runtime {
				t.Errorf("%+v counts", f)
			}
		case "parser::decode":
			if f.Runtime || f.File != "cargo/registry/parser-1.0.0/src/lib.rs" {
				t.Errorf("%+v", f)
			}
		}
	}
}
