//! The flags that say what is to go of a model.

use crate::prune::{Cut, Layers, Method, Pattern, Scope, Sparsity};

#[derive(clap::Args)]
#[command(next_help_heading = "Pruning")]
pub(super) struct Cutting {
    /// Leave out so many layers, those that are missed least (2 or auto:2), or these, counted from 0 (3,4).
    #[arg(long, value_name = "LAYERS", value_parser = Layers::parse)]
    drop_layers: Option<Layers>,
    /// Leave out this share of the channels of every MLP, such as 10%.
    #[arg(long, value_name = "SHARE", value_parser = Cut::parse_channels)]
    channels: Option<f64>,
    /// Leave out so many key-value heads of every layer, each with the query heads that share it.
    #[arg(long, value_name = "COUNT", default_value_t = 0, hide_default_value = true)]
    drop_kv_heads: u64,
    /// Leave out so many experts of every layer that has some.
    #[arg(long, value_name = "COUNT", default_value_t = 0, hide_default_value = true)]
    drop_experts: u64,
    /// Set this share of the weights of layers to 0 (50%), or all but so many of so many neighbours (2:4, 4:8). A GGUF file
    /// gains nothing by that; a folder can.
    #[arg(long, value_name = "PATTERN", value_parser = Pattern::parse)]
    sparsity: Option<Pattern>,
    /// What goes by --sparsity: magnitude, wanda, or sparsegpt, which changes the other weights so that they make good what
    /// they can.
    #[arg(long, value_name = "METHOD", default_value = "sparsegpt", value_parser = Method::parse)]
    sparsity_method: Method,
    /// Weights that --sparsity compares: those of each row, of a matrix (layer), or of the whole model. Without it, what is
    /// best for the method.
    #[arg(long, value_name = "SCOPE", value_parser = Scope::parse)]
    sparsity_scope: Option<Scope>,
    /// Leave what stays as it is, where it could make good some of what goes.
    #[arg(long)]
    no_correction: bool,
}

impl Cutting {
    /// What is to go.
    pub(super) fn cut(&self) -> Cut {
        let method = self.sparsity_method;
        let scope = self.sparsity_scope.unwrap_or(method.usual_scope());
        Cut {
            layers: self.drop_layers.clone().unwrap_or_default(),
            channels: self.channels.unwrap_or(0.0),
            kv_heads: self.drop_kv_heads,
            experts: self.drop_experts,
            sparsity: self.sparsity.map(|pattern| Sparsity { pattern, method, scope }),
            plain: self.no_correction,
        }
    }
}
