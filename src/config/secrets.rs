//! What must not be shown.

/// What stands for a secret.
pub(super) const REDACTED: &str = "[REDACTED]";

/// Whether the values under a key of this name, or of a variable of this name, are secrets.
pub fn is_secret_key(key: &str) -> bool {
    const NAMES: [&str; 10] = [
        "headers",
        "headers_list",
        "authorization",
        "api_key",
        "apikey",
        "token",
        "password",
        "secret",
        "bearer",
        "credentials",
    ];
    const ENDINGS: [&str; 5] = ["_pem", "_password", "_token", "_secret", "_api_key"];
    let key = key.to_ascii_lowercase().replace('-', "_");
    NAMES.contains(&key.as_str()) || ENDINGS.iter().any(|ending| key.ends_with(ending))
}

/// Whether a text shows by its form that it is a secret: the value of an `Authorization` header.
pub(super) fn looks_secret(text: &str) -> bool {
    text.split_once(' ').is_some_and(|(scheme, rest)| {
        let known = scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("basic");
        known && rest.len() >= 8 && !rest.contains(' ')
    })
}

/// `message` without `secret`, as it is or as quoting changes it.
pub(super) fn mask(message: &str, secret: &str) -> String {
    if secret.trim().is_empty() {
        return message.to_owned();
    }
    let quoted = format!("{secret:?}");
    let quoted = quoted.trim_matches('"');
    message.replace(secret, REDACTED).replace(quoted, REDACTED).replace(secret.trim(), REDACTED)
}
