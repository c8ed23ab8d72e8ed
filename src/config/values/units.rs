//! Texts with units: durations, sizes, whole numbers. Strict, because a guess here is a setting.

use std::time::Duration;

/// A whole number: digits only. A leading zero (octal in older YAML), a sign, `_` or `0x` are refused.
pub(crate) fn whole(text: &str) -> Option<u64> {
    let leading_zero = text.len() > 1 && text.starts_with('0');
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    (digits && !leading_zero).then(|| text.parse().ok())?
}

/// `10s`, `1m 30s`, `500ms`; a bare number counts seconds and may have a fraction (`10`, `10.0`).
pub(crate) fn duration(text: &str) -> Option<Duration> {
    let number = text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    if number && text.starts_with(|c: char| c.is_ascii_digit()) {
        return Duration::try_from_secs_f64(text.parse().ok()?).ok();
    }
    humantime::parse_duration(text).ok()
}

/// A duration as it would be written: `1m 30s`.
pub(crate) fn show_duration(duration: Duration) -> String {
    humantime::format_duration(duration).to_string()
}

/// `65536`, `64KiB`, `1MB`, with or without a space before the unit.
pub(crate) fn bytes(text: &str) -> Option<u64> {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let unit = text.get(end..)?.trim_start();
    let factor: u64 = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        // `1M` is refused: half of the world reads it as 1024² and the other half does not.
        _ => return None,
    };
    whole(text.get(..end)?)?.checked_mul(factor)
}

/// A size as it would be written: `64KiB`.
pub(crate) fn show_bytes(bytes: u64) -> String {
    for (factor, unit) in [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")] {
        if bytes >= factor && bytes.is_multiple_of(factor) {
            return format!("{}{unit}", bytes / factor);
        }
    }
    format!("{bytes} bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_seconds_or_have_units() {
        for (given, millis) in [
            ("10s", Some(10_000)),
            ("15m", Some(900_000)),
            ("1m 30s", Some(90_000)),
            ("1m30s", Some(90_000)),
            ("10", Some(10_000)),
            ("10.0", Some(10_000)),
            ("0.25", Some(250)),
            ("0", Some(0)),
            ("", None),
            (".", None),
            (".5", None),
            ("1.2.3", None),
            ("-1", None),
            ("1e3", None),
            ("inf", None),
            ("NaN", None),
            ("10 sek", None),
            ("99999999999999999999999999", None),
        ] {
            assert_eq!(
                duration(given),
                millis.map(Duration::from_millis),
                "given: {given}"
            );
        }
    }

    #[test]
    fn sizes_and_numbers_are_not_guessed() {
        for (given, expected) in [
            ("0", Some(0)),
            ("65536", Some(65_536)),
            ("64KiB", Some(65_536)),
            ("64 kib", Some(65_536)),
            ("1MB", Some(1_000_000)),
            ("1MiB", Some(1 << 20)),
            ("1M", None),
            ("1.5MiB", None),
            ("-1", None),
            ("KiB", None),
            ("", None),
            ("99999999999GiB", None),
        ] {
            assert_eq!(bytes(given), expected, "given: {given}");
        }
        for (given, expected) in [
            ("10", Some(10)),
            ("0", Some(0)),
            ("010", None),
            ("+1", None),
            ("0x10", None),
            ("", None),
            ("1_000", None),
        ] {
            assert_eq!(whole(given), expected, "given: {given}");
        }
        assert_eq!(show_bytes(65_536), "64KiB");
        assert_eq!(show_bytes(1000), "1000 bytes");
        assert_eq!(show_bytes(0), "0 bytes");
    }
}
