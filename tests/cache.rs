//! What a cache keeps, against ggml and against itself.

use serde_json::Value as Json;
use tuck::cache::{BLOCKS, Held, Row, SINKS};
use tuck::cpu;
use tuck::forward::{Attention, Matrices, Op, Program, RESIDUAL, Register, Step};

fn reference() -> Json {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/cache_blocks.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn unhex(json: &Json) -> Vec<u8> {
    let text = json.as_str().unwrap();
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

#[test]
fn blocks_are_those_of_ggml_bit_for_bit() {
    let reference = reference();
    let numbers: Vec<f32> = bytemuck::pod_collect_to_vec(&unhex(&reference["numbers"]));
    assert!(numbers.len() >= 64 * 32);
    for blocks in BLOCKS {
        let name = blocks.format.name.to_lowercase();
        let expected = unhex(&reference[&name]);
        let mut found = vec![0; expected.len()];
        for (x, block) in numbers.as_chunks().0.iter().zip(found.chunks_exact_mut(blocks.format.block_bytes)) {
            blocks.write(x, block);
        }
        let of = |bytes: &[u8], n: usize| bytes[n * blocks.format.block_bytes..][..blocks.format.block_bytes].to_vec();
        for n in 0..numbers.len() / 32 {
            assert_eq!(of(&found, n), of(&expected, n), "block {n} of {name}: {:?}", &numbers[n * 32..][..32]);
        }
    }
}

/// Reproducible numbers between -1 and 1.
fn numbers(count: usize, mut state: u64) -> Vec<f32> {
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

const TOKENS: usize = 160;
const CHUNK: usize = 80;
const WIDTH: usize = 4 * 32;

/// What attention makes of queries, keys and values that are columns of the same rows.
fn attend(held: Held, row: Row, window: Option<usize>) -> Vec<f32> {
    let attention = Attention {
        heads: 4,
        kv_heads: 2,
        key: 32,
        value: 32,
        scale: 0.6,
        window,
        softcap: None,
        alibi: None,
        sinks: None,
        held,
    };
    let columns = |first: usize, to: usize| Step {
        op: Op::Columns { first, group: WIDTH },
        from: vec![RESIDUAL],
        to: Register(to),
    };
    let keep = |register: usize| Step { op: Op::Keep(row), from: vec![Register(register)], to: Register(register) };
    let program = Program {
        widths: vec![WIDTH, 64, 64, WIDTH],
        steps: vec![
            columns(0, 1),
            columns(64, 2),
            keep(1),
            keep(2),
            Step { op: Op::Attention(attention), from: vec![RESIDUAL, Register(1), Register(2)], to: Register(3) },
        ],
    };
    let mut rows = numbers(TOKENS * WIDTH, 5);
    let matrices = Matrices::new();
    let runner = cpu::forward::Runner { matrices: &matrices, chunk: CHUNK };
    runner.run(&program, &mut rows, Register(3), &mut |_, _, _| {})
}

fn error(a: &[f32], b: &[f32]) -> f64 {
    let square = |x: f32| f64::from(x) * f64::from(x);
    let difference: f64 = a.iter().zip(b).map(|(a, b)| square(a - b)).sum();
    (difference / b.iter().map(|x| square(*x)).sum::<f64>()).sqrt()
}

/// The same for some tokens of each chunk.
fn error_of(a: &[f32], b: &[f32], tokens: std::ops::Range<usize>) -> f64 {
    let some = |rows: &[f32]| -> Vec<f32> {
        rows.chunks_exact(CHUNK * WIDTH)
            .flat_map(|chunk| &chunk[tokens.start * WIDTH..tokens.end * WIDTH])
            .copied()
            .collect()
    };
    error(&some(a), &some(b))
}

#[test]
fn what_holds_everything_is_attention_to_everything() {
    for window in [None, Some(20)] {
        let all = attend(Held::All, Row::Exact, window);
        for held in [
            Held::Window { tokens: CHUNK },
            Held::Heavy { tokens: CHUNK },
            Held::Observed { tokens: CHUNK, prompt: 40 },
            Held::Merged { recent: CHUNK },
            Held::Grouped { keys: 2, values: 2, recent: CHUNK },
            Held::Leading { rank: 16, recent: CHUNK, prompt: 40 },
        ] {
            let found = attend(held, Row::Exact, window);
            assert!(error(&found, &all) < 1e-5, "{held:?}: {}", error(&found, &all));
        }
        let whole = attend(Held::Leading { rank: 32, recent: 0, prompt: 40 }, Row::Exact, window);
        assert!(error(&whole, &all) < 1e-3, "{}", error(&whole, &all));
    }
}

#[test]
fn a_window_with_its_first_tokens_is_attention_to_those() {
    // As a window of the model's own, but for the first tokens.
    let tokens = 24;
    let found = attend(Held::Window { tokens }, Row::Exact, None);
    let own = attend(Held::All, Row::Exact, Some(tokens));
    assert!(error_of(&found, &own, 0..tokens) < 1e-5);
    assert!(error_of(&found, &own, tokens..CHUNK) > 1e-3);
    let only = attend(Held::Window { tokens }, Row::Exact, Some(tokens - SINKS));
    let as_narrow = attend(Held::All, Row::Exact, Some(tokens - SINKS));
    assert!(error_of(&only, &as_narrow, 0..CHUNK) < 1e-5);
}

#[test]
fn what_is_dropped_rounded_or_merged_is_missed_from_then_on() {
    let all = attend(Held::All, Row::Exact, None);
    for (held, from) in [
        (Held::Window { tokens: 20 }, 20),
        (Held::Heavy { tokens: 20 }, 20),
        (Held::Observed { tokens: 20, prompt: 40 }, 40),
        (Held::Merged { recent: 8 }, 40),
        (Held::Grouped { keys: 2, values: 2, recent: 8 }, 40),
        (Held::Leading { rank: 8, recent: 8, prompt: 40 }, 40),
    ] {
        let found = attend(held, Row::Exact, None);
        assert!(error_of(&found, &all, 0..from) < 1e-5, "{held:?}: {}", error_of(&found, &all, 0..from));
        let lost = error_of(&found, &all, from..CHUNK);
        assert!((1e-2..1.5).contains(&lost), "{held:?}: {lost}");
    }
    // Fewer bits lose more; so does less room.
    let lost = |held: Held| error_of(&attend(held, Row::Exact, None), &all, 60..CHUNK);
    let grouped = |bits: u32| Held::Grouped { keys: bits, values: bits, recent: 8 };
    assert!(lost(grouped(3)) < lost(grouped(2)));
    assert!(lost(Held::Heavy { tokens: 50 }) < lost(Held::Heavy { tokens: 20 }));
    assert!(
        lost(Held::Leading { rank: 24, recent: 8, prompt: 40 })
            < lost(Held::Leading { rank: 8, recent: 8, prompt: 40 })
    );
    // Rows that are kept in fewer bits, largest first.
    let lost = |format| error(&attend(Held::All, Row::Blocks { format, rotation: None }, None), &all);
    let losses: Vec<f64> = BLOCKS.iter().map(|blocks| lost(blocks.format)).collect();
    assert!(losses[0] < 0.01 && losses[0] < losses[1] && losses[1] < losses[3] && losses[2] < losses[4], "{losses:?}");
}
