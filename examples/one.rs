use tuck::{cpu::CpuRunner, gpu, graph::*, quant::*};
fn words(mut state: u64) -> impl FnMut() -> u32 {
    move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 32) as u32
    }
}
fn main() {
    let mut word = words(6);
    let mut uniform = || word() as f32 / 4_294_967_296.0 - 0.5;
    let w: Vec<f32> = (0..256 * 8085)
        .map(|i: usize| {
            let bell: f32 = (0..6).map(|_| uniform()).sum();
            bell * if i % 97 == 0 { 6.0 } else { 1.0 } * 2f32.powi((i / 32 % 9) as i32 - 6)
        })
        .collect();
    let w = &w[8084 * 256..];
    let mut src = vec![0u8; 512];
    (F16.quantize)(w, &mut src);
    for r in [&gpu::GpuRunner::new(&gpu::devices()[0]).unwrap() as &dyn Runner, &CpuRunner::new(2)] {
        let mut rec = Recording::default();
        rec.convert(&F16, &Q4_K, 256);
        let mut slot = r.slot(SlotSize { input: 4096, scratch: 0, output: 4096 }).unwrap();
        slot.input(512).unwrap()[..512].copy_from_slice(&src);
        slot.submit(&rec).unwrap();
        println!("{:02x?}", &slot.output().unwrap()[..16]);
    }
}
