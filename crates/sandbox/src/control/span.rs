//! Lengths of time as people write them: `250ms`, `30s`, `1h 30m`, `7d`.

use std::time::Duration;

/// Each unit with its length in milliseconds, longest first.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

const FORM: &str = "not a length of time such as 250ms, 30s, 90m, 1h 30m or 7d";

/// The longest length that is taken: a hundred years.
const LONGEST: u64 = 100 * 365 * 86_400_000;

/// Reads a sum of whole numbers with units. `0` needs no unit.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let refuse = || FORM.to_owned();
    let mut rest = text.trim();
    if rest == "0" {
        return Ok(Duration::ZERO);
    }
    if rest.is_empty() {
        return Err(refuse());
    }
    let mut total = 0_u64;
    while !rest.is_empty() {
        let digits = rest.find(|it: char| !it.is_ascii_digit()).ok_or_else(refuse)?;
        let (number, tail) = rest.split_at(digits);
        let letters = tail.find(|it: char| !it.is_ascii_alphabetic()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        let (_, length) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(refuse)?;
        let number: u64 = number.parse().map_err(|_| refuse())?;
        total = number
            .checked_mul(*length)
            .and_then(|part| total.checked_add(part))
            .filter(|total| *total <= LONGEST)
            .ok_or("longer than a hundred years")?;
        rest = tail.trim_start();
    }
    Ok(Duration::from_millis(total))
}

/// Writes what [`parse`] reads.
pub(crate) fn show(duration: Duration) -> String {
    let mut rest = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let mut parts = Vec::new();
    for (unit, length) in UNITS {
        if rest / length > 0 {
            parts.push(format!("{}{unit}", rest / length));
            rest %= length;
        }
    }
    if parts.is_empty() { "0s".to_owned() } else { parts.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_read_again() {
        for text in ["0s", "250ms", "30s", "1h 30m", "7d", "59m 59s", "36500d"] {
            assert_eq!(show(parse(text).unwrap()), text);
        }
        assert_eq!(parse("3599s").unwrap(), Duration::from_secs(3599));
        assert_eq!(parse("0").unwrap(), Duration::ZERO);
    }

    #[test]
    fn what_is_no_length_of_time_is_refused() {
        for text in ["", "5", "-5s", "5 s", "5x", "1.5h", "99999999999999999999s", "36501d", "s"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
