//! Tells the binary which commit and target it was built from, and compiles the programs in `bpf/`.

use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-env-changed=KMAGENT_COMMIT");
    println!("cargo::rerun-if-changed=.git/HEAD");
    println!("cargo::rerun-if-changed=.git/logs/HEAD");
    // An image build has no .git: there the commit comes in through the environment.
    let commit = std::env::var("KMAGENT_COMMIT").ok().or_else(head).unwrap_or_else(|| "unknown".to_owned());
    println!("cargo::rustc-env=KMAGENT_COMMIT={commit}");
    println!("cargo::rustc-env=KMAGENT_TARGET={}", std::env::var("TARGET").unwrap_or_default());
    if std::env::var_os("CARGO_FEATURE_EBPF").is_some() {
        compile_programs();
    }
}

/// Compiles every `bpf/*.bpf.c` with clang, against the headers of the libbpf that loads them.
fn compile_programs() {
    println!("cargo::rerun-if-changed=bpf");
    println!("cargo::rerun-if-env-changed=KMAGENT_CLANG");
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets it"));
    let headers = std::env::var("DEP_BPF_INCLUDE").expect("libbpf-sys tells where its headers are");
    let clang = std::env::var("KMAGENT_CLANG").unwrap_or_else(|_| "clang".to_owned());
    let mut sources: Vec<PathBuf> = std::fs::read_dir("bpf")
        .expect("bpf/ is part of the sources")
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.to_string_lossy().ends_with(".bpf.c"))
        .collect();
    sources.sort();
    for source in sources {
        let object = out.join(source.with_extension("o").file_name().expect("a file has a name"));
        let compiled = Command::new(&clang)
            .args(["-target", "bpf", "-mcpu=v3", "-O2", "-g", "-Wall", "-Werror", "-ffile-prefix-map=bpf=."])
            .args(["-I", &headers])
            .args(kernel_headers().iter().flat_map(|folder| ["-I", folder.as_str()]))
            .arg("-c")
            .arg(&source)
            .arg("-o")
            .arg(&object)
            .output();
        match compiled {
            Ok(output) if output.status.success() => strip(&object),
            Ok(output) => panic!(
                "clang cannot compile {}:\n{}",
                source.display(),
                String::from_utf8_lossy(&output.stderr)
            ),
            Err(error) => panic!(
                "the programs of the ebpf receiver need clang 14 or newer, and \"{clang}\" does not start ({error}): \
                 install it (scripts/setup build), name another one in KMAGENT_CLANG, or build without the \
                 receiver's programs (--no-default-features --features jemalloc)"
            ),
        }
    }
}

/// Where Debian keeps the headers of the host's architecture; elsewhere clang knows the place.
fn kernel_headers() -> Vec<String> {
    let host = std::env::var("HOST").unwrap_or_default();
    let architecture = host.split('-').next().unwrap_or_default();
    let folder = format!("/usr/include/{architecture}-linux-gnu");
    if Path::new(&folder).exists() { vec![folder] } else { Vec::new() }
}

/// Debugging information is of no use in the agent; what the kernel needs is kept. Without the tool
/// the binary is larger, that is all.
fn strip(object: &Path) {
    let _ = Command::new("llvm-strip").arg("-g").arg(object).output();
}

fn head() -> Option<String> {
    let out = Command::new("git").args(["rev-parse", "--short=12", "HEAD"]).output().ok()?;
    out.status.success().then(|| String::from_utf8_lossy(&out.stdout).trim().to_owned())
}
