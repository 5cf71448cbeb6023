//! Functions over time, and the methods of times and durations.

use jiff::SignedDuration;
use jiff::tz::{Offset, TimeZone};

use super::super::clock::Moment;
use super::super::error::EvalError;
use super::super::gotime::{self, Layout};
use super::super::number::parse_duration;
use super::super::types::Type;
use super::super::value::Value;
use super::{Budget, text, wrong};
use crate::otlp::Str;

type Result<'a> = std::result::Result<Value<'a>, EvalError>;

fn bad(operation: &'static str, text: &str, reason: &'static str) -> EvalError {
    let end = text.floor_char_boundary(64);
    EvalError::BadText { operation, text: Str::new(&text[..end]), reason: Str::const_new(reason) }
}

pub fn now<'a>(args: &[Value<'a>], _: &mut Budget) -> Result<'a> {
    let now = gotime::now();
    Ok(Value::Time(match args.first() {
        Some(Value::Zone(zone)) => now.with_zone(zone),
        _ => now,
    }))
}

pub fn duration<'a>(args: &[Value<'a>], _: &mut Budget) -> Result<'a> {
    let source = text(args, 0, "duration")?;
    parse_duration(source)
        .map(Value::Duration)
        .ok_or_else(|| bad("duration", source, "write a number with a unit, such as \"1h30m\""))
}

fn zone(name: &str) -> std::result::Result<TimeZone, EvalError> {
    match name {
        "" | "UTC" => Ok(TimeZone::UTC),
        "Local" => Ok(TimeZone::system()),
        name => TimeZone::get(name).map_err(|_| bad("timezone", name, "it is no known time zone")),
    }
}

pub fn timezone<'a>(args: &[Value<'a>], _: &mut Budget) -> Result<'a> {
    zone(text(args, 0, "timezone")?).map(Value::Zone)
}

/// The layouts that are tried when none is given.
const LAYOUTS: [&str; 7] = [
    "2006-01-02",
    "15:04:05",
    "2006-01-02 15:04:05",
    "2006-01-02T15:04:05Z07:00",
    "02 Jan 06 15:04 MST",
    "Monday, 02-Jan-06 15:04:05 MST",
    "Mon, 02 Jan 2006 15:04:05 MST",
];

/// `date([zone,] text[, layout[, zone name]])`
pub fn date<'a>(args: &[Value<'a>], _: &mut Budget) -> Result<'a> {
    let (mut default, args) = match args.split_first() {
        Some((Value::Zone(zone), rest)) => (zone.clone(), rest),
        _ => (TimeZone::UTC, args),
    };
    if args.is_empty() {
        return Err(EvalError::Other("date needs a text"));
    }
    let source = text(args, 0, "date")?;
    if args.len() > 2 {
        default = zone(text(args, 2, "date")?)?;
    }
    let parse = |layout: &str| Layout::new(layout).parse(source).ok()?.resolve(&default);
    let found = match args.len() {
        1 => LAYOUTS.iter().find_map(|layout| parse(layout)),
        _ => parse(text(args, 1, "date")?),
    };
    found.map(Value::Time).ok_or_else(|| bad("date", source, "it does not have the form of the layout"))
}

/// Methods that are known, for the check before an expression runs.
const TIME_METHODS: &[(&str, usize, Type)] = &[
    ("Year", 0, Type::Int),
    ("Month", 0, Type::Int),
    ("Day", 0, Type::Int),
    ("Hour", 0, Type::Int),
    ("Minute", 0, Type::Int),
    ("Second", 0, Type::Int),
    ("Nanosecond", 0, Type::Int),
    ("Weekday", 0, Type::Int),
    ("YearDay", 0, Type::Int),
    ("Unix", 0, Type::Int),
    ("UnixMilli", 0, Type::Int),
    ("UnixMicro", 0, Type::Int),
    ("UnixNano", 0, Type::Int),
    ("IsZero", 0, Type::Bool),
    ("Before", 1, Type::Bool),
    ("After", 1, Type::Bool),
    ("Equal", 1, Type::Bool),
    ("Add", 1, Type::Time),
    ("Sub", 1, Type::Duration),
    ("UTC", 0, Type::Time),
    ("Local", 0, Type::Time),
    ("In", 1, Type::Time),
    ("Format", 1, Type::String),
    ("String", 0, Type::String),
];
const DURATION_METHODS: &[(&str, usize, Type)] = &[
    ("Hours", 0, Type::Float),
    ("Minutes", 0, Type::Float),
    ("Seconds", 0, Type::Float),
    ("Milliseconds", 0, Type::Int),
    ("Microseconds", 0, Type::Int),
    ("Nanoseconds", 0, Type::Int),
    ("Abs", 0, Type::Duration),
    ("String", 0, Type::String),
];

pub(in super::super) fn methods(of: Type) -> &'static [(&'static str, usize, Type)] {
    match of {
        Type::Time => TIME_METHODS,
        Type::Duration => DURATION_METHODS,
        _ => &[],
    }
}

pub(in super::super) fn call_method<'a>(of: &Value<'a>, name: &str, args: &[Value<'a>]) -> Result<'a> {
    let unknown = || EvalError::Fetch { key: Str::new(name), from: of.kind() };
    let arity = methods(of.kind()).iter().find(|(known, ..)| *known == name).map(|(_, arity, _)| *arity);
    if arity.ok_or_else(unknown)? != args.len() {
        return Err(EvalError::Other("a method was called with a wrong number of arguments"));
    }
    match of {
        Value::Time(time) => time_method(*time, name, args),
        Value::Duration(duration) => Ok(duration_method(*duration, name)),
        _ => Err(unknown()),
    }
}

fn time_method<'a>(time: Moment, name: &str, args: &[Value<'a>]) -> Result<'a> {
    let civil = time.civil();
    let stamp = time.timestamp();
    let int = |value: i64| Ok(Value::Int(value));
    let other = || match &args[0] {
        Value::Time(other) => Ok(*other),
        value => wrong("a time method", "a time", value),
    };
    match name {
        "Year" => int(civil.year().into()),
        "Month" => int(civil.month().into()),
        "Day" => int(civil.day().into()),
        "Hour" => int(civil.hour().into()),
        "Minute" => int(civil.minute().into()),
        "Second" => int(civil.second().into()),
        "Nanosecond" => int(civil.subsec_nanosecond().into()),
        "Weekday" => int(civil.weekday().to_sunday_zero_offset().into()),
        "YearDay" => int(civil.day_of_year().into()),
        "Unix" => int(stamp.as_second()),
        "UnixMilli" => int(stamp.as_millisecond()),
        "UnixMicro" => int(stamp.as_microsecond()),
        "UnixNano" => int(i64::try_from(stamp.as_nanosecond()).unwrap_or(0)),
        "IsZero" => Ok(Value::Bool(time.is_unset())),
        "Before" => Ok(Value::Bool(time < other()?)),
        "After" => Ok(Value::Bool(time > other()?)),
        "Equal" => Ok(Value::Bool(time == other()?)),
        "Sub" => Ok(Value::Duration(time.since(other()?))),
        "Add" => match &args[0] {
            Value::Duration(duration) => {
                time.add(*duration).map(Value::Time).ok_or(EvalError::Other("the time is out of range"))
            }
            value => wrong("Add", "a duration", value),
        },
        "UTC" => Ok(Value::Time(Moment::new(stamp, Offset::UTC))),
        "Local" => Ok(Value::Time(time.with_zone(&TimeZone::system()))),
        "In" => match &args[0] {
            Value::Zone(zone) => Ok(Value::Time(time.with_zone(zone))),
            value => wrong("In", "a time zone", value),
        },
        "Format" => Ok(Layout::new(text(args, 0, "Format")?).format(time).into()),
        _ => Ok(time.to_string().into()),
    }
}

fn duration_method<'a>(duration: SignedDuration, name: &str) -> Value<'a> {
    let nanos = duration.as_nanos();
    let int = |value: i128| Value::Int(i64::try_from(value).unwrap_or(i64::MAX));
    match name {
        "Hours" => Value::Float(duration.as_secs_f64() / 3600.0),
        "Minutes" => Value::Float(duration.as_secs_f64() / 60.0),
        "Seconds" => Value::Float(duration.as_secs_f64()),
        "Milliseconds" => int(nanos / 1_000_000),
        "Microseconds" => int(nanos / 1_000),
        "Nanoseconds" => int(nanos),
        "Abs" => Value::Duration(duration.abs()),
        _ => Value::Duration(duration).to_string().into(),
    }
}
