//! Numbers as people read them. Sizes are decimal, as disks and downloads are sold: 1 GB is 10^9 bytes.

use std::time::Duration;

/// `4.92 GB`, `868 MB`, `12 bytes`.
pub fn bytes(bytes: u64) -> String {
    let scaled = |unit: f64, name: &str| {
        let value = bytes as f64 / unit;
        let decimals = if value < 10.0 { 2 } else { usize::from(value < 100.0) };
        format!("{value:.decimals$} {name}")
    };
    match bytes {
        0..1_000 => format!("{bytes} bytes"),
        1_000..999_500 => scaled(1e3, "kB"),
        999_500..999_500_000 => scaled(1e6, "MB"),
        999_500_000..999_500_000_000 => scaled(1e9, "GB"),
        _ => scaled(1e12, "TB"),
    }
}

/// Reads `2G`, `500M`, `1.5 GB` or plain bytes, as [`bytes`] counts them.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    let refuse = || format!("{text:?} is no size; write 2G, 500M or a number of bytes");
    let upper = text.trim().to_ascii_uppercase();
    let number = upper.trim_end_matches('B');
    let units = [('K', 1e3), ('M', 1e6), ('G', 1e9), ('T', 1e12)];
    let (number, unit) = match units.iter().find_map(|(letter, unit)| Some((number.strip_suffix(*letter)?, *unit))) {
        Some(found) => found,
        None => return number.parse().ok().filter(|bytes| *bytes > 0).ok_or_else(refuse),
    };
    let bytes = number.trim_end().parse::<f64>().map_err(|_| refuse())? * unit;
    // Written so that what is no number is refused too.
    if (1.0..1e18).contains(&bytes) { Ok(bytes.round() as u64) } else { Err(refuse()) }
}

/// `4,920,734,112`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `7.34 M`, `8.03 B`: counts of weights.
pub fn count(number: u64) -> String {
    match number as f64 {
        n if n >= 1e12 => format!("{:.2} T", n / 1e12),
        n if n >= 1e9 => format!("{:.2} B", n / 1e9),
        n if n >= 1e6 => format!("{:.2} M", n / 1e6),
        n if n >= 1e3 => format!("{:.1} K", n / 1e3),
        _ => number.to_string(),
    }
}

/// `0.4 s`, `12 s`, `3 min 20 s`, `2 h 5 min`.
pub fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    match seconds.round() as u64 {
        _ if seconds < 10.0 => format!("{seconds:.1} s"),
        s @ 0..60 => format!("{s} s"),
        s @ 60..3600 => format!("{} min {} s", s / 60, s % 60),
        s => format!("{} h {} min", s / 3600, s % 3600 / 60),
    }
}

/// `1.21 GB/s`.
pub fn rate(bytes_per_second: f64) -> String {
    format!("{}/s", bytes(bytes_per_second as u64))
}

/// `7,100`, `130`, `13`, `1.3`: estimates, of which two digits count.
pub fn rounded(number: f64) -> String {
    match number {
        n if n >= 100.0 => {
            let unit = 10f64.powf(n.log10().floor() - 1.0);
            grouped(((n / unit).round() * unit) as u64)
        }
        n if n >= 10.0 => format!("{n:.0}"),
        n => format!("{n:.1}"),
    }
}

/// `7.21 %`, `0.0312 %`, `0 %`: three digits that count.
pub fn percent(fraction: f64) -> String {
    let percent = fraction * 100.0;
    if percent == 0.0 {
        return "0 %".to_owned();
    }
    if !percent.is_finite() {
        return "∞ %".to_owned();
    }
    if !(1e-4..1e4).contains(&percent.abs()) {
        return format!("{percent:.1e} %");
    }
    let decimals = (2 - percent.abs().log10().floor() as i32).clamp(0, 6) as usize;
    format!("{percent:.decimals$} %")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_they_are_written() {
        for (text, number) in
            [("2G", 2_000_000_000), ("500m", 500_000_000), ("1.5 GB", 1_500_000_000), ("4.1MB", 4_100_000), ("64", 64)]
        {
            assert_eq!(parse_bytes(text), Ok(number));
        }
        for text in ["", "G", "0", "-1G", "0.0000001K", "nanG", "infT", "1e40G", "2GiB", "two", "18446744073709551616"]
        {
            assert!(parse_bytes(text).is_err(), "{text}");
        }
    }

    #[test]
    fn numbers_read_well_at_their_edges() {
        let sizes = [
            (0, "0 bytes"),
            (999, "999 bytes"),
            (1_000, "1.00 kB"),
            (999_499, "999 kB"),
            (999_500, "1.00 MB"),
            (4_920_734_112, "4.92 GB"),
        ];
        for (n, text) in sizes {
            assert_eq!(bytes(n), text);
        }
        assert_eq!(grouped(4_920_734_112), "4,920,734,112");
        assert_eq!(grouped(12), "12");
        assert_eq!(count(7_344_384), "7.34 M");
        let shares = [
            (0.0, "0 %"),
            (1.0, "100 %"),
            (0.0721, "7.21 %"),
            (0.000_312_3, "0.0312 %"),
            (2.4e-9, "2.4e-7 %"),
            (1234.5, "1.2e5 %"),
            (f64::INFINITY, "∞ %"),
        ];
        for (fraction, text) in shares {
            assert_eq!(percent(fraction), text);
        }
        assert_eq!(duration(Duration::from_secs_f64(0.44)), "0.4 s");
        assert_eq!(duration(Duration::from_secs(200)), "3 min 20 s");
        assert_eq!(duration(Duration::from_secs(7_500)), "2 h 5 min");
    }
}
