//! Converters of times and durations.

use jiff::tz::TimeZone;

use super::{Args, Function, ParamKind, opt, p};
use crate::ottl::EvalError;
use crate::ottl::context::View;
use crate::ottl::time::{Civil, NANOS, Span, Time};
use crate::ottl::value::Value;

const TIME: &[super::Param] = &[p("time", ParamKind::Time)];
const DURATION: &[super::Param] = &[p("duration", ParamKind::Duration)];

pub const FUNCTIONS: &[Function] = &[
    Function::converter("Day", TIME, |a, v| civil(a, v, |at| at.day.into()), "Day of the month."),
    Function::converter(
        "Duration",
        &[p("duration", ParamKind::Text)],
        duration,
        "A duration from text such as `1h30m`.",
    ),
    Function::converter(
        "FormatTime",
        &[p("time", ParamKind::Time), p("format", ParamKind::Layout)],
        format_time,
        "A time as text, in strptime's directives.",
    ),
    Function::converter("Hour", TIME, |a, v| civil(a, v, |at| at.hour.into()), "Hour of the day."),
    Function::converter("Hours", DURATION, |a, v| fraction(a, v, 3600.0), "A duration in hours."),
    Function::converter(
        "Microseconds",
        DURATION,
        |a, v| whole(a, v, 1_000),
        "A duration in whole microseconds.",
    ),
    Function::converter(
        "Milliseconds",
        DURATION,
        |a, v| whole(a, v, 1_000_000),
        "A duration in whole milliseconds.",
    ),
    Function::converter("Minute", TIME, |a, v| civil(a, v, |at| at.minute.into()), "Minute of the hour."),
    Function::converter("Minutes", DURATION, |a, v| fraction(a, v, 60.0), "A duration in minutes."),
    Function::converter(
        "Month",
        TIME,
        |a, v| civil(a, v, |at| at.month.into()),
        "Month of the year, January = 1.",
    ),
    Function::converter(
        "Nanosecond",
        TIME,
        |a, v| civil(a, v, |at| at.nanosecond.into()),
        "Nanosecond of the second.",
    ),
    Function::converter("Nanoseconds", DURATION, |a, v| whole(a, v, 1), "A duration in nanoseconds."),
    Function::converter("Now", &[], now, "The time now, UTC."),
    Function::converter("Second", TIME, |a, v| civil(a, v, |at| at.second.into()), "Second of the minute."),
    Function::converter("Seconds", DURATION, |a, v| fraction(a, v, 1.0), "A duration in seconds."),
    Function::converter(
        "Time",
        &[
            p("target", ParamKind::Text),
            p("format", ParamKind::Layout),
            opt("location", ParamKind::Text),
            opt("locale", ParamKind::Text),
        ],
        time,
        "A time from text, in strptime's directives.",
    )
    .check(|args| match args.literal(3).and_then(|locale| locale.as_str()) {
        Some(locale) if !locale.is_empty() && !locale.starts_with("en") => {
            Err((3, "only English names of days and months are known: leave \"locale\" out".to_owned()))
        }
        _ => Ok(()),
    }),
    Function::converter(
        "TruncateTime",
        &[p("time", ParamKind::Time), p("duration", ParamKind::Duration)],
        truncate_time,
        "A time rounded down to a multiple of a duration.",
    ),
    Function::converter(
        "Unix",
        &[p("seconds", ParamKind::Int), opt("nanoseconds", ParamKind::Int)],
        unix,
        "The time that is so long after the Unix epoch.",
    ),
    Function::converter(
        "UnixMicro",
        TIME,
        |a, v| since_epoch(a, v, 1_000),
        "Microseconds since the Unix epoch.",
    ),
    Function::converter(
        "UnixMilli",
        TIME,
        |a, v| since_epoch(a, v, 1_000_000),
        "Milliseconds since the Unix epoch.",
    ),
    Function::converter("UnixNano", TIME, |a, v| since_epoch(a, v, 1), "Nanoseconds since the Unix epoch."),
    Function::converter(
        "UnixSeconds",
        TIME,
        |a, v| since_epoch(a, v, NANOS),
        "Seconds since the Unix epoch.",
    ),
    Function::converter(
        "Weekday",
        TIME,
        |a, v| civil(a, v, |at| at.weekday.into()),
        "Day of the week, Sunday = 0.",
    ),
    Function::converter("Year", TIME, |a, v| civil(a, v, |at| at.year), "Year."),
];

fn civil<'a>(args: &'a Args, view: &View<'a>, get: fn(Civil) -> i64) -> Result<Value<'a>, EvalError> {
    Ok(Value::Int(get(args.time(0, view)?.civil())))
}

fn fraction<'a>(args: &'a Args, view: &View<'a>, seconds: f64) -> Result<Value<'a>, EvalError> {
    Ok(Value::Double(args.duration(0, view)?.0 as f64 / (seconds * NANOS as f64)))
}

fn whole<'a>(args: &'a Args, view: &View<'a>, nanos: i64) -> Result<Value<'a>, EvalError> {
    Ok(Value::Int(args.duration(0, view)?.0 / nanos))
}

fn since_epoch<'a>(args: &'a Args, view: &View<'a>, nanos: i64) -> Result<Value<'a>, EvalError> {
    Ok(Value::Int(args.time(0, view)?.nanos.div_euclid(nanos)))
}

fn duration<'a>(args: &'a Args, view: &View<'a>) -> Result<Value<'a>, EvalError> {
    let text = args.text(0, view)?;
    let span = Span::parse(&text);
    span.map(Value::Duration).ok_or_else(|| EvalError::text(format!("\"{}\" is no duration", &*text)))
}

fn format_time<'a>(args: &'a Args, view: &View<'a>) -> Result<Value<'a>, EvalError> {
    let time = args.time(0, view)?;
    Ok(Value::text(args.layout(1, view)?.format(time)))
}

fn time<'a>(args: &'a Args, view: &View<'a>) -> Result<Value<'a>, EvalError> {
    let text = args.text(0, view)?;
    let layout = args.layout(1, view)?;
    let zone = if args.is_missing(2) {
        TimeZone::system()
    } else {
        let name = args.text(2, view)?;
        TimeZone::get(&name).map_err(|error| EvalError::text(format!("unknown location: {error}")))?
    };
    layout.parse(&text, &zone, Time::now()).map(Value::Time).map_err(EvalError::text)
}

fn now<'a>(_: &'a Args, _: &View<'a>) -> Result<Value<'a>, EvalError> {
    Ok(Value::Time(Time::now()))
}

/// Counts from the zero time of Go, 1 January of the year 1, as upstream does: a week then begins
/// on a Monday.
fn truncate_time<'a>(args: &'a Args, view: &View<'a>) -> Result<Value<'a>, EvalError> {
    const EPOCH_SINCE_YEAR_1: i128 = 62_135_596_800 * NANOS as i128;
    let time = args.time(0, view)?;
    let span = args.duration(1, view)?.0;
    if span <= 0 {
        return Ok(Value::Time(time));
    }
    let past = (i128::from(time.nanos) + EPOCH_SINCE_YEAR_1).rem_euclid(span.into()) as i64;
    let nanos = time.nanos.checked_sub(past);
    let nanos = nanos.ok_or(EvalError::fixed("the time is out of range"))?;
    Ok(Value::Time(Time { nanos, ..time }))
}

fn unix<'a>(args: &'a Args, view: &View<'a>) -> Result<Value<'a>, EvalError> {
    let (seconds, nanos) = (args.int(0, view)?, args.int_or(1, 0, view)?);
    let nanos = seconds.checked_mul(NANOS).and_then(|whole| whole.checked_add(nanos));
    Ok(Value::Time(Time::utc(nanos.ok_or(EvalError::fixed("the time is out of range"))?)))
}
