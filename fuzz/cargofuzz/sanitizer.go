package cargofuzz

import (
	"fmt"
	"path/filepath"

	"github.com/cordonlabs/cordon"
)

// runtimes are the sanitizers, with what the name of their runtime has in it. Memory
// and thread are not among them: they report what is no bug unless the standard
// library is built with them as well, which takes a nightly toolchain.
var runtimes = map[string]string{"address": "asan", "leak": "lsan", "none": ""}

// sanitize returns the flags of the sanitizer that is wished for. That the toolchain
// has no runtime for it is a note: the fuzzer finds panics without it.
func (t toolchain) sanitize(wish string) (name string, flags []string, note string, err error) {
	if wish == "" {
		wish = "address"
	}
	runtime, ok := runtimes[wish]
	if !ok {
		return "", nil, "", &cordon.Error{
			Kind: cordon.InvalidArgument, Op: "choose the sanitizer", Name: fmt.Sprintf("%q", wish),
			Err: fmt.Errorf("cargo-fuzz has no such sanitizer here"), Fix: "give address, leak or none",
		}
	}
	if runtime == "" {
		return wish, nil, "", nil
	}
	found, _ := filepath.Glob(filepath.Join(t.sysroot, "lib", "rustlib", t.host, "lib", "librustc*_rt."+runtime+".a")) // the pattern is well-formed
	if len(found) == 0 {
		return "none", nil, fmt.Sprintf("The sanitizer %q is off: the Rust of the worker (%s) comes without it, as distributions' do; rustup's has it.", wish, t.version), nil
	}
	return wish, []string{"-Zsanitizer=" + wish}, "", nil
}
