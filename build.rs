//! Compiles the crate again when the dashboard was built, because its files become part of the binary.

fn main() {
    println!("cargo:rerun-if-changed=dashboard/dist");
}
