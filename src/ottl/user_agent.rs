//! Who is behind a `User-Agent` header: the common browsers, libraries and probes.

/// A product by the token that names it, the most telling tokens first.
struct Product {
    token: &'static str,
    name: &'static str,
    /// Where the version stands, when not behind the token.
    version: Option<&'static str>,
}

const fn product(token: &'static str, name: &'static str) -> Product {
    Product { token, name, version: None }
}

static PRODUCTS: &[Product] = &[
    product("Googlebot", "Googlebot"),
    product("bingbot", "bingbot"),
    product("AhrefsBot", "AhrefsBot"),
    product("YandexBot", "YandexBot"),
    product("kube-probe", "kube-probe"),
    product("GoogleHC", "GoogleHC"),
    product("ELB-HealthChecker", "ELB-HealthChecker"),
    product("Prometheus", "Prometheus"),
    product("PostmanRuntime", "PostmanRuntime"),
    product("python-requests", "Python Requests"),
    product("aiohttp", "Python aiohttp"),
    product("Python-urllib", "Python-urllib"),
    product("Go-http-client", "Go-http-client"),
    product("okhttp", "okhttp"),
    product("Apache-HttpClient", "Apache-HttpClient"),
    product("axios", "axios"),
    product("curl", "curl"),
    product("Wget", "Wget"),
    product("Java", "Java"),
    product("Edg", "Edge"),
    product("EdgA", "Edge Mobile"),
    product("Edge", "Edge"),
    product("OPR", "Opera"),
    product("SamsungBrowser", "Samsung Internet"),
    product("YaBrowser", "Yandex Browser"),
    product("FxiOS", "Firefox iOS"),
    product("Firefox", "Firefox"),
    product("CriOS", "Chrome Mobile iOS"),
    product("HeadlessChrome", "HeadlessChrome"),
    product("Chrome", "Chrome"),
    Product { token: "Safari", name: "Safari", version: Some("Version") },
    product("MSIE", "IE"),
    Product { token: "Trident", name: "IE", version: Some("rv") },
];

/// Name and version; `Other` and nothing when it is not known.
pub fn recognise(header: &str) -> (&'static str, &str) {
    for product in PRODUCTS {
        let Some(version) = version_after(header, product.token) else { continue };
        let version = product.version.and_then(|token| version_after(header, token)).unwrap_or(version);
        let mobile = header.contains("Mobile");
        let name = match product.name {
            "Chrome" if mobile => "Chrome Mobile",
            "Safari" if mobile => "Mobile Safari",
            "Firefox" if header.contains("Mobile;") => "Firefox Mobile",
            name => name,
        };
        return (name, version);
    }
    ("Other", "")
}

/// The version behind `token/`, if the header has the token as a whole word.
fn version_after<'h>(header: &'h str, token: &str) -> Option<&'h str> {
    let after = header.match_indices(token).find_map(|(at, _)| {
        let before = header[..at].chars().next_back();
        let rest = &header[at + token.len()..];
        let whole = before.is_none_or(|c| !c.is_alphanumeric())
            && rest.chars().next().is_none_or(|c| !c.is_alphanumeric() && c != '-' && c != '_');
        whole.then_some(rest)
    })?;
    let version = after.trim_start_matches(['/', ' ', ':']);
    let end = version.find(|c: char| !c.is_ascii_alphanumeric() && c != '.').unwrap_or(version.len());
    Some(if version.starts_with(|c: char| c.is_ascii_digit()) { &version[..end] } else { "" })
}
