//! Rotary position embedding: base frequency and the scalings that stretch a context.

use super::Config;
use crate::checkpoint::OpenError;
use crate::gguf::Value;
use serde_json::Value as Json;

/// How positions are scaled.
enum Scaling {
    None,
    Linear { factor: f64 },
    Llama3 { factor: f64, low_freq_factor: f64, high_freq_factor: f64, original_context: f64 },
}

/// The rope settings of a model.
pub(super) struct RopeScaling {
    theta: f64,
    scaling: Scaling,
}

/// A number under `key` of `object`, or nothing where it is absent or null.
pub(super) fn number(config: &Config<'_>, object: &Json, key: &str) -> Result<Option<f64>, OpenError> {
    match &object[key] {
        Json::Null => Ok(None),
        value => match value.as_f64() {
            Some(n) if n.is_finite() => Ok(Some(n)),
            _ => Err(config.refuse(format!("its {key} is {value}; a number was expected"))),
        },
    }
}

impl RopeScaling {
    /// From `rope_parameters`, or the older `rope_scaling` and `rope_theta`.
    pub(super) fn read(config: &Config<'_>, default_theta: f64) -> Result<Self, OpenError> {
        let object = match (&config.json["rope_parameters"], &config.json["rope_scaling"]) {
            (Json::Null, older) => older,
            (newer, _) => newer,
        };
        let theta = match number(config, object, "rope_theta")? {
            Some(theta) => theta,
            None => config.float("rope_theta")?.unwrap_or(default_theta),
        };
        let positive = |key: &str, default: Option<f64>| match number(config, object, key)?.or(default) {
            Some(n) if n > 0.0 => Ok(n),
            found => {
                Err(config.refuse(format!("its rope scaling has the {key} {found:?}; a number above 0 was expected")))
            }
        };
        let kind = object["rope_type"].as_str().or(object["type"].as_str()).unwrap_or("default");
        let scaling = match kind {
            "default" => Scaling::None,
            "linear" => Scaling::Linear { factor: positive("factor", None)? },
            "llama3" => Scaling::Llama3 {
                factor: positive("factor", Some(8.0))?,
                low_freq_factor: positive("low_freq_factor", Some(1.0))?,
                high_freq_factor: positive("high_freq_factor", Some(4.0))?,
                original_context: positive("original_max_position_embeddings", Some(8192.0))?,
            },
            other => {
                return Err(config.refuse(format!(
                    "its rope scaling is of the type {other:?}; this version of Tuck knows default, linear and llama3"
                )));
            }
        };
        Ok(Self { theta, scaling })
    }

    /// The metadata keys, without the architecture's name.
    pub(super) fn metadata(&self) -> Vec<(&'static str, Value)> {
        let mut keys = Vec::new();
        if let Scaling::Linear { factor } = self.scaling {
            keys.push(("rope.scaling.type", "linear".into()));
            keys.push(("rope.scaling.factor", Value::F32(factor as f32)));
        }
        keys.push(("rope.freq_base", Value::F32(self.theta as f32)));
        keys
    }

    /// llama3 scaling as llama.cpp takes it: a divisor for each frequency, in a tensor of head size / 2.
    ///
    /// Wavelengths below `original_context / high_freq_factor` stay, those above `original_context / low_freq_factor`
    /// are stretched by `factor`, and between the two the divisor is interpolated smoothly (transformers,
    /// `modeling_rope_utils.py`). Frequencies are rounded to f32, as transformers computes them.
    pub(super) fn factors(&self, head_dim: u64) -> Option<Vec<f32>> {
        let Scaling::Llama3 { factor, low_freq_factor, high_freq_factor, original_context } = self.scaling else {
            return None;
        };
        let divisor = |i: u64| {
            let exponent = (2 * i) as f32 / head_dim as f32;
            let frequency = 1.0 / (self.theta as f32).powf(exponent);
            let wavelength = std::f32::consts::TAU / frequency;
            if f64::from(wavelength) < original_context / high_freq_factor {
                1.0
            } else if f64::from(wavelength) > original_context / low_freq_factor {
                factor as f32
            } else {
                let smooth = (original_context as f32 / wavelength - low_freq_factor as f32)
                    / (high_freq_factor - low_freq_factor) as f32;
                1.0 / ((1.0 - smooth) / factor as f32 + smooth)
            }
        };
        Some((0..head_dim / 2).map(divisor).collect())
    }
}
