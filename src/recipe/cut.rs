//! What is to go of a model, as recipe files hold it.

use crate::prune::{Cut, Layers, Method, Pattern, Scope, Sparsity};
use serde::{Deserialize, Serialize};

/// The table `prune` of a file; what does not go is not there.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CutForm {
    #[serde(skip_serializing_if = "Option::is_none")]
    drop_layers: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    channels: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    drop_kv_heads: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    drop_experts: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sparsity: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sparsity_method: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sparsity_scope: Option<String>,
    correction: bool,
}

impl CutForm {
    pub(super) fn of(cut: &Cut) -> Self {
        let sparsity = cut.sparsity;
        Self {
            drop_layers: Some(cut.layers.to_string()).filter(|text| !text.is_empty()),
            channels: Some(cut.channels).filter(|share| *share > 0.0),
            drop_kv_heads: Some(cut.kv_heads).filter(|count| *count > 0),
            drop_experts: Some(cut.experts).filter(|count| *count > 0),
            sparsity: sparsity.map(|sparsity| sparsity.pattern.to_string().replace(' ', "")),
            sparsity_method: sparsity.map(|sparsity| sparsity.method.name().to_owned()),
            sparsity_scope: sparsity.map(|sparsity| sparsity.scope.name().to_owned()),
            correction: !cut.plain,
        }
    }

    pub(super) fn read(self) -> Result<Cut, String> {
        let channels = self.channels.unwrap_or(0.0);
        if !(0.0..1.0).contains(&channels) {
            return Err(format!("a share of channels of {channels} is none"));
        }
        let sparsity = match &self.sparsity {
            None => None,
            Some(pattern) => {
                let method = self.sparsity_method.as_deref().map_or(Ok(Method::default()), Method::parse)?;
                let scope = self.sparsity_scope.as_deref().map_or(Ok(method.usual_scope()), Scope::parse)?;
                Some(Sparsity { pattern: Pattern::parse(pattern)?, method, scope })
            }
        };
        Ok(Cut {
            layers: self.drop_layers.as_deref().map_or(Ok(Layers::None), Layers::parse)?,
            channels,
            kv_heads: self.drop_kv_heads.unwrap_or(0),
            experts: self.drop_experts.unwrap_or(0),
            sparsity,
            plain: !self.correction,
        })
    }
}
