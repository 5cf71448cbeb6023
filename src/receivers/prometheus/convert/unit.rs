//! Units: the words of OpenMetrics as UCUM has them.

/// `seconds` → `s`, `bytes_per_second` → `By/s`; an unknown word stays.
pub fn ucum(unit: &str) -> String {
    match unit.split_once("_per_") {
        Some((of, per)) => format!("{}/{}", word(of), single(per)),
        None => word(unit).to_owned(),
    }
}

fn word(unit: &str) -> &str {
    match unit {
        "days" => "d",
        "hours" => "h",
        "minutes" => "min",
        "seconds" => "s",
        "milliseconds" => "ms",
        "microseconds" => "us",
        "nanoseconds" => "ns",
        "bytes" => "By",
        "kibibytes" => "KiBy",
        "mebibytes" => "MiBy",
        "gibibytes" => "GiBy",
        "tibibytes" => "TiBy",
        "kilobytes" => "KBy",
        "megabytes" => "MBy",
        "gigabytes" => "GBy",
        "terabytes" => "TBy",
        "meters" => "m",
        "volts" => "V",
        "amperes" => "A",
        "joules" => "J",
        "watts" => "W",
        "grams" => "g",
        "celsius" => "Cel",
        "hertz" => "Hz",
        "ratio" => "1",
        "percent" => "%",
        other => other,
    }
}

fn single(unit: &str) -> &str {
    match unit {
        "second" => "s",
        "minute" => "m",
        "hour" => "h",
        "day" => "d",
        "week" => "w",
        "month" => "mo",
        "year" => "y",
        other => other,
    }
}

/// The name without what type and unit say already: `http_requests_total` → `http_requests`.
pub fn trimmed(name: &str, unit: &str, is_sum: bool) -> String {
    let mut tokens: Vec<&str> = name.split('_').filter(|token| !token.is_empty()).collect();
    if tokens.len() > 1 && is_sum && tokens.last() == Some(&"total") {
        tokens.pop();
    }
    for word in unit.split('_').filter(|word| !word.is_empty()).rev() {
        if tokens.len() > 1 && tokens.last() == Some(&word) {
            tokens.pop();
        }
    }
    if tokens.is_empty() { name.to_owned() } else { tokens.join("_") }
}
