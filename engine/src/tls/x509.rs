//! The one thing that is read from a certificate beyond what rustls reads: when it expires (RFC 5280 section 4.1).
//!
//! Walks DER as far as `validity` and no further; anything unexpected is `None`.

/// The end of the certificate's validity in Unix seconds; dates before 1970 count as 1970.
pub(super) fn not_after_s(certificate: &[u8]) -> Option<u64> {
    let (_, certificate, _) = element(certificate)?;
    let (_, mut to_be_signed, _) = element(certificate)?;
    let (tag, _, rest) = element(to_be_signed)?;
    if tag == 0xA0 {
        to_be_signed = rest; // the version; then follow serial, signature algorithm, issuer
    }
    for _ in 0..3 {
        (_, _, to_be_signed) = element(to_be_signed)?;
    }
    let (_, validity, _) = element(to_be_signed)?;
    let (_, _, rest) = element(validity)?;
    let (tag, not_after, _) = element(rest)?;
    let text = std::str::from_utf8(not_after).ok()?.strip_suffix('Z')?;
    match (tag, text.len()) {
        (0x17, 12) => {
            let year = number(text, 0, 2)?;
            seconds(if year < 50 { 2000 + year } else { 1900 + year }, text.get(2..)?)
        }
        (0x18, 14) => seconds(number(text, 0, 4)?, text.get(4..)?),
        _ => None,
    }
}

/// The first DER element: its tag, its content, and what follows it.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7F => (usize::from(first), rest),
        0x81..=0x84 => {
            let (length, rest) = rest.split_at_checked(usize::from(first & 0x7F))?;
            (length.iter().fold(0, |length, &byte| length << 8 | usize::from(byte)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

fn number(text: &str, from: usize, digits: usize) -> Option<u64> {
    text.get(from..from + digits)?.parse().ok()
}

/// Unix seconds of a year and `MMDDhhmmss`.
fn seconds(year: u64, rest: &str) -> Option<u64> {
    let field = |index: usize| number(rest, 2 * index, 2);
    let (month, day, hour, minute, second) = (field(0)?, field(1)?, field(2)?, field(3)?, field(4)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Days since 1970 of a date in a year that begins in March, so that the leap day is its last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year.checked_sub(1)?, month + 9) };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 1;
    let days = days.saturating_sub(719_468);
    Some(((days * 24 + hour) * 60 + minute) * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_the_calendar() {
        for (year, rest, unix) in [
            (1970, "0101000000", 0),
            (2000, "0229235959", 951_868_799),
            (2026, "1124192144", 1_795_548_104),
            (2100, "0301000000", 4_107_542_400),
        ] {
            assert_eq!(seconds(year, rest), Some(unix));
        }
        assert_eq!(seconds(2026, "1324192144"), None);
        assert_eq!(seconds(2026, "11"), None);
    }

    #[test]
    fn what_is_not_der_has_no_end() {
        for bytes in [&b""[..], b"\x30", b"\x30\x80", b"\x30\x03abc", &[0x30, 0x84, 0xFF, 0xFF, 0xFF, 0xFF]] {
            assert_eq!(not_after_s(bytes), None);
        }
    }

    #[test]
    fn reads_the_end_of_a_certificate() {
        for (year, seconds) in [(2030, 1_893_456_000), (2075, 3_313_526_400)] {
            let key = rcgen::KeyPair::generate().unwrap();
            let mut wanted = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
            wanted.not_after = rcgen::date_time_ymd(year, 1, 1);
            assert_eq!(not_after_s(wanted.self_signed(&key).unwrap().der()), Some(seconds));
        }
    }
}
