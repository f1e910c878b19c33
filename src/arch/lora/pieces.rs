//! The tensors of an adapter, put together by module.

use crate::arch::names::{self, OTHER_SENSES};
use crate::checkpoint::{Adapter, OpenError, StoredTensor};
use std::collections::BTreeMap;

/// What a tensor is to its module.
#[derive(Clone, Copy, PartialEq)]
enum Role {
    A,
    B,
    EmbeddingA,
    EmbeddingB,
    Magnitude,
    /// Of the base model, and not changed.
    Copy,
    /// A bias of A or B.
    OwnBias,
}

/// Ends of names.
const ROLES: &[(&str, Role)] = &[
    (".lora_A.weight", Role::A),
    (".lora_B.weight", Role::B),
    (".lora_A.default.weight", Role::A),
    (".lora_B.default.weight", Role::B),
    (".lora_embedding_A", Role::EmbeddingA),
    (".lora_embedding_B", Role::EmbeddingB),
    (".lora_magnitude_vector", Role::Magnitude),
    (".lora_magnitude_vector.weight", Role::Magnitude),
    (".base_layer.weight", Role::Copy),
    (".original_module.weight", Role::Copy),
    (".original_module.bias", Role::Copy),
    (".lora_A.bias", Role::OwnBias),
    (".lora_B.bias", Role::OwnBias),
];

/// Around the names of an adapter's tensors.
const WRAPPERS: &[&str] = &["base_model.model.", "base_model."];

/// In the names of whole tensors, and saying nothing.
const INFIXES: &[&str] = &[".base_layer", ".modules_to_save.default", ".modules_to_save"];

/// A module that an adapter changes by a product.
pub(super) struct Module<'a> {
    /// As PEFT's patterns know it.
    pub(super) name: String,
    pub(super) a: &'a StoredTensor,
    pub(super) b: &'a StoredTensor,
    pub(super) magnitude: Option<&'a StoredTensor>,
    /// Whether A is for tokens and B for what they become.
    pub(super) is_embedding: bool,
}

/// All of an adapter.
pub(super) struct Pieces<'a> {
    pub(super) modules: Vec<Module<'a>>,
    /// Tensors that replace others, by their names without what is around them.
    pub(super) wholes: Vec<StoredTensor>,
    pub(super) notes: Vec<String>,
}

impl<'a> Pieces<'a> {
    pub(super) fn of(adapter: &'a Adapter) -> Result<Self, OpenError> {
        let mut modules: BTreeMap<&str, Vec<(Role, &StoredTensor)>> = BTreeMap::new();
        let (mut wholes, mut senses) = (Vec::new(), 0);
        for stored in &adapter.tensors {
            let mut name = stored.name.as_str();
            while let Some(inner) = WRAPPERS.iter().find_map(|wrapper| name.strip_prefix(wrapper)) {
                name = inner;
            }
            if OTHER_SENSES.iter().any(|part| name.contains(part)) {
                senses += 1;
                continue;
            }
            match ROLES.iter().find_map(|(end, role)| Some((name.strip_suffix(end)?, *role))) {
                Some((_, Role::Copy)) => {}
                Some((_, Role::OwnBias)) => {
                    let problem =
                        "is a bias of the adapter's own (lora_bias), which Tuck does not read; merge it with PEFT";
                    return Err(adapter.wrong(stored, problem));
                }
                Some((module, role)) => modules.entry(module).or_default().push((role, stored)),
                None => {
                    let name = INFIXES.iter().fold(name.to_owned(), |name, infix| name.replace(infix, ""));
                    wholes.push(StoredTensor { name: names::plain(&name), ..stored.clone() });
                }
            }
        }
        let modules = modules.into_iter().map(|(name, found)| module(adapter, name, &found));
        let notes = (senses > 0).then(|| format!("{senses} tensors of the adapter that see or hear are left out"));
        Ok(Self { modules: modules.collect::<Result<_, _>>()?, wholes, notes: notes.into_iter().collect() })
    }
}

fn module<'a>(adapter: &Adapter, name: &str, found: &[(Role, &'a StoredTensor)]) -> Result<Module<'a>, OpenError> {
    let one = |roles: &[Role]| {
        let mut those = found.iter().filter(|(role, _)| roles.contains(role)).map(|(_, stored)| *stored);
        match (those.next(), those.next()) {
            (_, Some(second)) => {
                Err(adapter.wrong(second, "is there a second time by another name; download it again"))
            }
            (first, None) => Ok(first),
        }
    };
    let (a, b) = (one(&[Role::A, Role::EmbeddingA])?, one(&[Role::B, Role::EmbeddingB])?);
    let (Some(a), Some(b)) = (a, b) else {
        let (_, any) = found[0];
        let missing = if a.is_none() { "lora_A" } else { "lora_B" };
        return Err(adapter.wrong(any, &format!("belongs to a module that has no {missing}; download it again")));
    };
    let is_embedding = found.iter().any(|(role, _)| *role == Role::EmbeddingA);
    Ok(Module { name: name.to_owned(), a, b, magnitude: one(&[Role::Magnitude])?, is_embedding })
}
