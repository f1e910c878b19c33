//! Sizes as people type them.

use super::Sizes;
use crate::units;

/// What may stand behind a number of bits.
const BITS: [&str; 5] = ["bits/weight", "bits / weight", "bits", "bit", "bpw"];

impl Sizes {
    /// The bytes that a text stands for: `4.5 GB`, `4,831,838,208` or `4.2 bits`; or what is wrong with it.
    pub(super) fn parse(&self, text: &str) -> Result<u64, String> {
        let text = text.trim().to_lowercase().replace(',', "");
        let number = BITS.iter().find_map(|unit| text.strip_suffix(unit));
        let bytes = match number {
            Some(number) => {
                let bits: Option<f64> = number.trim().parse().ok();
                let bits = bits.filter(|bits| (0.5..=32.0).contains(bits));
                self.of_bits(bits.ok_or("A weight has from 0.5 to 32 bits.")?)
            }
            None => {
                let plain = text.strip_suffix("bytes").unwrap_or(&text).trim();
                units::parse_bytes(plain).map_err(|_| "Type bytes, or a number with MB, GB or bits.".to_owned())?
            }
        };
        match bytes < self.smallest {
            true => Err(format!("No file of these types is below {} bytes.", units::grouped(self.smallest))),
            false => Ok(bytes.min(self.largest)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_bytes_and_as_bits() {
        let sizes = Sizes {
            points: Vec::new(),
            standards: Vec::new(),
            smallest: 2_500_000_000,
            largest: 9_000_000_000,
            header: 1_000_000,
            weights: 8_000_000_000,
        };
        let parse = |text: &str| sizes.parse(text);
        for (text, bytes) in [
            ("4.5 GB", 4_500_000_000),
            ("4.5g", 4_500_000_000),
            ("4,831,838,208", 4_831_838_208),
            ("4831838208 bytes", 4_831_838_208),
            ("4.5 bits", 4_501_000_000),
            ("4.5bpw", 4_501_000_000),
            ("4.5 bits / weight", 4_501_000_000),
            ("20 GB", 9_000_000_000),
        ] {
            assert_eq!(parse(text), Ok(bytes), "{text}");
        }
        for (text, wrong) in [
            ("", "Type bytes"),
            ("much", "Type bytes"),
            ("4", "below 2,500,000,000 bytes"),
            ("2 bits", "below"),
            ("40 bits", "0.5 to 32"),
            ("NaN bits", "0.5 to 32"),
        ] {
            assert!(parse(text).unwrap_err().contains(wrong), "{text}");
        }
    }
}
