//! A tiny valid checkpoint, as parts that a test can spoil.

use serde_json::{Value as Json, json};
use std::fs;
use std::path::Path;

/// A tensor to be written: name, dtype, shape (rows first), bytes.
#[derive(Clone)]
pub struct Stored {
    pub name: String,
    pub dtype: &'static str,
    pub shape: Vec<u64>,
    pub bytes: Vec<u8>,
}

/// A Llama of two layers, hidden size 256, in F16.
#[derive(Clone)]
pub struct Tiny {
    pub config: Json,
    pub tokenizer: Json,
    pub tensors: Vec<Stored>,
}

impl Default for Tiny {
    fn default() -> Self {
        let (hidden, feed_forward, vocabulary) = (256, 512, 64);
        // The last two make t1 by a merge.
        let text = |i: u64| match vocabulary - i {
            1 => "1".to_owned(),
            2 => "t".to_owned(),
            _ => format!("t{i}"),
        };
        let vocab: serde_json::Map<String, Json> = (0..vocabulary).map(|i| (text(i), json!(i))).collect();
        let mut tiny = Self {
            config: json!({
                "architectures": ["LlamaForCausalLM"], "model_type": "llama",
                "hidden_size": hidden, "intermediate_size": feed_forward, "num_hidden_layers": 2,
                "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 512,
                "vocab_size": vocabulary, "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "tie_word_embeddings": true,
            }),
            tokenizer: json!({
                "added_tokens": [{"id": 0, "content": "t0", "special": true, "normalized": false}],
                "normalizer": null,
                "pre_tokenizer": {
                    "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true,
                },
                "post_processor": null,
                "model": {"type": "BPE", "vocab": vocab, "merges": ["t 1"]},
            }),
            tensors: Vec::new(),
        };
        tiny.tensor("model.embed_tokens.weight", &[vocabulary, hidden]);
        tiny.tensor("model.norm.weight", &[hidden]);
        for layer in 0..2 {
            let mut add =
                |name: &str, shape: &[u64]| tiny.tensor(&format!("model.layers.{layer}.{name}.weight"), shape);
            add("input_layernorm", &[hidden]);
            add("self_attn.q_proj", &[hidden, hidden]);
            add("self_attn.k_proj", &[hidden / 2, hidden]);
            add("self_attn.v_proj", &[hidden / 2, hidden]);
            add("self_attn.o_proj", &[hidden, hidden]);
            add("post_attention_layernorm", &[hidden]);
            add("mlp.gate_proj", &[feed_forward, hidden]);
            add("mlp.up_proj", &[feed_forward, hidden]);
            add("mlp.down_proj", &[hidden, feed_forward]);
        }
        tiny
    }
}

impl Tiny {
    fn tensor(&mut self, name: &str, shape: &[u64]) {
        let mut seed = 1u64 + self.tensors.len() as u64;
        let bytes = (0..shape.iter().product::<u64>()).flat_map(|_| {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            half::f16::from_f32(((seed >> 40) as f32 / 8388608.0 - 1.0) * 0.1).to_le_bytes()
        });
        let bytes = bytes.collect();
        self.tensors.push(Stored { name: name.to_owned(), dtype: "F16", shape: shape.to_vec(), bytes });
    }

    /// The tensor called `name`.
    pub fn get(&mut self, name: &str) -> &mut Stored {
        self.tensors.iter_mut().find(|t| t.name == name).expect("a tensor of this name")
    }

    /// Writes config, tokenizer and one safetensors file.
    pub fn write(&self, folder: &Path) {
        fs::create_dir_all(folder).unwrap();
        self.write_documents(folder);
        fs::write(folder.join("model.safetensors"), safetensors(&self.tensors)).unwrap();
    }

    pub fn write_documents(&self, folder: &Path) {
        fs::write(folder.join("config.json"), self.config.to_string()).unwrap();
        self.write_tokenizer(folder);
    }

    pub fn write_tokenizer(&self, folder: &Path) {
        fs::write(folder.join("tokenizer.json"), self.tokenizer.to_string()).unwrap();
    }
}

/// A safetensors file of these tensors.
pub fn safetensors(tensors: &[Stored]) -> Vec<u8> {
    let mut header = serde_json::Map::new();
    let mut data = Vec::new();
    for tensor in tensors {
        let start = data.len();
        data.extend(&tensor.bytes);
        header.insert(
            tensor.name.clone(),
            json!({"dtype": tensor.dtype, "shape": tensor.shape, "data_offsets": [start, data.len()]}),
        );
    }
    with_header(&Json::Object(header).to_string(), &data)
}

/// A safetensors file with this header, whatever it says.
pub fn with_header(header: &str, data: &[u8]) -> Vec<u8> {
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header.as_bytes());
    file.extend(data);
    file
}
