//! Every size of a file, as a curve and as people type them.

use crate::model::Model;
use crate::recipe::budget::Point;
use crate::recipe::{Mixer, Standard};
use crate::units;

/// Points of the curve that a picture has room for.
const DRAWN: u64 = 400;

/// What may stand behind a number of bits.
const BITS: [&str; 5] = ["bits/weight", "bits / weight", "bits", "bit", "bpw"];

/// Every size that there is, and what is predicted for it.
#[derive(Clone, Debug)]
pub struct Sizes {
    /// From the smallest file to the largest.
    pub points: Vec<Point>,
    /// The standard recipes, from the smallest file to the largest.
    pub standards: Vec<Standard>,
    /// Bytes of the smallest file.
    pub smallest: u64,
    /// Bytes of the largest file.
    pub largest: u64,
    /// Bytes of a file before its tensors.
    header: u64,
    /// Weights of the model.
    weights: u64,
}

impl Sizes {
    pub(super) fn of(model: &Model, mixer: &Mixer<'_>) -> Self {
        let all: Vec<Point> = mixer.points().collect();
        let (smallest, largest) = (mixer.smallest(), all.last().map_or(0, |point| point.bytes));
        let step = (largest - smallest) / DRAWN;
        let mut points: Vec<Point> = Vec::new();
        for point in &all {
            if points.last().is_none_or(|last| point.bytes >= last.bytes + step || point.bytes == largest) {
                points.push(*point);
            }
        }
        let weights = model.tensors.iter().map(|tensor| tensor.weights()).sum();
        Self { points, standards: mixer.standards(), smallest, largest, header: mixer.header_bytes(), weights }
    }

    /// The bytes of a file with so many bits of tensor data for each weight.
    pub fn of_bits(&self, bits: f64) -> u64 {
        self.header + (self.weights as f64 * bits / 8.0) as u64
    }
}

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
