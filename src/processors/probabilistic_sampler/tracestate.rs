//! The `ot` member of a W3C `tracestate`: sampling threshold and randomness.

use super::probability::{Randomness, Threshold, parse_randomness};

/// What `ot=th:…;rv:…` says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sampling {
    pub threshold: Option<Threshold>,
    pub randomness: Option<Randomness>,
}

fn fields(member: &str) -> impl Iterator<Item = (&str, &str)> {
    member.split(';').filter_map(|field| field.split_once(':'))
}

fn members(state: &str) -> impl Iterator<Item = (&str, &str)> {
    state.split(',').filter_map(|member| member.trim().split_once('='))
}

impl Sampling {
    pub fn of(state: &str) -> Self {
        let Some((_, member)) = members(state).find(|(key, _)| *key == "ot") else { return Self::default() };
        let field = |wanted| fields(member).find(|(key, _)| *key == wanted).map(|(_, value)| value);
        Self {
            threshold: field("th").and_then(Threshold::parse),
            randomness: field("rv").and_then(parse_randomness),
        }
    }
}

/// The state with a new threshold; everything else in it stays.
pub fn with_threshold(state: &str, threshold: Threshold) -> String {
    let own = members(state).find(|(key, _)| *key == "ot").map_or("", |(_, member)| member);
    let mut out = format!("ot=th:{}", threshold.digits());
    for (key, value) in fields(own).filter(|(key, _)| *key != "th") {
        out.push(';');
        out.push_str(key);
        out.push(':');
        out.push_str(value);
    }
    for (key, value) in members(state).filter(|(key, _)| *key != "ot") {
        out.push(',');
        out.push_str(key);
        out.push('=');
        out.push_str(value);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_members_of_others_are_kept() {
        let half = Threshold::of(0.5, 4);
        for (state, want) in [
            ("", "ot=th:8"),
            ("ot=th:c", "ot=th:8"),
            ("a=1,ot=rv:0000000000000f;th:0;x:y,b=2", "ot=th:8;rv:0000000000000f;x:y,a=1,b=2"),
        ] {
            assert_eq!(with_threshold(state, half), want);
            assert_eq!(Sampling::of(want).threshold, Some(half));
        }
        let read = Sampling::of("a=1, ot=rv:0000000000000f;th:c");
        assert_eq!(read, Sampling { threshold: Threshold::parse("c"), randomness: Some(15) });
    }
}
