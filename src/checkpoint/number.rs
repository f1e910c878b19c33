//! Numbers as safetensors files hold them, those that no GGUF type holds among them: they are read as F32 and never
//! written.

use super::Precision;
use crate::quant::{BF16, F16, F32};

/// An element type.
pub struct Number {
    /// As safetensors calls it.
    pub name: &'static str,
    /// For people.
    pub title: &'static str,
    /// Bytes of one.
    pub bytes: usize,
    /// Reads as many as `dst` holds.
    pub read: fn(src: &[u8], dst: &mut [f32]),
}

/// A number is passed by reference to its one static description.
pub type NumberRef = &'static Number;

/// Every kind of number that is read.
pub static NUMBERS: &[Number] = &[
    number("F64", "F64", 8, |src, dst| each(src, dst, |b| f64::from_le_bytes(b) as f32)),
    number("F32", "F32", 4, |src, dst| (F32.dequantize)(src, dst)),
    number("F16", "F16", 2, |src, dst| (F16.dequantize)(src, dst)),
    number("BF16", "BF16", 2, |src, dst| (BF16.dequantize)(src, dst)),
    number("F8_E4M3", "FP8 E4M3", 1, |src, dst| each(src, dst, |[b]| E4M3[usize::from(b)])),
    number("F8_E5M2", "FP8 E5M2", 1, |src, dst| each(src, dst, |[b]| half::f16::from_le_bytes([0, b]).to_f32())),
    number("F8_E8M0", "E8M0", 1, |src, dst| each(src, dst, |[b]| E8M0[usize::from(b)])),
    number("I64", "I64", 8, |src, dst| each(src, dst, |b| i64::from_le_bytes(b) as f32)),
    number("I32", "I32", 4, |src, dst| each(src, dst, |b| i32::from_le_bytes(b) as f32)),
    number("I8", "INT8", 1, |src, dst| each(src, dst, |[b]| f32::from(b.cast_signed()))),
    number("U8", "U8", 1, |src, dst| each(src, dst, |[b]| f32::from(b))),
];

const fn number(name: &'static str, title: &'static str, bytes: usize, read: fn(&[u8], &mut [f32])) -> Number {
    Number { name, title, bytes, read }
}

impl Number {
    /// What a tensor holds, if it is numbers.
    pub(super) fn of(precision: &Precision) -> Option<NumberRef> {
        let name = match precision {
            Precision::Format(format) => format.name.to_owned(),
            Precision::Other(dtype) => dtype.to_string(),
            Precision::Coded(_) => return None,
        };
        NUMBERS.iter().find(|number| number.name == name)
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl std::fmt::Debug for Number {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

fn each<const N: usize>(src: &[u8], dst: &mut [f32], value: impl Fn([u8; N]) -> f32) {
    dst.iter_mut().zip(src.as_chunks().0).for_each(|(out, bytes)| *out = value(*bytes));
}

/// Four bits of exponent, three of mantissa, no infinity: E4M3 of "FP8 Formats for Deep Learning" (arXiv 2209.05433).
static E4M3: [f32; 256] = {
    let mut table = [0.0; 256];
    let mut code = 0;
    while code < 256 {
        let (exponent, mantissa) = ((code >> 3) & 15, code & 7);
        let size = match (exponent, mantissa) {
            (15, 7) => f32::NAN,
            (0, _) => mantissa as f32 / 512.0,
            _ => f32::from_bits((exponent + 120) << 23 | mantissa << 20),
        };
        table[code as usize] = if code < 128 { size } else { -size };
        code += 1;
    }
    table
};

/// Nothing but an exponent, from 2^-127 on; the last is no number. OCP Microscaling Formats, version 1.0.
static E8M0: [f32; 256] = {
    let mut table = [f32::NAN; 256];
    table[0] = f32::from_bits(1 << 22);
    let mut code = 1;
    while code < 255 {
        table[code as usize] = f32::from_bits(code << 23);
        code += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, src: &[u8]) -> f32 {
        let number = NUMBERS.iter().find(|number| number.name == name).unwrap();
        let mut out = [0.0];
        (number.read)(src, &mut out);
        out[0]
    }

    #[test]
    fn small_floats_are_what_their_formats_say() {
        let e4m3 =
            [(0x00, 0.0), (0x01, 2f32.powi(-9)), (0x08, 2f32.powi(-6)), (0x38, 1.0), (0x7e, 448.0), (0xb8, -1.0)];
        e4m3.iter().for_each(|(code, value)| assert_eq!(read("F8_E4M3", &[*code]), *value, "E4M3 {code:#x}"));
        let e5m2 = [(0x00, 0.0), (0x01, 2f32.powi(-16)), (0x3c, 1.0), (0x7b, 57344.0), (0xfb, -57344.0)];
        e5m2.iter().for_each(|(code, value)| assert_eq!(read("F8_E5M2", &[*code]), *value, "E5M2 {code:#x}"));
        assert!(read("F8_E4M3", &[0x7f]).is_nan() && read("F8_E4M3", &[0xff]).is_nan());
        assert!(read("F8_E4M3", &[0x80]).is_sign_negative());
        assert_eq!(read("F8_E5M2", &[0x7c]), f32::INFINITY);
        let e8m0 = [(0, 2f32.powi(-127)), (127, 1.0), (254, 2f32.powi(127))];
        e8m0.iter().for_each(|(code, value)| assert_eq!(read("F8_E8M0", &[*code]), *value, "E8M0 {code}"));
        assert!(read("F8_E8M0", &[255]).is_nan());
    }

    #[test]
    fn numbers_of_other_widths() {
        assert_eq!(read("F64", &std::f64::consts::PI.to_le_bytes()), std::f32::consts::PI);
        assert_eq!(read("F64", &1e300f64.to_le_bytes()), f32::INFINITY);
        assert_eq!(read("I8", &[0x80]), -128.0);
        assert_eq!(read("U8", &[0x80]), 128.0);
        assert_eq!(read("I64", &(-3i64).to_le_bytes()), -3.0);
        assert_eq!(read("I32", &7i32.to_le_bytes()), 7.0);
    }
}
