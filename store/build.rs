//! Rebuilds the crate when a migration is added: `sqlx::migrate!` can't see new files by itself.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
