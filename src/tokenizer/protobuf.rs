//! Fields of a protobuf message, one after the other, as slices of the message: nothing is copied and nothing is
//! allocated, so a hostile length is only a length.
//!
//! The wire format: <https://protobuf.dev/programming-guides/encoding/>.

/// A field's value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Field<'a> {
    /// Integers, enums and booleans.
    Varint(u64),
    /// `fixed32` and floats.
    Fixed32([u8; 4]),
    /// `fixed64` and doubles.
    Fixed64([u8; 8]),
    /// Strings, bytes and messages.
    Bytes(&'a [u8]),
}

/// What is wrong with a message: the position in it, and what was found there.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed {
    pub(super) at: usize,
    pub(super) what: String,
}

/// The fields of a message, in its order, with their numbers.
pub(super) struct Fields<'a> {
    message: &'a [u8],
    at: usize,
}

impl<'a> Fields<'a> {
    pub(super) fn of(message: &'a [u8]) -> Self {
        Self { message, at: 0 }
    }

    fn refuse<T>(&self, what: String) -> Result<T, Malformed> {
        Err(Malformed { at: self.at, what })
    }

    fn take(&mut self, length: u64) -> Result<&'a [u8], Malformed> {
        let left = &self.message[self.at..];
        match usize::try_from(length).ok().filter(|length| *length <= left.len()) {
            Some(length) => {
                self.at += length;
                Ok(&left[..length])
            }
            None => self.refuse(format!("a field of {length} bytes, and {} are left", left.len())),
        }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        Ok(self.take(N as u64)?.try_into().expect("as many bytes as were asked for"))
    }

    fn varint(&mut self) -> Result<u64, Malformed> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let [byte] = self.array()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        self.refuse("a number of more than ten bytes".to_owned())
    }

    fn field(&mut self) -> Result<(u64, Field<'a>), Malformed> {
        let key = self.varint()?;
        let value = match key & 7 {
            0 => Field::Varint(self.varint()?),
            1 => Field::Fixed64(self.array()?),
            2 => {
                let length = self.varint()?;
                Field::Bytes(self.take(length)?)
            }
            5 => Field::Fixed32(self.array()?),
            kind => return self.refuse(format!("a field of the unknown kind {kind}")),
        };
        Ok((key >> 3, value))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, Field<'a>), Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at == self.message.len() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.at = self.message.len();
        }
        Some(field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_and_damage_is_named() {
        let message = [0x08, 0x96, 0x01, 0x12, 0x02, b'h', b'i', 0x1d, 0, 0, 0x80, 0x3f];
        let fields: Vec<_> = Fields::of(&message).map(Result::unwrap).collect();
        assert_eq!(
            fields,
            [(1, Field::Varint(150)), (2, Field::Bytes(b"hi")), (3, Field::Fixed32(1f32.to_le_bytes()))]
        );
        for (bytes, words) in [
            (&[0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01][..], "18446744073709551615 bytes"),
            (&[0x12, 0x05, b'h'], "5 bytes, and 1 are left"),
            (&[0x80; 11], "ten bytes"),
            (&[0x0b], "kind 3"),
            (&[0x0d, 0, 0], "4 bytes"),
            (&[0x80], "1 bytes, and 0 are left"),
        ] {
            let mut fields = Fields::of(bytes);
            let error = fields.next().unwrap().unwrap_err();
            assert!(error.what.contains(words), "{error:?}");
            assert!(fields.next().is_none(), "it ends after damage");
        }
    }
}
