//! Identifiers as RFC 9562 has them.

/// A random one (version 4).
pub fn random() -> String {
    written(fastrand::u128(..), 4)
}

/// One that begins with the time in milliseconds since the Unix epoch (version 7).
pub fn of_time(millis: u128) -> String {
    written(millis << 80 | fastrand::u128(..) >> 48, 7)
}

fn written(bits: u128, version: u128) -> String {
    const VERSION: u32 = 76;
    const VARIANT: u32 = 62;
    let rest = bits & !(0xf << VERSION | 0x3 << VARIANT);
    let digits = format!("{:032x}", rest | version << VERSION | 0x2 << VARIANT);
    [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]].join("-")
}
