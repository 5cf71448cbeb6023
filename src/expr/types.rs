//! Static types: as much as can be known of a value before there is a record.

use std::fmt;

/// The kind of a value; `Any` when only the record decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Type {
    Any,
    Nil,
    Bool,
    Int,
    Float,
    String,
    Bytes,
    List,
    Map,
    Time,
    Duration,
    Zone,
}

impl Type {
    pub fn name(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::Nil => "nil",
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Float => "float",
            Self::String => "string",
            Self::Bytes => "bytes",
            Self::List => "array",
            Self::Map => "map",
            Self::Time => "time",
            Self::Duration => "duration",
            Self::Zone => "timezone",
        }
    }

    pub(super) fn may_be(self, one_of: &[Type]) -> bool {
        self == Self::Any || one_of.contains(&self)
    }

    pub(super) fn is_number(self) -> bool {
        matches!(self, Self::Int | Self::Float)
    }

    /// The type of "this or that".
    pub(super) fn join(self, other: Self) -> Self {
        if self == other { self } else { Self::Any }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
