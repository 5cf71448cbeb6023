//! What must never get into the dependency tree (`deny.toml` says the same to cargo-deny).

const LOCK: &str = include_str!("../Cargo.lock");

#[test]
fn no_async_runtime_is_in_the_dependency_tree() {
    let banned =
        ["mio", "tokio-macros", "async-std", "smol", "async-executor", "async-io", "hyper", "openssl-sys"];
    let found: Vec<&str> = LOCK
        .lines()
        .filter_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"'))
        .filter(|name| banned.contains(name))
        .collect();
    assert_eq!(found, [""; 0]);
}
