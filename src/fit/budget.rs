//! How much of a device's memory a model can really have.

/// Bytes of a GiB: what memory is sold in.
pub const GIB: u64 = 1 << 30;

/// Memory of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budget {
    /// All of it, in bytes.
    pub total: u64,
    /// What a model can have of it, in bytes.
    pub usable: u64,
    /// What the rest is for.
    pub rest: String,
}

impl Budget {
    fn new(total: u64, usable: u64, rest: &str) -> Self {
        Self { total, usable: usable.min(total), rest: rest.to_owned() }
    }

    /// Measured: what is free of it now.
    pub fn measured(total: u64, free: u64) -> Self {
        Self::new(total, free, "what other programs use now")
    }

    /// Main memory, less the system and what people have open: an eighth of it, between 0.75 and 8 GiB.
    pub fn main(total: u64) -> Self {
        let system = (total / 8).clamp(3 * GIB / 4, 8 * GIB);
        Self::new(total, total.saturating_sub(system), "the system and what is open")
    }

    /// A graphics card with a desktop on it: less 0.8 GiB for that and for what the driver keeps.
    pub fn card(total: u64) -> Self {
        Self::new(total, total.saturating_sub(4 * GIB / 5), "the desktop and the driver")
    }

    /// An accelerator or a second card: less the 2 % that the driver keeps.
    pub fn server(total: u64) -> Self {
        Self::new(total, total - total / 50, "the driver")
    }

    /// The part of an Apple machine's memory that Metal recommends to take (`recommendedMaxWorkingSetSize`): two thirds,
    /// and three quarters above 32 GiB, as machines of all sizes report it.
    pub fn apple(total: u64) -> Self {
        let usable = if total > 32 * GIB { total / 4 * 3 } else { total / 3 * 2 };
        Self::new(total, usable, "the rest of the machine, by Metal's recommended working set")
    }

    /// Integrated graphics: the share of main memory that the driver lets them have. Half is what Windows and Linux
    /// start with.
    pub fn shared(total: u64, share: f64) -> Self {
        let usable = ((total as f64 * share.clamp(0.0, 1.0)) as u64).min(Self::main(total).usable);
        Self::new(total, usable, "the rest of the machine")
    }

    /// A phone, where the system ends an app that takes more than about half.
    pub fn phone(total: u64) -> Self {
        Self::new(total, total / 2, "the system, which ends apps that take more")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_are_what_is_left() {
        let gib = |budget: Budget| budget.usable as f64 / GIB as f64;
        assert_eq!(gib(Budget::main(16 * GIB)), 14.0);
        assert_eq!(gib(Budget::main(4 * GIB)), 3.25);
        assert_eq!(gib(Budget::main(512 * GIB)), 504.0);
        assert_eq!(gib(Budget::apple(36 * GIB)), 27.0);
        assert!((gib(Budget::apple(16 * GIB)) - 10.67).abs() < 0.01);
        assert_eq!(gib(Budget::shared(16 * GIB, 0.5)), 8.0);
        assert_eq!(gib(Budget::shared(128 * GIB, 1.0)), 120.0);
        assert_eq!(gib(Budget::phone(8 * GIB)), 4.0);
        assert_eq!(Budget::card(GIB / 2).usable, 0);
    }
}
