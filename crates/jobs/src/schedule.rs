//! When a job is due: five cron fields in a time zone.

use std::fmt;
use std::time::SystemTime;

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

/// The fields in their order: name, smallest and largest value, names of values from the smallest on.
const FIELDS: [(&str, u16, u16, &[&str]); 5] = [
    ("minute", 0, 59, &[]),
    ("hour", 0, 23, &[]),
    ("day of month", 1, 31, &[]),
    ("month", 1, 12, &["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]),
    ("day of week", 0, 7, &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]),
];

const NICKNAMES: [&str; 6] = ["@yearly", "@annually", "@monthly", "@weekly", "@daily", "@hourly"];

/// A repeated time: `30 2 * * MON-FRI`, `@daily`.
///
/// A time that daylight saving skips happens when the clock has jumped; a time that it repeats happens once, unless
/// the hour is left open (`*/30 * * * *` runs through both).
#[derive(Clone, Debug)]
pub struct Schedule {
    text: String,
    cron: Cron,
    zone: TimeZone,
}

impl Schedule {
    /// Reads five fields (minute, hour, day of month, month, day of week) or one of `@yearly`, `@monthly`, `@weekly`,
    /// `@daily`, `@hourly`. `zone` is an IANA name such as `Europe/Berlin`; `None` means the zone of the machine.
    ///
    /// # Errors
    /// Text that is no schedule, one that never happens (30 February), and an unknown zone.
    pub fn parse(text: &str, zone: Option<&str>) -> Result<Self, InvalidSchedule> {
        let refuse =
            |position: usize, reason: String| InvalidSchedule { text: text.to_owned(), position, reason };
        check(text).map_err(|(position, reason)| refuse(position, reason))?;
        let zone = match zone {
            None => TimeZone::system(),
            Some(name) => TimeZone::get(name)
                .map_err(|_| refuse(0, format!("`{}` is not a time zone", name.escape_debug())))?,
        };
        let cron = CronParser::builder()
            .seconds(Seconds::Disallowed)
            .year(Year::Disallowed)
            .build()
            .parse(text)
            .map_err(|error| refuse(0, error.to_string().trim_end_matches('.').to_owned()))?;
        let schedule = Self { text: text.trim().to_owned(), cron, zone };
        // 2000 is a leap year: what does not happen in the eight years from there never does.
        if schedule.next_after(SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(946_684_800)).is_none()
        {
            return Err(refuse(0, "no such day exists in any year".to_owned()));
        }
        Ok(schedule)
    }

    /// The first time after `now`.
    #[must_use]
    pub fn next_after(&self, now: SystemTime) -> Option<SystemTime> {
        let now = Zoned::new(Timestamp::try_from(now).ok()?, self.zone.clone());
        self.cron.find_next_occurrence(&now, false).ok().map(|next| next.timestamp().into())
    }

    /// The text it was read from.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The zone of its times, by its IANA name; `None` if the machine's own has no name.
    #[must_use]
    pub fn time_zone(&self) -> Option<&str> {
        self.zone.iana_name()
    }

    /// What it means, in English.
    #[must_use]
    pub fn describe(&self) -> String {
        self.cron.describe()
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Text that is no schedule: what is wrong, and where.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct InvalidSchedule {
    text: String,
    position: usize,
    reason: String,
}

impl InvalidSchedule {
    /// Where in the text, in bytes from its begin.
    #[must_use]
    pub fn position(&self) -> usize {
        self.position
    }

    /// What to write instead.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        "write minute, hour, day of month, month and day of week, such as `30 2 * * MON-FRI`, or `@daily`"
    }
}

impl fmt::Display for InvalidSchedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not a schedule: {}", self.text.escape_debug(), self.reason)
    }
}

impl std::error::Error for InvalidSchedule {}

type Fault = (usize, String);

fn check(text: &str) -> Result<(), Fault> {
    let begin = text.len() - text.trim_start().len();
    if text.trim().starts_with('@') {
        return if NICKNAMES.contains(&text.trim().to_ascii_lowercase().as_str()) {
            Ok(())
        } else {
            Err((begin, format!("there is no {}; there are {}", text.trim(), NICKNAMES.join(", "))))
        };
    }
    let fields: Vec<&str> = text.split_ascii_whitespace().collect();
    if fields.len() != FIELDS.len() {
        return Err((begin, format!("it has {} fields and not 5", fields.len())));
    }
    for (field, (name, low, high, names)) in fields.into_iter().zip(FIELDS) {
        // Both are slices of the same text.
        let position = field.as_ptr() as usize - text.as_ptr() as usize;
        let mut offset = 0;
        for part in field.split(',') {
            check_part(part, name, low, high, names).map_err(|reason| {
                (position + offset, format!("{name} (at character {}): {reason}", position + offset + 1))
            })?;
            offset += part.len() + 1;
        }
    }
    Ok(())
}

fn check_part(part: &str, name: &str, low: u16, high: u16, names: &[&str]) -> Result<(), String> {
    let upper = part.to_ascii_uppercase();
    let value = |text: &str| -> Result<u16, String> {
        if let Some(index) = names.iter().position(|known| *known == text) {
            return Ok(low + u16::try_from(index).unwrap_or(0));
        }
        match text.parse::<u16>() {
            Ok(number) if (low..=high).contains(&number) => Ok(number),
            Ok(number) => Err(format!("{number} is not between {low} and {high}")),
            Err(_) if text.is_empty() => Err("a value is missing".to_owned()),
            Err(_) => Err(format!("`{}` is not a value", text.escape_debug())),
        }
    };
    // Last day, nearest weekday; last or n-th weekday of the month.
    let upper = match name {
        "day of month" if upper == "L" || upper == "LW" => return Ok(()),
        "day of month" => upper.strip_suffix('W').unwrap_or(&upper),
        "day of week" => match upper.split_once('#') {
            Some((day, "1" | "2" | "3" | "4" | "5" | "L")) => return value(day).map(|_| ()),
            Some((_, nth)) => return Err(format!("`{}` is not a week of the month", nth.escape_debug())),
            None => upper.strip_suffix('L').filter(|day| !day.is_empty()).unwrap_or(&upper),
        },
        _ => &upper,
    };
    let (range, step) = upper.split_once('/').map_or((upper, None), |(range, step)| (range, Some(step)));
    if let Some(step) = step {
        if !matches!(step.parse::<u16>(), Ok(step) if step > 0 && step <= high) {
            return Err(format!("`{}` is not a step between 1 and {high}", step.escape_debug()));
        }
        if range != "*" && !range.contains('-') {
            return Err(format!("a step needs a range: write `{range}-{high}/{step}`"));
        }
    }
    if range == "*" {
        return Ok(());
    }
    let Some((from, to)) = range.split_once('-') else { return value(range).map(|_| ()) };
    let (first, last) = (value(from)?, if name == "day of week" && to == "SUN" { 7 } else { value(to)? });
    if first > last {
        return Err(format!("the range {from}-{to} runs backwards"));
    }
    Ok(())
}

impl std::str::FromStr for Schedule {
    type Err = InvalidSchedule;

    /// A schedule in the zone of the machine.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text, None)
    }
}

#[cfg(test)]
mod tests {
    use std::str::FromStr as _;

    use super::*;

    fn occurrences(schedule: &str, zone: &str, from: &str, count: usize) -> Vec<String> {
        let schedule = Schedule::parse(schedule, Some(zone)).unwrap();
        let mut now: SystemTime = Timestamp::from_str(from).unwrap().into();
        let mut next = || {
            now = schedule.next_after(now).unwrap();
            Timestamp::try_from(now).unwrap().to_string()
        };
        (0..count).map(|_| next()).collect()
    }

    #[test]
    fn a_time_that_the_clock_skips_in_spring_happens_when_it_has_jumped() {
        let berlin = occurrences("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", 2);
        assert_eq!(berlin, ["2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]);
    }

    #[test]
    fn a_time_that_the_clock_repeats_in_autumn_happens_once() {
        let berlin = occurrences("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", 2);
        assert_eq!(berlin, ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]);
    }

    #[test]
    fn every_half_hour_runs_through_the_repeated_hour() {
        let berlin = occurrences("*/30 * * * *", "Europe/Berlin", "2026-10-24T23:59:00Z", 5);
        assert_eq!(
            berlin,
            [
                "2026-10-25T00:00:00Z",
                "2026-10-25T00:30:00Z",
                "2026-10-25T01:00:00Z",
                "2026-10-25T01:30:00Z",
                "2026-10-25T02:00:00Z"
            ]
        );
    }

    #[test]
    fn the_last_friday_and_names_are_understood() {
        let seoul = occurrences("0 9 * JAN-MAR FRI#L", "Asia/Seoul", "2026-01-01T00:00:00Z", 3);
        assert_eq!(seoul, ["2026-01-30T00:00:00Z", "2026-02-27T00:00:00Z", "2026-03-27T00:00:00Z"]);
        let utc = occurrences("0 0 L * *", "UTC", "2028-02-01T00:00:00Z", 1);
        assert_eq!(utc, ["2028-02-29T00:00:00Z"]);
        let nickname = occurrences("@daily", "UTC", "2026-01-01T00:00:00Z", 1);
        assert_eq!(nickname, ["2026-01-02T00:00:00Z"]);
    }

    #[test]
    fn a_mistake_is_shown_with_its_field_and_place() {
        for (text, position, reason) in [
            ("0 25 * * *", 2, "hour (at character 3): 25 is not between 0 and 23"),
            ("60 * * * *", 0, "minute (at character 1): 60 is not between 0 and 59"),
            ("0 0 1,32 * *", 6, "day of month (at character 7): 32 is not between 1 and 31"),
            ("0 0 * FOO *", 6, "month (at character 7): `FOO` is not a value"),
            ("0 0 * * 1#6", 8, "day of week (at character 9): `6` is not a week of the month"),
            ("0 5-2 * * *", 2, "hour (at character 3): the range 5-2 runs backwards"),
            ("*/0 * * * *", 0, "minute (at character 1): `0` is not a step between 1 and 59"),
            ("5/10 * * * *", 0, "minute (at character 1): a step needs a range: write `5-59/10`"),
            ("0 0 1, * *", 6, "day of month (at character 7): a value is missing"),
            ("0 0 * *", 0, "it has 4 fields and not 5"),
            ("0 0 0 * * *", 0, "it has 6 fields and not 5"),
            ("", 0, "it has 0 fields and not 5"),
            (
                "@noon",
                0,
                "there is no @noon; there are @yearly, @annually, @monthly, @weekly, @daily, @hourly",
            ),
            ("0 0 30 2 *", 0, "no such day exists in any year"),
        ] {
            let error = Schedule::parse(text, Some("UTC")).unwrap_err();
            assert_eq!((error.position(), error.reason.as_str()), (position, reason), "{text}");
        }
        assert!(
            Schedule::parse("@daily", Some("Mars/Olympus")).unwrap_err().to_string().contains("time zone")
        );
    }
}
