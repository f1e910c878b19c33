//! Rotary position embedding: base frequency and the scalings that stretch a context.

use super::keys::Keys;
use super::{Computed, Config, Hparams};
use crate::checkpoint::OpenError;
use serde_json::{Map, Value as Json};

/// The rope settings of a model under one roof. Newer configurations have them there, as `rope_parameters`; older ones
/// spread them over `rope_scaling`, `rope_theta` and others.
pub struct Rope {
    parameters: Map<String, Json>,
}

/// Settings of older configurations, the names they have at their top level, and their place in `rope_parameters`.
const SPREAD: &[(&str, &[&str])] = &[
    ("rope_theta", &["global_rope_theta", "rope_global_theta", "rope_theta_global", "rope_theta", "rotary_emb_base"]),
    ("rope_type", &[]),
    ("partial_rotary_factor", &["partial_rotary_factor", "rope_pct", "rope_percent"]),
    ("original_max_position_embeddings", &["original_max_position_embeddings"]),
];

/// The base frequency of layers with a sliding window, at the top level.
const LOCAL_THETA: &[&str] =
    &["local_rope_theta", "rope_local_theta", "rope_theta_local", "swa_rope_theta", "rope_local_base_freq"];

/// Keys of yarn that may be there: here, there.
const YARN: &[(&[&str], &str)] = &[
    (&["extrapolation_factor"], "yarn_ext_factor"),
    (&["attention_factor", "attn_factor"], "yarn_attn_factor"),
    (&["beta_fast"], "yarn_beta_fast"),
    (&["beta_slow"], "yarn_beta_slow"),
];

impl Rope {
    /// The settings of `config`.
    pub fn read(config: &Config<'_>) -> Self {
        let object = [&config["rope_parameters"], &config["rope_scaling"]].into_iter().find(|json| !json.is_null());
        let mut parameters = object.and_then(Json::as_object).cloned().unwrap_or_default();
        if !["full_attention", "sliding_attention"].iter().any(|kind| parameters.contains_key(*kind)) {
            let first = |names: &[&str]| names.iter().map(|name| &config[name]).find(|v| !v.is_null()).cloned();
            if let Some(theta) = first(LOCAL_THETA) {
                parameters
                    .insert("sliding_attention".to_owned(), Map::from_iter([("rope_theta".to_owned(), theta)]).into());
            }
            for (name, older) in SPREAD {
                let old = match *name {
                    "rope_type" => parameters.get("type").cloned(),
                    _ => first(older),
                };
                if let Some(value) = old.filter(|_| parameters.get(*name).is_none_or(Json::is_null)) {
                    parameters.insert((*name).to_owned(), value);
                }
            }
        }
        Self { parameters }
    }

    /// A setting of the layers that see everything.
    pub fn get(&self, key: &str) -> &Json {
        let full = self.parameters.get("full_attention").and_then(Json::as_object).unwrap_or(&self.parameters);
        full.get(key).unwrap_or(&Json::Null)
    }

    /// A number among them.
    pub fn number(&self, config: &Config<'_>, key: &str) -> Result<Option<f64>, OpenError> {
        match self.get(key) {
            Json::Null => Ok(None),
            value => config.finite(key, value).map(Some),
        }
    }

    /// A number above 0.
    fn positive(&self, config: &Config<'_>, key: &str, default: Option<f64>) -> Result<f64, OpenError> {
        match self.number(config, key)?.or(default) {
            Some(n) if n > 0.0 => Ok(n),
            Some(n) => Err(config.refuse(format!("its rope scaling has the {key} {n}; a number above 0 was expected"))),
            None => Err(config.refuse(format!("its rope scaling has no {key}; a number above 0 was expected"))),
        }
    }

    /// How much of a head rotates.
    pub fn partial(&self, config: &Config<'_>) -> Result<Option<f64>, OpenError> {
        self.number(config, "partial_rotary_factor")
    }

    /// The length of context that the model saw before it was stretched.
    pub fn original_context(&self, config: &Config<'_>) -> Result<f64, OpenError> {
        self.positive(config, "original_max_position_embeddings", None)
    }

    /// What longrope multiplies attention by, for its scale shrinks when `context` is longer than what the model saw first
    /// (transformers, `modeling_rope_utils.py`).
    pub fn attention_factor(&self, config: &Config<'_>, context: u64) -> Result<Option<f64>, OpenError> {
        if self.get("long_factor").is_null() {
            return Ok(None);
        }
        let original = self.original_context(config)?;
        let scale = context as f64 / original;
        match self.kind() {
            _ if scale <= 1.0 => Ok(Some(1.0)),
            "longrope" | "su" => Ok(Some((1.0 + scale.ln() / original.ln()).sqrt())),
            "yarn" => Ok(Some(0.1 * scale.ln() + 1.0)),
            other => Err(config.refuse(format!(
                "its rope scaling is of the type {other:?} and has a long_factor; longrope was expected"
            ))),
        }
    }

    /// The kind of scaling.
    fn kind(&self) -> &str {
        self.get("rope_type").as_str().unwrap_or("default")
    }

    /// Writes the keys of scaling and frequency. llama3's scaling is a tensor instead.
    pub(super) fn write(&self, config: &Config<'_>, keys: &mut Keys) -> Result<(), OpenError> {
        let kind = self.kind();
        match kind {
            "default" | "llama3" => {}
            "linear" => self.write_factor(config, keys, "linear")?,
            "yarn" => {
                self.write_factor(config, keys, "yarn")?;
                keys.whole("rope.scaling.original_context_length", self.original_context(config)? as u64);
                for (names, key) in YARN {
                    let found = names.iter().map(|name| self.number(config, name)).find_map(Result::transpose);
                    if let Some(value) = found.transpose()? {
                        keys.number(&format!("rope.scaling.{key}"), value);
                    }
                }
            }
            "longrope" | "su" => keys.set("rope.scaling.type", "longrope"),
            "dynamic" => keys.notes.push(
                "its rope scaling is dynamic, which llama.cpp cannot do, so it is left out: contexts longer than the model \
                 was trained on will not work well"
                    .to_owned(),
            ),
            other => {
                return Err(config.refuse(format!(
                    "its rope scaling is of the type {other:?}; this version of Tuck knows default, linear, llama3, yarn, \
                     longrope and dynamic"
                )));
            }
        }
        if let Some(theta) = self.number(config, "rope_theta")? {
            keys.number("rope.freq_base", theta);
        }
        match self.parameters.get("sliding_attention").map(|local| &local["rope_theta"]) {
            None | Some(Json::Null) => {}
            Some(theta) => keys.number("rope.freq_base_swa", config.finite("rope_theta", theta)?),
        }
        Ok(())
    }

    fn write_factor(&self, config: &Config<'_>, keys: &mut Keys, kind: &str) -> Result<(), OpenError> {
        keys.set("rope.scaling.type", kind);
        keys.number("rope.scaling.factor", self.positive(config, "factor", None)?);
        Ok(())
    }

    /// llama3 scaling as llama.cpp takes it: a divisor for each frequency, in a tensor of head size / 2.
    ///
    /// Wavelengths below `original_context / high_freq_factor` stay, those above `original_context / low_freq_factor`
    /// are stretched by `factor`, and between the two the divisor is interpolated smoothly (transformers,
    /// `modeling_rope_utils.py`). Frequencies are rounded to f32, as transformers computes them.
    fn llama3(&self, config: &Config<'_>, dims: u64, default_factor: f64) -> Result<Option<Vec<f32>>, OpenError> {
        if self.kind() != "llama3" {
            return Ok(None);
        }
        let theta = self.number(config, "rope_theta")?.unwrap_or(10_000.0) as f32;
        let factor = self.positive(config, "factor", Some(default_factor))?;
        let low = self.positive(config, "low_freq_factor", Some(1.0))?;
        let high = self.positive(config, "high_freq_factor", Some(4.0))?;
        let context = self.positive(config, "original_max_position_embeddings", Some(8192.0))?;
        let divisor = |i: u64| {
            let exponent = (2 * i) as f32 / dims as f32;
            let frequency = 1.0 / theta.powf(exponent);
            let wavelength = std::f32::consts::TAU / frequency;
            if f64::from(wavelength) < context / high {
                1.0
            } else if f64::from(wavelength) > context / low {
                factor as f32
            } else {
                let smooth = (context as f32 / wavelength - low as f32) / (high - low) as f32;
                1.0 / ((1.0 - smooth) / factor as f32 + smooth)
            }
        };
        Ok(Some((0..dims / 2).map(divisor).collect()))
    }

    /// A list of divisors in the configuration, one for each frequency.
    fn list(&self, config: &Config<'_>, key: &str, dims: u64) -> Result<Option<Vec<f32>>, OpenError> {
        let list = match self.get(key) {
            Json::Null => return Ok(None),
            list => list.as_array().map_or(&[][..], Vec::as_slice),
        };
        if list.len() as u64 != dims / 2 {
            return Err(config.refuse(format!(
                "its rope scaling has a {key} of {} numbers; {} were expected, one for each pair that rotates",
                list.len(),
                dims / 2
            )));
        }
        list.iter().map(|x| Ok(config.finite(key, x)? as f32)).collect::<Result<_, _>>().map(Some)
    }
}

/// The tensor of llama3 scaling, where a model has it.
pub(super) fn llama3(config: &Config<'_>, hparams: &Hparams) -> Result<Vec<Computed>, OpenError> {
    llama3_by(config, hparams, 8.0)
}

/// The same with another factor where the configuration has none.
pub(super) fn llama3_by(config: &Config<'_>, hparams: &Hparams, factor: f64) -> Result<Vec<Computed>, OpenError> {
    let factors = Rope::read(config).llama3(config, hparams.key_head, factor)?;
    Ok(factors.into_iter().map(|values| Computed { name: "rope_freqs.weight", values }).collect())
}

/// The tensors of longrope: divisors for texts longer and shorter than the original context.
pub(super) fn longrope(config: &Config<'_>, hparams: &Hparams) -> Result<Vec<Computed>, OpenError> {
    let rope = Rope::read(config);
    let lists = [("rope_factors_long.weight", "long_factor"), ("rope_factors_short.weight", "short_factor")];
    let read = |(name, key)| Ok((name, key, rope.list(config, key, hparams.rope_dims)?));
    let found = lists.into_iter().map(read).collect::<Result<Vec<_>, OpenError>>()?;
    if found.iter().all(|(_, _, list)| list.is_none()) {
        return Ok(Vec::new());
    }
    let computed = |(name, key, list): (_, _, Option<Vec<f32>>)| match list {
        Some(values) => Ok(Computed { name, values }),
        None => Err(config.missing(key)),
    };
    found.into_iter().map(computed).collect()
}
