//! What a regular expression of a schema can cost: memory when it is compiled, time for each byte it reads.
//!
//! Owns the ceilings on both. The engine is linear in the text and never backtracks, but its factor is the number of
//! positions of the expression: `a[ab]{900}[cd]` takes 10 microseconds for each byte of a text of `a` and `b`, where an
//! everyday expression takes 2 nanoseconds. So positions are counted, generously, before a text is read. It knows no
//! schema and no payload.

use super::fault::{FaultKind, SchemaFault};
use jsonschema::{PatternOptions, Regex};
use std::collections::BTreeSet;

/// Bytes that one compiled expression may take. `^.{1,100}$` takes 105,000.
const BYTES_MAX: usize = 1 << 17;

/// Bytes that the compiled expressions of one schema may take together.
const BYTES_PER_SCHEMA_MAX: usize = 1 << 18;

/// Bytes that an expression may remember of the texts it reads, per thread. The least with which everyday expressions
/// keep their speed; with more, those made to be slow get slower.
const MEMORY_BYTES_MAX: usize = 1 << 16;

/// Positions up to which everything about a text fits into that memory.
const POSITIONS_FEW: u64 = 12;

/// How the library is to treat expressions.
pub(super) fn pattern_options() -> PatternOptions<Regex> {
    PatternOptions::regex().size_limit(BYTES_MAX).dfa_size_limit(MEMORY_BYTES_MAX)
}

/// Steps for each byte of a text that the expression reads, at the worst.
///
/// Measured with expressions made to be slow: at most 20 ns, one step, for each position from 13 on; below, 40 ns.
pub(super) fn steps_per_byte(pattern: &str) -> u64 {
    match positions(pattern) {
        0..=POSITIONS_FEW => 2,
        many => many,
    }
}

/// Bytes that the expressions take when compiled, each rounded up to a power of two; refuses too many, and each one that
/// is no expression, needs backtracking, or takes too many by itself.
pub(super) fn compiled_bytes(patterns: &BTreeSet<&str>) -> Result<usize, SchemaFault> {
    let mut sum = 0;
    for pattern in patterns {
        let mut limits = (10..).map(|power| 1 << power).take_while(|&bytes| bytes <= BYTES_MAX);
        let Some(bytes) = limits.find(|&bytes| compiles_within(pattern, bytes)) else {
            let detail =
                format!("{pattern:?} is no regular expression without backtracking and of moderate size");
            return Err(SchemaFault::new(FaultKind::Pattern, &detail));
        };
        sum += bytes;
        if sum > BYTES_PER_SCHEMA_MAX {
            let detail = "the patterns take too much memory together";
            return Err(SchemaFault::new(FaultKind::TooCostly, detail));
        }
    }
    Ok(sum)
}

/// The library compiles expressions only as part of a schema, after translating them from the dialect of ECMA-262.
fn compiles_within(pattern: &str, bytes: usize) -> bool {
    let options = jsonschema::draft7::options().with_pattern_options(pattern_options().size_limit(bytes));
    options.build(&serde_json::json!({ "pattern": pattern })).is_ok()
}

/// The positions of the expression once its counted repetitions are written out; never fewer than there are, since
/// every operator counts, too.
fn positions(pattern: &str) -> u64 {
    let mut groups = vec![0_u64];
    let mut last = 0_u64;
    let mut rest = pattern.chars();
    while let Some(c) = rest.next() {
        let more = match c {
            '(' => {
                groups.push(1);
                continue;
            }
            ')' => {
                last = groups.pop().unwrap_or_default();
                last
            }
            '{' => match repetition(rest.as_str()) {
                Some((times, behind)) => {
                    rest = behind.chars();
                    let more = last.saturating_mul(times.saturating_sub(1));
                    last = last.saturating_add(more);
                    more
                }
                None => 1,
            },
            _ => {
                skip_atom(c, &mut rest);
                last = 1;
                last
            }
        };
        match groups.last_mut() {
            Some(group) => *group = group.saturating_add(more),
            None => groups.push(more),
        }
    }
    groups.into_iter().fold(0, u64::saturating_add)
}

/// How often at the most `{m}`, `{m,}` or `{m,n}` repeats, from behind the opening brace, and what follows the closing one.
fn repetition(inside: &str) -> Option<(u64, &str)> {
    let (inside, behind) = inside.split_once('}')?;
    let (least, most) = inside.split_once(',').unwrap_or((inside, inside));
    let number = |digits: &str| digits.trim().parse::<u64>().ok();
    let times = match number(most) {
        Some(most) => most.max(number(least).unwrap_or_default()),
        None => number(least)?.saturating_add(1),
    };
    Some((times, behind))
}

/// Skips what belongs to an atom beside its first character: the escaped one, or a class. A class within a class counts
/// as its end, which only counts more.
fn skip_atom(first: char, rest: &mut std::str::Chars<'_>) {
    match first {
        '\\' => drop(rest.next()),
        '[' => {
            while let Some(c) = rest.next() {
                match c {
                    '\\' => drop(rest.next()),
                    ']' => return,
                    _ => {}
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_at_least_the_positions_there_are() {
        for (pattern, least, most) in [
            ("abc", 3, 3),
            ("a[bc]d", 3, 3),
            ("a[bc]{10}d", 12, 14),
            ("(?:ab){10}", 20, 70),
            ("(?:[ab]{0,290}[bc]){2}[cd]", 583, 620),
            ("((((a{100}){100}){100}){100})", 100_000_000, u64::MAX),
            ("a{2,}", 3, 5),
            ("a{60}{60}", 3_600, 4_000),
            (r"\{\[\(", 3, 3),
            (r"[\]]{9}", 9, 12),
            (r"\p{L}+", 1, 7),
            ("a{x}", 1, 4),
            ("((", 0, 4),
            ("))", 0, 4),
            ("{5}", 0, 9),
            ("[", 0, 1),
        ] {
            let counted = positions(pattern);
            assert!((least..=most).contains(&counted), "{pattern}: {counted}");
        }
    }

    #[test]
    fn everyday_expressions_are_cheap() {
        for pattern in
            ["^[A-Za-z0-9+/]*={0,2}$", "^(?:[0-9a-fA-F]{2})*$", r"^\S+@\S+\.\S+$", r"^\p{L}+$", ".*"]
        {
            assert_eq!(steps_per_byte(pattern), 2, "{pattern}");
        }
        assert!(steps_per_byte("^[a-z0-9_-]{1,64}$") < 80);
    }

    #[test]
    fn measures_what_expressions_take() {
        let bytes = |patterns: &[&str]| compiled_bytes(&patterns.iter().copied().collect());
        assert_eq!(bytes(&[]), Ok(0));
        assert!(bytes(&["^[a-z]+$"]).is_ok_and(|bytes| bytes <= 4_096));
        assert!(bytes(&["^.{1,100}$"]).is_ok_and(|bytes| bytes > 65_536));
        assert_eq!(bytes(&["(?=a)b"]).unwrap_err().kind(), FaultKind::Pattern);
        let each = bytes(&["a{900}"]).unwrap();
        let many: Vec<String> = (0..=BYTES_PER_SCHEMA_MAX / each).map(|n| format!("a{{900}}{n}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert!(bytes(&many[1..]).is_ok());
        assert_eq!(bytes(&many).unwrap_err().kind(), FaultKind::TooCostly);
    }
}
