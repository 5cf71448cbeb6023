//! The agent that is measured.

/// Names another binary to measure: the static one, which is what the image holds.
const OTHER: &str = "KMAGENT_BINARY";

/// The path of the binary: cargo's, unless `KMAGENT_BINARY` names another.
pub fn binary() -> String {
    std::env::var(OTHER).unwrap_or_else(|_| env!("CARGO_BIN_EXE_kmagent").to_owned())
}
