//! strptime directives as the collector knows them, in terms of Go's reference time.

/// Why a layout is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StrptimeError {
    #[error("unknown directive \"%{0}\"")]
    Unknown(char),
    #[error("the layout ends after \"%\"")]
    Unfinished,
    #[error(
        "\"{0}\" is a digit: a strptime layout has directives, such as %Y, for digits (or set layout_type: gotime)"
    )]
    Digit(char),
}

const DIRECTIVES: &[(char, &str)] = &[
    ('Y', "2006"),
    ('y', "06"),
    ('m', "01"),
    ('o', "_1"),
    ('q', "1"),
    ('b', "Jan"),
    ('h', "Jan"),
    ('B', "January"),
    ('d', "02"),
    ('e', "_2"),
    ('g', "2"),
    ('a', "Mon"),
    ('A', "Monday"),
    ('H', "15"),
    ('l', "3"),
    ('I', "03"),
    ('p', "PM"),
    ('P', "pm"),
    ('M', "04"),
    ('S', "05"),
    ('L', "999"),
    ('f', "999999"),
    ('s', "99999999"),
    ('Z', "MST"),
    ('z', "Z0700"),
    ('w', "-070000"),
    ('i', "-07"),
    ('j', "-07:00"),
    ('k', "-07:00:00"),
    ('D', "01/02/2006"),
    ('x', "01/02/2006"),
    ('F', "2006-01-02"),
    ('T', "15:04:05"),
    ('X', "15:04:05"),
    ('r', "03:04:05 pm"),
    ('R', "15:04"),
    ('n', "\n"),
    ('t', "\t"),
    ('%', "%"),
    ('c', "Mon Jan 02 15:04:05 2006"),
];

/// The same layout in Go's terms.
pub fn to_go(layout: &str) -> Result<String, StrptimeError> {
    let mut go = String::with_capacity(2 * layout.len());
    let mut chars = layout.chars();
    while let Some(c) = chars.next() {
        match c {
            '%' => {
                let directive = chars.next().ok_or(StrptimeError::Unfinished)?;
                let known = DIRECTIVES.iter().find(|(name, _)| *name == directive);
                go.push_str(known.ok_or(StrptimeError::Unknown(directive))?.1);
            }
            // A digit would mean something in Go's layout.
            '0'..='9' => return Err(StrptimeError::Digit(c)),
            c => go.push(c),
        }
    }
    Ok(go)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directives_become_reference_times() {
        for (layout, want) in [
            ("%Y-%m-%dT%H:%M:%S.%L%z", Ok("2006-01-02T15:04:05.999Z0700")),
            ("%d/%b/%Y:%T %j", Ok("02/Jan/2006:15:04:05 -07:00")),
            ("%F %R %%", Ok("2006-01-02 15:04 %")),
            ("%Y %E", Err(StrptimeError::Unknown('E'))),
            ("%Y 5", Err(StrptimeError::Digit('5'))),
            ("%Y%", Err(StrptimeError::Unfinished)),
        ] {
            assert_eq!(to_go(layout), want.map(str::to_owned), "{layout}");
        }
    }
}
