// No fuzz target: fuzz_target!(|data| {}) stands in a comment alone.
fn main() {
    println!("fuzz_target!(|data: &[u8]| {{}})");
}
