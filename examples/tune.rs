use tuck::quant::*;
fn cpu() -> f64 {
    std::fs::read_to_string("/proc/thread-self/schedstat").unwrap().split(' ').next().unwrap().parse::<f64>().unwrap()
        / 1e9
}
fn main() {
    let a: Vec<String> = std::env::args().collect();
    if a[1] == "dump" {
        let bytes = std::fs::read(&a[2]).unwrap();
        let st = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        let mut out: Vec<f32> = vec![];
        let mut v = st.tensors();
        v.sort_by(|x, y| x.0.cmp(&y.0));
        for (_n, t) in v {
            if t.shape().len() != 2 {
                continue;
            }
            let f: FormatRef = match t.dtype() {
                safetensors::Dtype::F32 => &F32,
                safetensors::Dtype::F16 => &F16,
                safetensors::Dtype::BF16 => &BF16,
                _ => continue,
            };
            let n = t.shape().iter().product::<usize>();
            let take = n.min(1 << 16) / 256 * 256;
            let start = (n - take) / 2 / 256 * 256;
            let mut w = vec![0f32; take];
            (f.dequantize)(&t.data()[start * f.block_bytes..(start + take) * f.block_bytes], &mut w);
            out.extend(w);
        }
        std::fs::write(&a[3], bytemuck::cast_slice::<f32, u8>(&out)).unwrap();
        println!("{} weights", out.len());
        return;
    }
    let ts = ["Q4_1", "Q5_0", "Q5_1", "Q4_K", "Q5_K", "Q6_K", "Q8_0", "Q4_0"];
    let only = a.get(1).filter(|s| *s != "all");
    for m in ["sample", "smollm2", "minilm", "synth"] {
        let Ok(b) = std::fs::read(format!("/tmp/w_{m}.f32")) else { continue };
        let w: Vec<f32> = b.as_chunks::<4>().0.iter().map(|c| f32::from_le_bytes(*c)).collect();
        let g = std::fs::read_to_string(format!("/tmp/g_{m}.txt")).unwrap_or_default();
        print!("{m:8}");
        for t in ts {
            if only.is_some_and(|o| o != t) {
                continue;
            }
            let f = format_from_name(t).unwrap();
            let mut q = vec![0u8; f.bytes(w.len() as u64) as usize];
            let mut best = f64::MAX;
            for _ in 0..2 {
                let i = cpu();
                (f.quantize)(&w, &mut q);
                best = best.min((cpu() - i));
            }
            let mut r = vec![0f32; w.len()];
            (f.dequantize)(&q, &mut r);
            let e = w.iter().zip(&r).map(|(a, b)| ((a - b) as f64).powi(2)).sum::<f64>() / w.len() as f64;
            let ge = g
                .lines()
                .find(|l| l.starts_with(t))
                .map(|l| l.split(' ').nth(1).unwrap().parse::<f64>().unwrap())
                .unwrap_or(f64::NAN);
            print!("  {t} {:.5} {:4.0}M", e / ge, w.len() as f64 / best / 1e6);
        }
        println!();
    }
}
