use std::time::Instant;
use tuck::{cpu::CpuRunner, gpu, graph::*, quant::*};
fn cpu() -> f64 {
    let s = std::fs::read_to_string("/proc/self/stat").unwrap();
    let f: Vec<&str> = s.rsplit(')').next().unwrap().split_whitespace().collect();
    (f[11].parse::<f64>().unwrap() + f[12].parse::<f64>().unwrap()) / 100.0
}
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let b = std::fs::read("/tmp/w_synth.f32").unwrap();
    let mut w: Vec<f32> = b.as_chunks::<4>().0.iter().map(|c| f32::from_le_bytes(*c)).collect();
    for _ in 0..3 {
        let c = w.clone();
        w.extend(c);
    }
    let n = w.len() as u64;
    let adapters = gpu::devices();
    let t = Instant::now();
    let g = gpu::GpuRunner::new(&adapters[0]).unwrap();
    println!("{} open {:?}", g.name(), t.elapsed());
    let c = CpuRunner::new(2);
    for name in &a[2..] {
        let f = format_from_name(name).unwrap();
        let s: FormatRef = format_from_name(&a[1]).unwrap();
        let (from, to) = if s.is_float() { (s, f) } else { (f, &F32 as FormatRef) };
        let mut src = vec![0u8; from.bytes(n) as usize];
        (from.quantize)(&w, &mut src);
        let mut outs = vec![];
        for r in [&g as &dyn Runner, &c] {
            let mut rec = Recording::default();
            rec.convert(from, to, n);
            let mut slot = r
                .slot(SlotSize { input: rec.input_bytes, scratch: rec.scratch_bytes, output: rec.output_bytes })
                .unwrap();
            let mut best = f64::MAX;
            let mut first = 0.0;
            let mut c0 = 0.0;
            let mut cn = 0;
            for i in 0..9 {
                slot.input(rec.input_bytes).unwrap()[..src.len()].copy_from_slice(&src);
                if i == 1 {
                    c0 = cpu();
                }
                if i > 0 {
                    cn += 1;
                }
                let t = Instant::now();
                slot.submit(&rec).unwrap();
                let o = slot.output().unwrap();
                let e = t.elapsed().as_secs_f64();
                if i == 0 {
                    first = e;
                    outs.push(o[..to.bytes(n) as usize].to_vec());
                }
                best = best.min(e);
            }
            print!("[{:4.0} M/core] ", n as f64 * cn as f64 / (cpu() - c0).max(0.005) / 1e6);
            print!(
                "{:<10} {:>6.0} M/s first +{:3.0} ms   ",
                if r.name().starts_with("CPU") { "cpu" } else { "gpu" },
                n as f64 / best / 1e6,
                (first - best) * 1e3
            );
        }
        println!("{from} to {to} equal {}", outs[0] == outs[1]);
    }
}
