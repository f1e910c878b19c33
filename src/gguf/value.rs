//! Metadata values of a GGUF file.

use std::fmt;

macro_rules! value_types {
    ($($variant:ident($rust:ty) = $id:literal, $name:literal;)*) => {
        /// A metadata value, typed as it is stored. llama.cpp refuses a wrong integer width, so the width is kept.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Value {
            $(#[doc = concat!("`", $name, "`.")] $variant($rust),)*
            /// An array of `u8`, of which files have long ones.
            Bytes(Vec<u8>),
        }

        /// The stored type of a value (`enum gguf_type`).
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum ValueType {
            $(#[doc = concat!("`", $name, "`.")] $variant = $id,)*
        }

        impl ValueType {
            /// The type with this id in a file.
            pub fn from_id(id: u32) -> Option<Self> {
                match id {
                    $($id => Some(Self::$variant),)*
                    _ => None,
                }
            }

            /// The name used in messages and tables.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }

        impl Value {
            /// The stored type.
            pub fn value_type(&self) -> ValueType {
                match self {
                    $(Self::$variant(_) => ValueType::$variant,)*
                    Self::Bytes(_) => ValueType::Array,
                }
            }
        }

        $(impl From<$rust> for Value {
            fn from(value: $rust) -> Self {
                Self::$variant(value)
            }
        })*
    };
}

value_types! {
    U8(u8) = 0, "u8";
    I8(i8) = 1, "i8";
    U16(u16) = 2, "u16";
    I16(i16) = 3, "i16";
    U32(u32) = 4, "u32";
    I32(i32) = 5, "i32";
    F32(f32) = 6, "f32";
    Bool(bool) = 7, "bool";
    String(String) = 8, "string";
    Array(Array) = 9, "array";
    U64(u64) = 10, "u64";
    I64(i64) = 11, "i64";
    F64(f64) = 12, "f64";
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::String(value.to_owned())
    }
}

/// Values of one type, which is not `u8`: see [`Value::Bytes`].
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    /// The type of each value, known even when there is none.
    pub item: ValueType,
    /// The values.
    pub values: Vec<Value>,
}

impl Array {
    /// An array of values that share `item`'s type.
    pub fn new<T: Into<Value>>(item: ValueType, values: impl IntoIterator<Item = T>) -> Self {
        Self { item, values: values.into_iter().map(Into::into).collect() }
    }
}

impl Value {
    /// A whole number of any width.
    pub fn as_u64(&self) -> Option<u64> {
        match *self {
            Self::U8(v) => Some(v.into()),
            Self::U16(v) => Some(v.into()),
            Self::U32(v) => Some(v.into()),
            Self::U64(v) => Some(v),
            Self::I8(v) => v.try_into().ok(),
            Self::I16(v) => v.try_into().ok(),
            Self::I32(v) => v.try_into().ok(),
            Self::I64(v) => v.try_into().ok(),
            _ => None,
        }
    }

    /// The text of a string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The array.
    pub fn as_array(&self) -> Option<&Array> {
        match self {
            Self::Array(array) => Some(array),
            _ => None,
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::U8(v) => v.fmt(f),
            Self::I8(v) => v.fmt(f),
            Self::U16(v) => v.fmt(f),
            Self::I16(v) => v.fmt(f),
            Self::U32(v) => v.fmt(f),
            Self::I32(v) => v.fmt(f),
            Self::F32(v) => v.fmt(f),
            Self::Bool(v) => v.fmt(f),
            Self::String(v) => v.fmt(f),
            Self::Array(a) => write!(f, "{} x {}", a.values.len(), a.item.name()),
            Self::Bytes(bytes) => write!(f, "{} x {}", bytes.len(), ValueType::U8.name()),
            Self::U64(v) => v.fmt(f),
            Self::I64(v) => v.fmt(f),
            Self::F64(v) => v.fmt(f),
        }
    }
}
