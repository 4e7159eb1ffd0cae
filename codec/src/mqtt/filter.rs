//! Topic filters: whether one is well-formed and which topics it matches (4.7).
//!
//! It owns the wildcards. It keeps no subscriptions; comparing one filter with one topic is all it does, in one pass
//! over both and without recursion, so that a topic of 65 535 levels costs no more than its length.

/// Whether the wildcards of `filter` stand where they may, and it has a length MQTT allows.
///
/// `#` stands alone on the last level [MQTT-4.7.1-2], `+` alone on any level [MQTT-4.7.1-3], there is at least one
/// character [MQTT-4.7.3-1] and none is U+0000 [MQTT-4.7.3-2], and there are at most 65 535 bytes [MQTT-4.7.3-3].
///
/// ```
/// use codec::mqtt::filter::is_valid;
///
/// assert!(is_valid("sport/tennis/#") && is_valid("+/tennis/+") && is_valid("/") && is_valid("#"));
/// assert!(!is_valid("sport/tennis#") && !is_valid("sport/#/ranking") && !is_valid("sport+") && !is_valid(""));
/// ```
pub fn is_valid(filter: &str) -> bool {
    let well_sized = (1..=crate::limits::MQTT_FIELD_BYTES_MAX).contains(&filter.len());
    let mut levels = filter.split('/').peekable();
    let mut well_placed = true;
    while let Some(level) = levels.next() {
        well_placed &= match level {
            "#" => levels.peek().is_none(),
            "+" => true,
            _ => !level.contains(['#', '+', '\0']),
        };
    }
    well_sized && well_placed
}

/// Whether a subscription to `filter` receives what is published to `topic`.
///
/// The levels are compared byte for byte [MQTT-4.7.3-4]; `+` matches any one level, the empty one too; `#` matches
/// its parent level and all below. A wildcard on the first level does not match a topic that begins with `$`
/// [MQTT-4.7.2-1]. `filter` is [valid](is_valid); a misplaced wildcard stands for itself and matches no topic name.
///
/// ```
/// use codec::mqtt::filter::matches;
///
/// assert!(matches("sport/#", "sport") && matches("+/+", "/finance") && matches("$SYS/#", "$SYS/x"));
/// assert!(!matches("#", "$SYS/x") && !matches("+/x", "$SYS/x") && !matches("sport/+", "sport"));
/// ```
pub fn matches(filter: &str, topic: &str) -> bool {
    if topic.starts_with('$') && filter.starts_with(['#', '+']) {
        return false;
    }
    let mut filter_levels = filter.split('/');
    let mut topic_levels = topic.split('/');
    loop {
        match (filter_levels.next(), topic_levels.next()) {
            (None, None) => return true,
            (Some("#"), _) => return filter_levels.next().is_none(),
            (Some("+"), Some(_)) => {}
            (Some(wanted), Some(level)) if wanted == level => {}
            (Some(_), _) | (None, Some(_)) => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_and_refuses_the_examples_of_4_7_1() {
        for valid in [
            "sport/tennis/player1/#",
            "sport/#",
            "#",
            "sport/tennis/#",
            "+",
            "+/tennis/#",
            "sport/+/player1",
            "/",
            "/finance",
            "//",
            " ",
            "ACCOUNTS",
            "$SYS/#",
            "$SYS/monitor/+",
            "é/+",
            "+/é",
        ] {
            assert!(is_valid(valid), "{valid}");
        }
        for invalid in [
            "",
            "sport/tennis#",
            "sport/tennis/#/ranking",
            "sport+",
            "a+/b",
            "+a",
            "##",
            "#/",
            "a/#b",
            "++",
            "a\0b",
        ] {
            assert!(!is_valid(invalid), "{invalid}");
        }
    }

    #[test]
    fn knows_the_longest_filter() {
        assert!(is_valid(&"/".repeat(65_535)));
        assert!(!is_valid(&"/".repeat(65_536)));
    }

    #[test]
    fn matches_the_examples_of_4_7() {
        for (filter, topic) in [
            ("sport/tennis/player1/#", "sport/tennis/player1"),
            ("sport/tennis/player1/#", "sport/tennis/player1/ranking"),
            ("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon"),
            ("sport/#", "sport"),
            ("#", "a"),
            ("#", "/"),
            ("sport/tennis/+", "sport/tennis/player1"),
            ("sport/+", "sport/"),
            ("+/+", "/finance"),
            ("/+", "/finance"),
            ("+/monitor/Clients", "SYS/monitor/Clients"),
            ("$SYS/#", "$SYS/x"),
            ("$SYS/#", "$SYS"),
            ("$SYS/monitor/+", "$SYS/monitor/Clients"),
            ("+", "é"),
            ("é/#", "é/a"),
            ("a/+/#", "a/b"),
        ] {
            assert!(matches(filter, topic), "{filter} {topic}");
        }
    }

    #[test]
    fn does_not_match_the_counterexamples_of_4_7() {
        for (filter, topic) in [
            ("sport/tennis/+", "sport/tennis/player1/ranking"),
            ("sport/+", "sport"),
            ("+", "/finance"),
            ("#", "$SYS/x"),
            ("#", "$"),
            ("+/monitor/Clients", "$SYS/monitor/Clients"),
            ("/finance", "finance"),
            ("ACCOUNTS", "Accounts"),
            ("a", "a/"),
            ("a/", "a"),
            ("a/b", "a"),
            ("a/#", "ab"),
            ("#/a", "x/a"),
            ("", "a"),
        ] {
            assert!(!matches(filter, topic), "{filter} {topic}");
        }
    }

    #[test]
    fn survives_the_deepest_topics() {
        let deep = "/".repeat(65_535);
        assert!(matches(&deep, &deep));
        assert!(matches("#", &deep));
        assert!(!matches(&deep[1..], &deep));
    }
}
