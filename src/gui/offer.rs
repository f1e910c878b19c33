//! The formats that chosen tensors could get, and what would come of each.

use crate::model::Model;
use crate::quant::{FORMATS, FormatRef};
use crate::recipe::fall_back;
use std::collections::{BTreeMap, BTreeSet};

/// A format for some tensors.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Offer {
    /// The format.
    pub(super) format: FormatRef,
    /// What the tensors would take, fallbacks included.
    pub(super) bytes: u64,
    /// Tensors whose rows its blocks do not divide.
    pub(super) refused: usize,
    /// What those become instead; more than one where their rows differ.
    pub(super) instead: Vec<FormatRef>,
}

/// Every format for `tensors`, which are indices into [`Model::tensors`].
pub(super) fn offers(model: &Model, tensors: &BTreeSet<usize>) -> Vec<Offer> {
    // Whether a format fits depends on the length of the rows alone, and models have few lengths.
    let mut lengths: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
    for &index in tensors {
        lengths.entry(model.tensors[index].columns()).or_default().push(index);
    }
    let offer = |format: FormatRef| {
        let mut offer = Offer { format, bytes: 0, refused: 0, instead: Vec::new() };
        for members in lengths.values() {
            let (got, _) = fall_back(&model.tensors[members[0]], format);
            offer.bytes += members.iter().map(|&index| got.bytes(model.tensors[index].weights())).sum::<u64>();
            if got != format {
                offer.refused += members.len();
                if !offer.instead.contains(&got) {
                    offer.instead.push(got);
                }
            }
        }
        offer
    };
    FORMATS.iter().map(|format| offer(format)).collect()
}

/// The bits of a code, which formats are named after: 4 of `IQ4_XS`. None for floats.
pub(super) fn code_bits(format: FormatRef) -> Option<u32> {
    let digit = format.name.chars().find_map(|c| c.to_digit(10));
    digit.filter(|_| !format.is_float())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quant::{Q4_K, Q8_0};
    use std::path::Path;

    #[test]
    fn formats_are_offered_with_what_comes_of_them() {
        let model = Model::open(&Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/sample")).unwrap();
        let index = model.tensors.iter().position(|tensor| tensor.name == "blk.0.ffn_down.weight").unwrap();
        let all = offers(&model, &BTreeSet::from([index]));
        assert_eq!(all.len(), FORMATS.len());
        let of = |format: FormatRef| all.iter().find(|offer| offer.format == format).unwrap();
        assert_eq!(*of(&Q4_K), Offer { format: &Q4_K, bytes: 768 * 256 / 256 * 144, refused: 0, instead: Vec::new() });
        assert_eq!(of(&Q8_0).bytes, 768 * 256 / 32 * 34);
    }

    #[test]
    fn every_block_format_has_its_bits_in_its_name() {
        for format in FORMATS {
            match code_bits(format) {
                None => assert!(format.is_float()),
                // A block adds its scales to the codes; ternary codes share bits.
                Some(bits) => {
                    assert!((0.5..2.5).contains(&(format.bits_per_weight() - f64::from(bits) + 1.0)), "{format}")
                }
            }
        }
    }
}
