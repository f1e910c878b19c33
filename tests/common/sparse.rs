//! Checkpoints of any size whose weights are holes in their files.

use serde_json::json;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

/// A sharded checkpoint of a Llama with these shapes, its weights a hole in the file.
#[allow(unreachable_pub, reason = "a bench and tests include this file")]
pub fn sparse_llama(
    folder: &Path,
    layers: u64,
    hidden: u64,
    feed_forward: u64,
    heads: u64,
    kv_heads: u64,
    vocabulary: u64,
) {
    fs::create_dir_all(folder).unwrap();
    let kv = hidden / heads * kv_heads;
    let mut shards: Vec<Vec<(String, Vec<u64>)>> = vec![vec![
        ("model.embed_tokens.weight".to_owned(), vec![vocabulary, hidden]),
        ("model.norm.weight".to_owned(), vec![hidden]),
        ("lm_head.weight".to_owned(), vec![vocabulary, hidden]),
    ]];
    for layer in 0..layers {
        let name = |part: &str| format!("model.layers.{layer}.{part}.weight");
        shards.push(vec![
            (name("input_layernorm"), vec![hidden]),
            (name("self_attn.q_proj"), vec![hidden, hidden]),
            (name("self_attn.k_proj"), vec![kv, hidden]),
            (name("self_attn.v_proj"), vec![kv, hidden]),
            (name("self_attn.o_proj"), vec![hidden, hidden]),
            (name("post_attention_layernorm"), vec![hidden]),
            (name("mlp.gate_proj"), vec![feed_forward, hidden]),
            (name("mlp.up_proj"), vec![feed_forward, hidden]),
            (name("mlp.down_proj"), vec![hidden, feed_forward]),
        ]);
    }
    let mut map = serde_json::Map::new();
    for (index, shard) in shards.iter().enumerate() {
        let file = format!("model-{:05}-of-{:05}.safetensors", index + 1, shards.len());
        let mut header = serde_json::Map::new();
        let mut end = 0;
        for (name, shape) in shard {
            let start = end;
            end += 2 * shape.iter().product::<u64>();
            header.insert(name.clone(), json!({"dtype": "BF16", "shape": shape, "data_offsets": [start, end]}));
            map.insert(name.clone(), json!(file));
        }
        let header = serde_json::Value::Object(header).to_string();
        let mut out = File::create(folder.join(&file)).unwrap();
        out.write_all(&(header.len() as u64).to_le_bytes()).unwrap();
        out.write_all(header.as_bytes()).unwrap();
        out.set_len(8 + header.len() as u64 + end).unwrap();
    }
    fs::write(folder.join("model.safetensors.index.json"), json!({"weight_map": map}).to_string()).unwrap();
    let config = json!({
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": hidden,
        "intermediate_size": feed_forward, "num_hidden_layers": layers, "num_attention_heads": heads,
        "num_key_value_heads": kv_heads, "max_position_embeddings": 8192, "vocab_size": vocabulary,
        "rms_norm_eps": 1e-5, "rope_theta": 500000.0, "tie_word_embeddings": false,
    });
    fs::write(folder.join("config.json"), config.to_string()).unwrap();
    // As many tokens and merges as Llama 3 has, since a tokenizer takes memory too.
    let words = words(vocabulary as usize);
    let fill = (words.len()..vocabulary as usize).map(|id| format!("token{id}"));
    let vocab: serde_json::Map<String, serde_json::Value> =
        words.iter().cloned().chain(fill).enumerate().map(|(id, text)| (text, json!(id))).collect();
    let parted = words.iter().flat_map(|word| (1..word.len()).map(|at| format!("{} {}", &word[..at], &word[at..])));
    let merges: Vec<String> = parted.take(280_147).collect();
    let tokenizer = json!({
        "added_tokens": [], "normalizer": null, "post_processor": null,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "use_regex": true},
        "model": {"type": "BPE", "vocab": vocab, "merges": merges},
    });
    fs::write(folder.join("tokenizer.json"), tokenizer.to_string()).unwrap();
}

/// At most so many words of up to four of eighteen letters, the short ones first.
fn words(count: usize) -> Vec<String> {
    let mut words: Vec<String> = ('a'..='r').map(String::from).collect();
    let mut last = words.clone();
    for _ in 1..4 {
        last = last.iter().flat_map(|word| ('a'..='r').map(move |letter| format!("{word}{letter}"))).collect();
        words.extend_from_slice(&last);
    }
    words.truncate(count);
    words
}
