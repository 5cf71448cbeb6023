//! Tells the binary which commit and target it was built from.

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-env-changed=KMAGENT_COMMIT");
    println!("cargo::rerun-if-changed=.git/HEAD");
    println!("cargo::rerun-if-changed=.git/logs/HEAD");
    // An image build has no .git: there the commit comes in through the environment.
    let commit = std::env::var("KMAGENT_COMMIT").ok().or_else(head).unwrap_or_else(|| "unknown".to_owned());
    println!("cargo::rustc-env=KMAGENT_COMMIT={commit}");
    println!("cargo::rustc-env=KMAGENT_TARGET={}", std::env::var("TARGET").unwrap_or_default());
}

fn head() -> Option<String> {
    let out = Command::new("git").args(["rev-parse", "--short=12", "HEAD"]).output().ok()?;
    out.status.success().then(|| String::from_utf8_lossy(&out.stdout).trim().to_owned())
}
