//! Tokens to text.

use super::vocabulary::TokenType;
use crate::gguf::{Metadata, Value};

/// Texts of tokens that end an answer, whatever the settings of a file say; llama.cpp stops at these
/// (`llama_vocab::impl::load` in `src/llama-vocab.cpp`).
const ENDS: &[&str] = &[
    "<|eot_id|>",
    "<|im_end|>",
    "<|end|>",
    "<|return|>",
    "<|call|>",
    "<end_of_turn>",
    "<|endoftext|>",
    "</s>",
    "<|eom_id|>",
    "<EOT>",
    "_<EOT>",
    "[EOT]",
    "[EOS]",
    "<|end_of_text|>",
    "<end_of_utterance>",
    "<eos>",
];

/// Writes tokens as text, as the metadata of a GGUF file describes them.
#[derive(Clone, Debug)]
pub struct Decoder<'a> {
    tokens: &'a [Value],
    kinds: &'a [Value],
    is_sentencepiece: bool,
    ends: Vec<u32>,
}

impl<'a> Decoder<'a> {
    /// Of a model's metadata. Without a list of tokens it writes nothing.
    pub fn of(metadata: &'a Metadata) -> Self {
        let value = |name: &str| {
            metadata.iter().find(|(key, _)| key.strip_prefix("tokenizer.ggml.") == Some(name)).map(|(_, value)| value)
        };
        let list =
            |name: &str| value(name).and_then(Value::as_array).map_or(&[] as &[Value], |array| array.values.as_slice());
        let tokens = list("tokens");
        let by_text = tokens.iter().enumerate().filter(|(_, text)| text.as_str().is_some_and(|t| ENDS.contains(&t)));
        let by_id = ["eos_token_id", "eot_token_id", "eom_token_id"].into_iter().filter_map(value);
        let by_id = by_id.filter_map(Value::as_u64).map(|id| id as usize);
        let mut ends: Vec<u32> = by_id.chain(by_text.map(|(id, _)| id)).map(|id| id as u32).collect();
        // "<|end|>" closes a part of an answer where others close the whole.
        let has = |text: &str| ends.iter().any(|id| tokens.get(*id as usize).and_then(Value::as_str) == Some(text));
        if has("<|return|>") && has("<|call|>") {
            ends.retain(|id| tokens.get(*id as usize).and_then(Value::as_str) != Some("<|end|>"));
        }
        ends.sort_unstable();
        ends.dedup();
        Self {
            tokens,
            kinds: list("token_type"),
            is_sentencepiece: value("model").and_then(Value::as_str) == Some("llama"),
            ends,
        }
    }

    /// The tokens that end an answer, by rising id.
    pub fn ends(&self) -> &[u32] {
        &self.ends
    }

    /// How a token is written in a vocabulary; control tokens too.
    pub fn name(&self, token: u32) -> &'a str {
        self.tokens.get(token as usize).and_then(Value::as_str).unwrap_or_default()
    }

    /// What a token adds to a text, in bytes that need not be whole characters. Control tokens add nothing.
    pub fn bytes(&self, token: u32) -> Vec<u8> {
        let text = self.name(token);
        let is = |kind: TokenType| self.kinds.get(token as usize) == Some(&Value::I32(kind as i32));
        if is(TokenType::Control) || is(TokenType::Unknown) {
            return Vec::new();
        }
        if is(TokenType::UserDefined) {
            return text.as_bytes().to_vec();
        }
        if self.is_sentencepiece {
            let byte = text.strip_prefix("<0x").and_then(|rest| u8::from_str_radix(rest.strip_suffix('>')?, 16).ok());
            return match byte.filter(|_| is(TokenType::Byte)) {
                Some(byte) => vec![byte],
                None => text.replace('\u{2581}', " ").into_bytes(),
            };
        }
        text.chars().flat_map(byte_of).collect()
    }

    /// A text of tokens; what is no whole character is marked as such.
    pub fn text(&self, tokens: &[u32]) -> String {
        let bytes: Vec<u8> = tokens.iter().flat_map(|token| self.bytes(*token)).collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// The byte that GPT-2 writes as this character: printable ones as themselves, the 68 others in order from U+0100 on.
fn byte_of(c: char) -> Vec<u8> {
    let is_plain = |byte: u32| matches!(byte, 33..=126 | 161..=172 | 174..=255);
    let code = u32::from(c);
    if is_plain(code) {
        return vec![code as u8];
    }
    let other = code.checked_sub(256).and_then(|n| (0..256u32).filter(|byte| !is_plain(*byte)).nth(n as usize));
    match other {
        Some(byte) => vec![byte as u8],
        None => c.to_string().into_bytes(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gguf::{Array, ValueType};

    fn metadata(model: &str, tokens: &[&str], kinds: &[i32]) -> Metadata {
        vec![
            ("tokenizer.ggml.model".to_owned(), model.into()),
            ("tokenizer.ggml.tokens".to_owned(), Array::new(ValueType::String, tokens.iter().copied()).into()),
            ("tokenizer.ggml.token_type".to_owned(), Array::new(ValueType::I32, kinds.iter().copied()).into()),
            ("tokenizer.ggml.eos_token_id".to_owned(), Value::U32(1)),
        ]
    }

    #[test]
    fn bytes_of_gpt2_are_read_back() {
        let metadata = metadata("gpt2", &["Ġa", "end", "ÃŁ", "Ċ", "<|im_end|>", "漢"], &[1, 3, 1, 1, 3, 1]);
        let decoder = Decoder::of(&metadata);
        assert_eq!(decoder.text(&[0, 1, 2, 3, 5]), " aß\n漢");
        assert_eq!(decoder.ends(), [1, 4]);
        assert_eq!(decoder.bytes(99), b"");
    }

    #[test]
    fn pieces_of_sentencepiece_have_spaces_and_bytes() {
        let metadata = metadata("llama", &["▁Hi", "</s>", "<0xC3>", "<0x9F>", "<0x41>"], &[1, 3, 6, 6, 4]);
        let decoder = Decoder::of(&metadata);
        assert_eq!(decoder.text(&[0, 2, 3, 4, 1]), " Hiß<0x41>");
        assert_eq!(decoder.text(&[2]), "\u{fffd}");
        assert_eq!(decoder.ends(), [1]);
    }
}
