package crash

import (
	"path"
	"regexp"
	"strings"
)

// toolchains are the places whose beginning differs from machine to machine.
var toolchains = []struct{ in, as string }{
	{"/site-packages/", "site-packages/"},
	{"/dist-packages/", "site-packages/"},
	{"/go/pkg/mod/", "go/pkg/mod/"},
}

// runtimeFuncs are the beginnings of functions, as named has them, that are never
// where a bug is: allocators, the copying functions of C, what ends a process, the
// machinery of panics and exceptions, the drivers of fuzzers.
var runtimeFuncs = prefixes(
	// compiler-rt, and interceptors by both of their names
	"__sanitizer", "__interceptor_", "___interceptor_", "__asan", "__msan", "__tsan", "__lsan", "__ubsan", "__hwasan", "__sancov", "__interception::", "__GI_",
	// libFuzzer, Atheris, AFL++, libfuzzer-sys, honggfuzz
	"fuzzer::", "libfuzzer_sys::", "rust_fuzzer_test_input", "__rust_try", "__afl", "afl::", "atheris::", "honggfuzz::",
	// C++
	"std::", "__gnu_cxx::", "__cxxabiv1::", "__cxa_", "__gxx_", "operator new", "operator delete", "_Unwind_",
	// Rust; v0 and legacy names
	"core::", "alloc::", "__rustc::", "rust_begin_unwind", "rust_panic", "__rust_", "compiler_builtins::", "rustc_std_workspace",
	// libc
	"__libc_", "_start", "__pthread_", "pthread_", "__assert", "__run_exit_handlers", "__kernel_", "__restore_rt", "_IO_", "__vdso_", "__fortify", "__chk_fail", "__stack_chk_fail",
)

// runtimeNames are such functions by their whole name.
var runtimeNames = set(
	"abort", "raise", "gsignal", "kill", "tgkill", "exit", "_exit", "_Exit", "start_thread", "clone", "clone3", "thread_start",
	"malloc", "calloc", "realloc", "reallocarray", "free", "aligned_alloc", "posix_memalign", "memalign", "valloc", "strdup", "strndup",
	"memcpy", "memmove", "memset", "memcmp", "memchr", "memmem", "bcmp", "bzero", "strlen", "strnlen", "strcpy", "strncpy", "strcat", "strncat", "strcmp", "strncmp",
	"strcasecmp", "strncasecmp", "strchr", "strrchr", "strstr", "strspn", "strcspn", "strtol", "strtoul", "strtoll", "strtoull", "atoi", "atol", "atoll",
	"printf", "fprintf", "sprintf", "snprintf", "vsnprintf", "vsprintf", "vfprintf", "puts", "fputs", "fwrite", "fread", "read", "write", "qsort", "bsearch",
	"panic", "panicmem", "gopanic",
)

// runtimeFiles matches the files of runtimes, standard libraries and drivers.
var runtimeFiles = regexp.MustCompile(`^rustc/` +
	`|^/rustc/` +
	`|(^|/)(compiler-rt|libfuzzer-sys-[0-9.]+|afl-[0-9.]+|honggfuzz-[0-9.]+)/` +
	`|^(\.\./)*(csu|nptl|sysdeps|stdlib|assert|signal|string|malloc|elf|debug|libio|misc|setjmp|time)/(\./|\.\./)*[a-z0-9_./-]+\.[chS]$` +
	`|/include/c\+\+/|/lib/gcc/|/libstdc\+\+-v3/|/bits/|/libcxx/` +
	`|/lib/python[0-9.]+/|^site-packages/atheris/|^<frozen |^<__array_function__` +
	`|(^|/)library/(std|core|alloc|test|panic_unwind|panic_abort)/src/`)

// vendored matches the files of fuzzers' drivers that a project has a copy of, as cargo
// vendor makes one.
var vendored = regexp.MustCompile(`(^|/)vendor/(libfuzzer-sys|afl|honggfuzz)(-[0-9][^/]*)?/`)

// runtimeModules are the beginnings of libraries whose unnamed functions are the
// runtime's.
var runtimeModules = prefixes("libc.so", "libc-", "libc.musl", "ld-", "libstdc++", "libc++", "libm.", "libm-", "libgcc_s", "libpthread", "libasan", "libubsan", "libtsan",
	"libmsan", "libclang_rt", "libpython", "linux-vdso", "[vdso]", "libdl")

// entries are the functions by which fuzzers enter a harness. What called them is the
// fuzzer.
var entries = set("LLVMFuzzerTestOneInput", "TestOneInput", "rust_fuzzer_test_input", "testing.(*F).Fuzz.func")

// mark sets Runtime in the frames of a stack: by the tables, unless the file lies in
// the workspace and is no driver, and in all below the entry of a harness. Frames that are the same
// as the two before are left out: they are one recursion.
func mark(frames []Frame, runtime func(Frame) bool) []Frame {
	out := frames[:0]
	below := false
	for _, f := range frames {
		f.Runtime = below || vendored.MatchString(f.File) || !f.own && runtime(f)
		entry := f.Func
		if i := strings.LastIndexByte(entry, '.'); i >= 0 && strings.HasSuffix(f.File, ".py") {
			entry = entry[i+1:]
		}
		below = below || entries[entry]
		if n := len(out); n > 1 && f.Func != "" && out[n-1].Func == f.Func && out[n-2].Func == f.Func {
			continue
		}
		out = append(out, f)
	}
	return out
}

// nativeRuntime is mark's test for C, C++ and Rust.
func nativeRuntime(f Frame) bool {
	if f.Func == "" {
		return f.File == "" && runtimeModules(path.Base(f.Module)) || f.File == "" && f.Module == "" || runtimeFiles.MatchString(f.File)
	}
	return runtimeNames[f.Func] || runtimeFuncs(f.Func) || runtimeFiles.MatchString(f.File) || f.File == "" && runtimeModules(path.Base(f.Module))
}

func prefixes(list ...string) func(string) bool {
	return func(s string) bool {
		for _, p := range list {
			if strings.HasPrefix(s, p) {
				return true
			}
		}
		return false
	}
}

func set(list ...string) map[string]bool {
	m := make(map[string]bool, len(list))
	for _, s := range list {
		m[s] = true
	}
	return m
}
