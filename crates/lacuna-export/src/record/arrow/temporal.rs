//! Points in time, dates, times and lengths of time.

use std::io::Write;

use arrow::{
    array::{Array, FixedSizeBinaryArray},
    datatypes::{
        ArrowPrimitiveType, DataType, Date32Type, Date64Type, DurationMicrosecondType, DurationMillisecondType,
        DurationNanosecondType, DurationSecondType, IntervalDayTimeType, IntervalMonthDayNanoType, IntervalUnit,
        IntervalYearMonthType, Time32MillisecondType, Time32SecondType, Time64MicrosecondType, Time64NanosecondType,
        TimeUnit, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
    },
};

use super::{
    Values,
    calendar::{DAY, Unit, write_date},
    downcast,
    scalar::numbers,
    unsupported,
    zone::Zone,
};
use crate::Result;

/// The values of `array`, whose type is one of time.
pub(super) fn values(array: &dyn Array) -> Result<Box<dyn Values>> {
    match array.data_type() {
        DataType::Timestamp(unit, zone) => {
            let zone = zone.as_deref().map(Zone::new);
            match unit {
                TimeUnit::Second => timestamps::<TimestampSecondType>(array, *unit, zone),
                TimeUnit::Millisecond => timestamps::<TimestampMillisecondType>(array, *unit, zone),
                TimeUnit::Microsecond => timestamps::<TimestampMicrosecondType>(array, *unit, zone),
                TimeUnit::Nanosecond => timestamps::<TimestampNanosecondType>(array, *unit, zone),
            }
        }
        DataType::Date32 => texts::<Date32Type>(array, |days, out| write_date(days.into(), out)),
        DataType::Date64 => texts::<Date64Type>(array, write_date64),
        DataType::Time32(TimeUnit::Second) => times::<Time32SecondType>(array, TimeUnit::Second),
        DataType::Time32(TimeUnit::Millisecond) => times::<Time32MillisecondType>(array, TimeUnit::Millisecond),
        DataType::Time64(TimeUnit::Microsecond) => times::<Time64MicrosecondType>(array, TimeUnit::Microsecond),
        DataType::Time64(TimeUnit::Nanosecond) => times::<Time64NanosecondType>(array, TimeUnit::Nanosecond),
        DataType::Duration(unit) => match unit {
            TimeUnit::Second => durations::<DurationSecondType>(array, *unit),
            TimeUnit::Millisecond => durations::<DurationMillisecondType>(array, *unit),
            TimeUnit::Microsecond => durations::<DurationMicrosecondType>(array, *unit),
            TimeUnit::Nanosecond => durations::<DurationNanosecondType>(array, *unit),
        },
        DataType::Interval(IntervalUnit::YearMonth) => {
            texts::<IntervalYearMonthType>(array, |months, out| write_interval(months, 0, 0, 1, out))
        }
        DataType::Interval(IntervalUnit::DayTime) => texts::<IntervalDayTimeType>(array, |interval, out| {
            write_interval(0, interval.days, interval.milliseconds.into(), 1_000, out);
        }),
        DataType::Interval(IntervalUnit::MonthDayNano) => texts::<IntervalMonthDayNanoType>(array, |interval, out| {
            write_interval(interval.months, interval.days, interval.nanoseconds, 1_000_000_000, out);
        }),
        _ => Err(unsupported(array)),
    }
}

/// The values of `array` as strings; `write` needs no escapes.
fn texts<T: ArrowPrimitiveType>(
    array: &dyn Array,
    write: impl Fn(T::Native, &mut Vec<u8>) + Send + Sync + 'static,
) -> Result<Box<dyn Values>> {
    numbers::<T>(array, move |value, out| {
        out.push(b'"');
        write(value, out);
        out.push(b'"');
    })
}

fn timestamps<T: ArrowPrimitiveType<Native = i64>>(
    array: &dyn Array,
    unit: TimeUnit,
    zone: Option<Zone>,
) -> Result<Box<dyn Values>> {
    let unit = Unit::from(unit);
    texts::<T>(array, move |value, out| {
        let (seconds, units) = unit.split(value);
        write_timestamp(unit, seconds, units, zone.as_ref(), out);
    })
}

/// Appends the moment of this many seconds and units since 1970, as the clocks of `zone` show it.
fn write_timestamp(unit: Unit, seconds: i64, units: i64, zone: Option<&Zone>, out: &mut Vec<u8>) {
    // A moment so far off that its local time has no number is shown in UTC.
    let local = zone
        .and_then(|zone| zone.offset_minutes(seconds))
        .and_then(|minutes| Some((minutes, seconds.checked_add(i64::from(minutes) * 60)?)));
    match local {
        Some((minutes, seconds)) => {
            unit.write_moment(seconds, units, out);
            let sign = if minutes < 0 { '-' } else { '+' };
            let minutes = minutes.unsigned_abs();
            let _ = write!(out, "{sign}{:02}:{:02}", minutes / 60, minutes % 60);
        }
        None => {
            unit.write_moment(seconds, units, out);
            if zone.is_some() {
                out.push(b'Z');
            }
        }
    }
}

/// The values of `array`, twelve bytes each, as strings; `write` needs no escapes.
struct Twelves<W> {
    array: FixedSizeBinaryArray,
    write: W,
}

impl<W: Fn([u8; 12], &mut Vec<u8>) + Send + Sync> Values for Twelves<W> {
    fn write(&self, row: usize, out: &mut Vec<u8>) {
        out.push(b'"');
        if let Ok(bytes) = self.array.value(row).try_into() {
            (self.write)(bytes, out);
        }
        out.push(b'"');
    }
}

fn twelves(
    array: &dyn Array,
    write: impl Fn([u8; 12], &mut Vec<u8>) + Send + Sync + 'static,
) -> Result<Box<dyn Values>> {
    Ok(Box::new(Twelves { array: downcast(array)?, write }))
}

/// The timestamps of `array` as Parquet's INT96, every one of which has a date.
pub(super) fn int96(array: &dyn Array, zone: Option<&str>) -> Result<Box<dyn Values>> {
    const JULIAN_DAY_OF_1970: i64 = 2_440_588;
    let (unit, zone) = (Unit::from(TimeUnit::Nanosecond), zone.map(Zone::new));
    twelves(array, move |[a, b, c, d, e, f, g, h, day @ ..], out| {
        let (seconds, nanoseconds) = unit.split(i64::from_le_bytes([a, b, c, d, e, f, g, h]));
        let days = i64::from(i32::from_le_bytes(day)) - JULIAN_DAY_OF_1970;
        write_timestamp(unit, days * DAY + seconds, nanoseconds, zone.as_ref(), out);
    })
}

/// The lengths of time of `array` as Parquet's INTERVAL. Its numbers have no sign by the letter; who writes one below zero means it.
pub(super) fn interval(array: &dyn Array) -> Result<Box<dyn Values>> {
    twelves(array, |[a, b, c, d, e, f, g, h, rest @ ..], out| {
        let [months, days, milliseconds] = [[a, b, c, d], [e, f, g, h], rest].map(i32::from_le_bytes);
        write_interval(months, days, milliseconds.into(), 1_000, out);
    })
}

fn write_date64(milliseconds: i64, out: &mut Vec<u8>) {
    let unit = Unit::from(TimeUnit::Millisecond);
    let (seconds, units) = unit.split(milliseconds);
    if units == 0 && seconds.rem_euclid(DAY) == 0 {
        write_date(seconds.div_euclid(DAY), out);
    } else {
        unit.write_moment(seconds, units, out);
    }
}

fn times<T: ArrowPrimitiveType<Native: Into<i64>>>(array: &dyn Array, unit: TimeUnit) -> Result<Box<dyn Values>> {
    let unit = Unit::from(unit);
    texts::<T>(array, move |value, out| {
        let value: i64 = value.into();
        let (seconds, units) = unit.split(value);
        if value < 0 {
            // Of no day; the length of time from midnight says what it is.
            unit.write_duration(value, out);
        } else {
            unit.write_time(seconds.unsigned_abs(), units.unsigned_abs(), out);
        }
    })
}

fn durations<T: ArrowPrimitiveType<Native = i64>>(array: &dyn Array, unit: TimeUnit) -> Result<Box<dyn Values>> {
    let unit = Unit::from(unit);
    texts::<T>(array, move |value, out| unit.write_duration(value, out))
}

/// Appends an interval, whose parts have signs of their own: `P1Y2M`, `P-1M3DT-0.5S`.
fn write_interval(months: i32, days: i32, parts: i64, per_second: u64, out: &mut Vec<u8>) {
    out.push(b'P');
    for (count, letter) in [(months / 12, 'Y'), (months % 12, 'M'), (days, 'D')] {
        if count != 0 {
            let _ = write!(out, "{count}{letter}");
        }
    }
    if parts != 0 {
        let sign = if parts < 0 { "-" } else { "" };
        let (seconds, rest) = (parts.unsigned_abs() / per_second, parts.unsigned_abs() % per_second);
        let _ = write!(out, "T{sign}{seconds}");
        if rest > 0 {
            let digits = if per_second == 1_000 { 3 } else { 9 };
            let _ = write!(out, ".{rest:0digits$}");
        }
        out.push(b'S');
    } else if months == 0 && days == 0 {
        out.extend_from_slice(b"0D");
    }
}
