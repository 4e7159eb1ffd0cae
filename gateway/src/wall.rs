//! Wall time as people and messages read it: Unix milliseconds written by RFC 3339.
//!
//! Owns the spelling alone. It never reads a clock (the time comes from the caller), knows no time zone but UTC and no
//! leap second, and nothing is ever decided by what it writes: deadlines live on the monotonic clock.

use std::fmt;

/// Unix milliseconds, displayed as `2026-11-22T08:08:12.875Z` (RFC 3339, always UTC, always three decimals).
///
/// ```
/// assert_eq!(gateway::wall::Rfc3339(0).to_string(), "1970-01-01T00:00:00.000Z");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rfc3339(pub u64);

impl fmt::Display for Rfc3339 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Civil { year, month, day } = civil(self.0 / MS_PER_DAY);
        let ms = self.0 % MS_PER_DAY;
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:03}Z",
            ms / 3_600_000,
            ms / 60_000 % 60,
            ms / 1000 % 60,
            ms % 1000
        )
    }
}

/// Milliseconds in a day without leap seconds, as Unix time counts.
const MS_PER_DAY: u64 = 86_400_000;

/// A day of the Gregorian calendar.
struct Civil {
    year: u64,
    month: u64,
    day: u64,
}

/// The calendar day that lies `days` after 1970-01-01.
///
/// Years are counted from March here, so that the leap day is the last of its year and month lengths follow one
/// formula; 719 468 days lie between 0000-03-01 and 1970-01-01, 146 097 days in 400 years.
fn civil(days: u64) -> Civil {
    let days = days + 719_468;
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    Civil { year: era * 400 + year_of_era + u64::from(month <= 2), month, day }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spells_known_moments() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_709_164_800_001, "2024-02-29T00:00:00.001Z"),
            (1_795_334_892_875, "2026-11-22T08:08:12.875Z"),
            (4_107_542_399_999, "2100-02-28T23:59:59.999Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(Rfc3339(ms).to_string(), text);
        }
    }

    #[test]
    fn days_follow_each_other_without_gap() {
        let mut last = String::new();
        for day in 0..80_000_u64 {
            let text = Rfc3339(day * MS_PER_DAY).to_string();
            assert!(text > last, "{text} does not follow {last}");
            last = text;
        }
    }
}
