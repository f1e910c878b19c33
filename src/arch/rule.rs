//! The language of the families' tables: which stored tensor becomes which tensor of the GGUF file.

use super::Hparams;
use super::view::View;

/// A dimension of a tensor in terms of the hyper-parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dim {
    /// Width of the residual stream.
    Hidden,
    /// Width of the MLP.
    FeedForward,
    /// Gate and way up of the MLP in one.
    GateUp,
    /// Query heads times their size.
    Query,
    /// Key heads times their size.
    Key,
    /// Value heads times their size.
    Value,
    /// Queries, keys and values in one.
    Qkv,
    /// What attention gives: query heads times the size of a value head.
    Attended,
    /// A query or key head.
    Head,
    /// Query heads.
    Heads,
    /// Key-value heads.
    KvHeads,
    /// Tokens.
    Vocabulary,
    /// Positions.
    Context,
    /// Kinds of tokens.
    TokenTypes,
    /// Labels of a classifier.
    Labels,
    /// Experts.
    Experts,
    /// Width of an expert.
    ExpertFeedForward,
    /// Gate and way up of an expert in one.
    ExpertGateUp,
    /// Width of what every token sees beside its experts.
    SharedFeedForward,
    /// Gate and way up of that in one.
    SharedGateUp,
    /// Compressed queries.
    QueryRank,
    /// Compressed keys and values.
    KvRank,
    /// Compressed keys and values, and the part of a key that rotates.
    KvRankRope,
    /// Decompressed query heads times their size.
    MlaQuery,
    /// Decompressed keys, without what rotates, and values.
    MlaKeyValue,
    /// What does not rotate of a decompressed key head.
    MlaNope,
    /// A decompressed value head.
    MlaValue,
    /// What latent attention gives.
    MlaAttended,
    /// Two streams of the residual's width side by side.
    TwoHidden,
    /// So many.
    Fixed(u64),
    /// Whatever is stored; the arrangement takes what the tensor needs.
    Any,
}

impl Hparams {
    /// The size of a dimension in a layer.
    pub fn size(&self, dim: Dim, layer: u64) -> u64 {
        let heads = self.heads.at(layer);
        let kv_heads = self.kv_heads.at(layer);
        let nope = self.mla_key_head.saturating_sub(self.rope_dims);
        match dim {
            Dim::Hidden => self.hidden,
            Dim::FeedForward => self.feed_forward.at(layer),
            Dim::GateUp => 2 * self.feed_forward.at(layer),
            Dim::Query => heads * self.key_head,
            Dim::Key => kv_heads * self.key_head,
            Dim::Value => kv_heads * self.value_head,
            Dim::Qkv => heads * self.key_head + kv_heads * (self.key_head + self.value_head),
            Dim::Attended => heads * self.value_head,
            Dim::Head => self.key_head,
            Dim::Heads => heads,
            Dim::KvHeads => kv_heads,
            Dim::Vocabulary => self.vocabulary,
            Dim::Context => self.context,
            Dim::TokenTypes => self.token_types,
            Dim::Labels => self.labels,
            Dim::Experts => self.experts,
            Dim::ExpertFeedForward => self.expert_feed_forward,
            Dim::ExpertGateUp => 2 * self.expert_feed_forward,
            Dim::SharedFeedForward => self.shared_feed_forward,
            Dim::SharedGateUp => 2 * self.shared_feed_forward,
            Dim::QueryRank => self.query_rank,
            Dim::KvRank => self.kv_rank,
            Dim::KvRankRope => self.kv_rank + self.rope_dims,
            Dim::MlaQuery => heads * self.mla_key_head,
            Dim::MlaKeyValue => heads * (nope + self.mla_value_head),
            Dim::MlaNope => nope,
            Dim::MlaValue => self.mla_value_head,
            Dim::MlaAttended => heads * self.mla_value_head,
            Dim::TwoHidden => 2 * self.hidden,
            Dim::Fixed(n) => n,
            Dim::Any => 0,
        }
    }
}

/// Turns the view of a whole stored tensor, rows first, into views of what is wanted, one after another.
pub type Arrange = fn(View, &Hparams) -> Vec<View>;

/// One tensor's way from a checkpoint into a GGUF file, or a module's: a weight and its bias.
///
/// A name of the checkpoint has `{}` where an expert's number stands, and then the tensor is the stack of all of them.
/// Rules with the same GGUF name are alternatives, of which the first whose tensors are there counts.
#[derive(Clone, Copy)]
pub struct Rule {
    /// Name in the checkpoint, within a layer for those of layers; of a module, without `.weight`.
    pub from: &'static str,
    /// Name in the GGUF file, within a layer for those of layers; of a module, without `.weight`.
    pub to: &'static str,
    /// In the GGUF file, columns first. A module's bias has its rows.
    pub shape: &'static [Dim],
    /// In the checkpoint, columns first, where it differs. Of one expert.
    pub stored: Option<&'static [Dim]>,
    /// Which tensors it is about.
    pub kind: Kind,
    /// How the order of weights changes.
    pub arrange: Option<Arrange>,
    /// Added to each weight, though not to a bias.
    pub plus: f32,
    /// Whether a model can be without it.
    pub optional: bool,
    /// Which layers of which models have it.
    pub when: fn(&Hparams, u64) -> bool,
}

/// Which tensors a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The one that is named.
    Tensor,
    /// `.weight` of the module.
    Weight,
    /// `.weight` of the module, and `.bias` where it is there.
    WeightMaybeBias,
    /// `.weight` and `.bias` of the module.
    WeightAndBias,
    /// Codes and exponents of MXFP4, as `_blocks` and `_scales`.
    SplitMxfp4,
}

/// One tensor of a rule.
#[derive(Clone, Copy)]
pub(super) struct Wanted {
    pub(super) rule: &'static Rule,
    /// What follows the rule's names.
    pub(super) suffix: &'static str,
    /// In the GGUF file.
    pub(super) shape: &'static [Dim],
    /// Whether it has to be there where the rule holds.
    pub(super) required: bool,
}

impl Wanted {
    /// The tensors of these rules.
    pub(super) fn of(rules: &'static [&'static [Rule]]) -> impl Iterator<Item = Self> + Clone {
        rules.iter().copied().flatten().flat_map(|rule| {
            let one = |suffix, shape, required| Self { rule, suffix, shape, required: required && !rule.optional };
            let rows = &rule.shape[usize::from(rule.shape.len() > 1)..];
            let weight = match rule.kind {
                Kind::Tensor | Kind::SplitMxfp4 => one("", rule.shape, true),
                _ => one(".weight", rule.shape, true),
            };
            let bias = match rule.kind {
                Kind::WeightMaybeBias => Some(one(".bias", &rows[..1], false)),
                Kind::WeightAndBias => Some(one(".bias", &rows[..1], true)),
                _ => None,
            };
            std::iter::once(weight).chain(bias)
        })
    }

    /// Whether a layer of this model has it.
    pub(super) fn holds(&self, hparams: &Hparams, layer: Option<u64>) -> bool {
        (self.rule.when)(hparams, layer.unwrap_or(0))
    }

    /// Whether it is a stack of stored tensors.
    pub(super) fn is_stack(&self) -> bool {
        self.rule.from.contains("{}")
    }

    /// The shape of a stored tensor.
    pub(super) fn stored(&self) -> &'static [Dim] {
        match self.rule.stored {
            Some(stored) if self.suffix != ".bias" => stored,
            _ if self.is_stack() => &self.shape[..self.shape.len() - 1],
            _ => self.shape,
        }
    }

    /// Its name in a checkpoint whose layers have this name.
    pub(super) fn from(&self, layers: &str, layer: Option<u64>) -> String {
        let Self { rule: Rule { from, .. }, suffix, .. } = self;
        layer.map_or_else(|| format!("{from}{suffix}"), |layer| format!("{layers}.{layer}.{from}{suffix}"))
    }

    /// Its name in a GGUF file.
    pub(super) fn to(&self, layer: Option<u64>) -> String {
        let Self { rule: Rule { to, .. }, suffix, .. } = self;
        layer.map_or_else(|| format!("{to}{suffix}"), |layer| format!("blk.{layer}.{to}{suffix}"))
    }
}

impl Rule {
    const fn of(kind: Kind, from: &'static str, to: &'static str, shape: &'static [Dim]) -> Self {
        let when = |_: &Hparams, _| true;
        Self { from, to, shape, stored: None, kind, arrange: None, plus: 0.0, optional: false, when }
    }

    /// A module with a weight, such as a projection or a norm.
    pub const fn weight(from: &'static str, to: &'static str, shape: &'static [Dim]) -> Self {
        Self::of(Kind::Weight, from, to, shape)
    }

    /// A tensor whose name does not end in `.weight`.
    pub const fn tensor(from: &'static str, to: &'static str, shape: &'static [Dim]) -> Self {
        Self::of(Kind::Tensor, from, to, shape)
    }

    /// A tensor of MXFP4 in two pieces.
    pub const fn split_mxfp4(from: &'static str, to: &'static str, shape: &'static [Dim]) -> Self {
        Self::of(Kind::SplitMxfp4, from, to, shape)
    }

    /// The same by another name.
    pub const fn named(mut self, from: &'static str) -> Self {
        self.from = from;
        self
    }

    /// The module has a bias.
    pub const fn biased(mut self) -> Self {
        self.kind = Kind::WeightAndBias;
        self
    }

    /// The module can have a bias.
    pub const fn maybe_biased(mut self) -> Self {
        self.kind = Kind::WeightMaybeBias;
        self
    }

    /// A model can be without it.
    pub const fn optional(mut self) -> Self {
        self.optional = true;
        self
    }

    /// Its shape in the checkpoint is another one.
    pub const fn stored(mut self, shape: &'static [Dim]) -> Self {
        self.stored = Some(shape);
        self
    }

    /// Its weights change order.
    pub const fn arranged(mut self, arrange: Arrange) -> Self {
        self.arrange = Some(arrange);
        self
    }

    /// This much is added to each weight.
    pub const fn plus(mut self, addend: f32) -> Self {
        self.plus = addend;
        self
    }

    /// Only some layers, or some models, have it.
    pub const fn when(mut self, when: fn(&Hparams, u64) -> bool) -> Self {
        self.when = when;
        self
    }

    /// Of layers without experts.
    pub const fn dense(self) -> Self {
        self.when(|hparams, layer| !hparams.has_experts(layer))
    }

    /// Of layers with experts.
    pub const fn sparse(self) -> Self {
        self.when(|hparams, layer| hparams.has_experts(layer))
    }
}
