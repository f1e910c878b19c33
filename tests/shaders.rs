//! Every shader is valid WGSL once its includes are in, for every source format it can be specialised to.

use tuck::gpu::forward::variants;
use tuck::gpu::naga::valid::{Capabilities, ValidationFlags, Validator};
use tuck::gpu::naga::{self, back};
use tuck::gpu::shaders::{SHADERS, Shader};
use tuck::graph::Kernel;
use tuck::quant::{BF16, Effort, F16, F32, FORMATS};

#[test]
fn every_shader_is_valid() {
    for shader in SHADERS {
        let wgsl = shader.wgsl();
        let module = naga::front::wgsl::parse_str(&wgsl)
            .unwrap_or_else(|e| panic!("{}: {}", shader.name, e.emit_to_string_with_path(&wgsl, shader.name)));
        let info = Validator::new(ValidationFlags::all(), Capabilities::empty())
            .validate(&module)
            .unwrap_or_else(|e| panic!("{}: {}", shader.name, e.emit_to_string_with_path(&wgsl, shader.name)));
        assert_eq!(shader.reads_floats(), !module.overrides.is_empty(), "{}", shader.name);
        for (source, best) in [&F32, &F16, &BF16].into_iter().flat_map(|source| [(source, 0.0), (source, 1.0)]) {
            let constants = [("source".to_owned(), f64::from(source.ggml_type)), ("best".to_owned(), best)];
            let constants = if shader.reads_floats() { constants.into_iter().collect() } else { Default::default() };
            back::pipeline_constants::process_overrides(&module, &info, None, &constants)
                .unwrap_or_else(|e| panic!("{} from {source}, best {best}: {e}", shader.name));
        }
    }
}

#[test]
fn every_kernel_has_a_shader_and_every_shader_a_kernel() {
    let quantize = FORMATS.iter().map(|to| Kernel::Quantize { source: &F32, to, effort: Effort::Fast });
    let dequantize = FORMATS.iter().map(|from| Kernel::Dequantize { from });
    let used: Vec<_> = quantize.chain(dequantize).map(|kernel| Shader::of(kernel).name).collect();
    for shader in SHADERS {
        assert!(used.contains(&shader.name), "no format uses {}", shader.name);
    }
}

#[test]
fn every_variant_of_the_forward_pass_is_valid() {
    let capabilities =
        Capabilities::SHADER_FLOAT16 | Capabilities::SHADER_FLOAT16_IN_FLOAT32 | Capabilities::COOPERATIVE_MATRIX;
    let mut seen = 0;
    for variant in variants() {
        let wgsl = variant.wgsl();
        let explain = |message: String| -> ! { panic!("{variant:?}: {message}") };
        let module = naga::front::wgsl::parse_str(&wgsl)
            .unwrap_or_else(|e| explain(e.emit_to_string_with_path(&wgsl, variant.kernel)));
        let info = Validator::new(ValidationFlags::all(), capabilities)
            .validate(&module)
            .unwrap_or_else(|e| explain(e.emit_to_string_with_path(&wgsl, variant.kernel)));
        assert!(module.overrides.is_empty(), "{variant:?}");
        back::spv::write_vec(&module, &info, &back::spv::Options::default(), None)
            .unwrap_or_else(|e| explain(e.to_string()));
        seen += 1;
    }
    assert!(seen > FORMATS.len() * 6, "{seen} variants");
}
