//! Tells the linker where libtorch is (beside the shipped program first, then where it was built against), and the program
//! which version it is.

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=DEP_TCH_LIBTORCH_LIB");
    println!("cargo:rerun-if-env-changed=BELLWETHER_REVISION");
    let mut version = None;
    // torch-sys (links = "tch") tells its direct dependents.
    if let Ok(folder) = std::env::var("DEP_TCH_LIBTORCH_LIB") {
        println!("cargo:rustc-link-arg=-Wl,-rpath,$ORIGIN/../torch/lib");
        println!("cargo:rustc-link-arg=-Wl,-rpath,{folder}");
        version = std::fs::read_to_string(Path::new(&folder).join("../build-version")).ok();
    }
    revision();
    println!("cargo:rustc-env=BELLWETHER_LIBTORCH={}", version.as_deref().unwrap_or("unknown").trim());
}

/// The revision that the program is made from, for the lineage of what it trains; as in the root's build script.
fn revision() {
    let root = Path::new("../..");
    for file in [".git/HEAD", ".git/logs/HEAD"].map(|file| root.join(file)).into_iter().filter(|file| file.exists()) {
        println!("cargo:rerun-if-changed={}", file.display());
    }
    if std::env::var_os("BELLWETHER_REVISION").is_some() || !root.join(".git").exists() {
        return;
    }
    let answer = Command::new("git").args(["rev-parse", "--short", "HEAD"]).output();
    if let Some(answer) = answer.ok().filter(|answer| answer.status.success()) {
        println!("cargo:rustc-env=BELLWETHER_REVISION={}", String::from_utf8_lossy(&answer.stdout).trim());
    }
}
