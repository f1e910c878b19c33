//! Which weights are left out, as it is asked for.

use std::fmt;

/// What weights are left out by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Method {
    /// The smallest.
    Magnitude,
    /// The smallest, each times the norm of what its column is multiplied with.
    Wanda,
    /// What the others can make good best; and they do.
    #[default]
    SparseGpt,
}

/// Which layers go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Layers {
    /// None.
    #[default]
    None,
    /// These, counted from 0.
    These(Vec<u64>),
    /// So many, those that are missed least.
    Auto(u64),
}

/// All that is to go of a model.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cut {
    /// Layers.
    pub layers: Layers,
    /// The share of each MLP's channels; 0 is none.
    pub channels: f64,
    /// Key-value heads of each layer, with the query heads that they serve.
    pub kv_heads: u64,
    /// Experts of each layer.
    pub experts: u64,
    /// Single weights.
    pub sparsity: Option<Sparsity>,
    /// Whether what stays is left as it is, where it could make good some of what goes.
    pub plain: bool,
}

/// Every method, from the cheapest.
pub static METHODS: &[Method] = &[Method::Magnitude, Method::Wanda, Method::SparseGpt];

/// Among which weights they are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Those of each row: every row loses as many.
    Row,
    /// Those of a matrix.
    Layer,
    /// Those of the whole model: some matrices lose more than others.
    Model,
}

/// Every scope, from the narrowest.
pub static SCOPES: &[Scope] = &[Scope::Row, Scope::Layer, Scope::Model];

/// How many weights are left out, and whether their places are free.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pattern {
    /// This share of them, wherever they are.
    Share(f64),
    /// Of each so many neighbours in a row, all but so many.
    Groups {
        /// Those that stay.
        kept: usize,
        /// Neighbours.
        of: usize,
    },
}

/// The most neighbours of a pattern.
const MOST: usize = 64;

/// What to do with the weights of matrices.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sparsity {
    /// How many go.
    pub pattern: Pattern,
    /// By what.
    pub method: Method,
    /// Compared with which; counts for nothing where groups of neighbours are compared.
    pub scope: Scope,
}

impl Layers {
    /// Reads `2`, `auto:2` or `3,4`, of which the first two are the same: one number says how many.
    pub fn parse(text: &str) -> Result<Self, String> {
        let number = |part: &str| part.trim().parse::<u64>().ok();
        let found = match (text.strip_prefix("auto:"), text.split_once(',')) {
            (Some(count), _) => number(count).filter(|count| *count > 0).map(Self::Auto),
            (None, None) => number(text).filter(|count| *count > 0).map(Self::Auto),
            (None, Some(_)) => {
                // A comma at the end makes a list of one.
                let parts = text.trim_end_matches(',').split(',');
                parts.map(number).collect::<Option<Vec<u64>>>().map(Self::These)
            }
        };
        found.ok_or_else(|| {
            format!(
                "{text:?} names no layers; write how many, such as 2 or auto:2, or which, counted from 0, such as 3,4 (or 3, for \
                 one)"
            )
        })
    }
}

impl fmt::Display for Layers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => Ok(()),
            Self::Auto(count) => write!(f, "auto:{count}"),
            Self::These(layers) => layers.iter().try_for_each(|layer| write!(f, "{layer},")),
        }
    }
}

impl Cut {
    /// Whether nothing is to go.
    pub fn is_nothing(&self) -> bool {
        *self == Self { plain: self.plain, ..Self::default() }
    }

    /// Reads a share of channels, such as `10%`.
    pub fn parse_channels(text: &str) -> Result<f64, String> {
        match Pattern::parse(text) {
            Ok(Pattern::Share(share)) => Ok(share),
            _ => Err(format!("{text:?} is no share of channels; write one such as 10%")),
        }
    }
}

impl Method {
    /// The one of this name.
    pub fn parse(text: &str) -> Result<Self, String> {
        let names: Vec<&str> = METHODS.iter().map(|method| method.name()).collect();
        let found = METHODS.iter().find(|method| method.name() == text).copied();
        found.ok_or_else(|| format!("{text:?} is no method; choose one of {}", names.join(", ")))
    }

    /// As it is written on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Magnitude => "magnitude",
            Self::Wanda => "wanda",
            Self::SparseGpt => "sparsegpt",
        }
    }

    /// The scope that its authors found best.
    pub fn usual_scope(self) -> Scope {
        match self {
            Self::Wanda => Scope::Row,
            Self::Magnitude | Self::SparseGpt => Scope::Layer,
        }
    }
}

impl Scope {
    /// The one of this name.
    pub fn parse(text: &str) -> Result<Self, String> {
        let names: Vec<&str> = SCOPES.iter().map(|scope| scope.name()).collect();
        let found = SCOPES.iter().find(|scope| scope.name() == text).copied();
        found.ok_or_else(|| format!("{text:?} is no scope; choose one of {}", names.join(", ")))
    }

    /// As it is written on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Row => "row",
            Self::Layer => "layer",
            Self::Model => "model",
        }
    }
}

impl Pattern {
    /// Reads `50%` or `2:4`, of which 2 of each 4 stay.
    pub fn parse(text: &str) -> Result<Self, String> {
        let found = match text.split_once(':') {
            Some((kept, of)) => match (kept.trim().parse(), of.trim().parse()) {
                (Ok(kept), Ok(of)) if (1..of).contains(&kept) && of <= MOST => Some(Self::Groups { kept, of }),
                _ => None,
            },
            None => {
                let percent = text.trim().strip_suffix('%').and_then(|number| number.trim().parse::<f64>().ok());
                percent.filter(|percent| *percent > 0.0 && *percent < 100.0).map(|percent| Self::Share(percent / 100.0))
            }
        };
        found.ok_or_else(|| {
            format!(
                "{text:?} is no pattern of weights to leave out; write a share of them such as 50%, or how many of so many \
                 neighbours stay, such as 2:4 (up to {MOST} neighbours)"
            )
        })
    }

    /// The share of weights that goes.
    pub fn share(self) -> f64 {
        match self {
            Self::Share(share) => share,
            Self::Groups { kept, of } => 1.0 - kept as f64 / of as f64,
        }
    }

    /// Of so many weights, how many go.
    pub fn count(self, weights: usize) -> usize {
        match self {
            Self::Share(share) => (share * weights as f64).round() as usize,
            Self::Groups { kept, of } => weights * (of - kept) / of,
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Share(share) => write!(f, "{} %", (share * 1e4).round() / 1e2),
            Self::Groups { kept, of } => write!(f, "{kept}:{of}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_are_read_or_refused() {
        assert_eq!(Layers::parse("2"), Ok(Layers::Auto(2)));
        assert_eq!(Layers::parse("auto:3"), Ok(Layers::Auto(3)));
        assert_eq!(Layers::parse("3, 4"), Ok(Layers::These(vec![3, 4])));
        assert_eq!(Layers::parse("3,"), Ok(Layers::These(vec![3])));
        for layers in [Layers::Auto(2), Layers::These(vec![3]), Layers::These(vec![7, 1])] {
            assert_eq!(Layers::parse(&layers.to_string()), Ok(layers));
        }
        for wrong in ["", "0", "auto:0", "auto", "x,1", "-1", ","] {
            assert!(Layers::parse(wrong).is_err(), "{wrong}");
        }
        assert!(Cut { plain: true, ..Cut::default() }.is_nothing());
    }

    #[test]
    fn patterns_are_read_or_refused() {
        assert_eq!(Pattern::parse("50%"), Ok(Pattern::Share(0.5)));
        assert_eq!(Pattern::parse("2:4"), Ok(Pattern::Groups { kept: 2, of: 4 }));
        assert_eq!(Pattern::parse(" 12.5 % ").map(Pattern::share), Ok(0.125));
        assert_eq!(Pattern::Groups { kept: 2, of: 4 }.count(10), 5);
        for wrong in ["", "50", "0%", "100%", "nan%", "4:4", "0:4", "5:4", "2:65", "2:", "-1%"] {
            assert!(Pattern::parse(wrong).unwrap_err().contains("such as 50%"), "{wrong}");
        }
    }
}
