//! Tells the program which revision it is made from, for `bellwether_build_info`. Sources without a repository, or a machine
//! without git, have none; then the program says `unknown`. `BELLWETHER_REVISION` in the environment stands instead.

use std::path::Path;
use std::process::Command;

const NAME: &str = "BELLWETHER_REVISION";
/// The first changes when another branch is checked out, the second with every commit. A file that is missing would count as
/// changed at every build.
const CHANGING: [&str; 2] = [".git/HEAD", ".git/logs/HEAD"];

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed={NAME}");
    for file in CHANGING.into_iter().filter(|file| Path::new(file).exists()) {
        println!("cargo:rerun-if-changed={file}");
    }
    // Sources in a folder of another repository are not a revision of that one.
    if std::env::var_os(NAME).is_some() || !Path::new(".git").exists() {
        return;
    }
    let answer = Command::new("git").args(["rev-parse", "--short", "HEAD"]).output();
    if let Ok(answer) = answer
        && answer.status.success()
    {
        println!("cargo:rustc-env={NAME}={}", String::from_utf8_lossy(&answer.stdout).trim());
    }
}
