// Package cargofuzz fuzzes Rust with libFuzzer, as cargo-fuzz does.
//
// A harness is a program ([[bin]]) of a crate that depends on libfuzzer-sys, as cargo
// fuzz init makes it in fuzz/, whose file has fuzz_target! in it. Crates of a workspace
// may each have their own.
//
// The program cargo-fuzz is not needed, nor is a nightly toolchain: all that cargo-fuzz
// does is to call cargo with flags for rustc, which this package does itself. The one
// flag among them that a stable rustc refuses, for sanitizers, is let through by
// RUSTC_BOOTSTRAP. The toolchain is the worker's; one that the project names
// (rust-toolchain.toml) is not looked at, for it would have to be fetched.
//
// cargo has its home and its target directory where the engine builds, so that nothing
// of the worker's is written to. What the project depends on is fetched first; the build
// itself then needs no network.
package cargofuzz
