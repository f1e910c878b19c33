//! What a million generated tokens cost.

use super::machine::Machine;
use super::speed::Speed;

/// US dollars a kilowatt-hour, about what households pay in many places.
pub const ELECTRICITY: f64 = 0.20;

/// Hours that a device's price is spread over: three years, day and night.
pub const LIFETIME: f64 = 3.0 * 365.0 * 24.0;

/// Of a million generated tokens, one sequence at a time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cost {
    /// Kilowatt-hours at the maker's full power, of the device alone.
    pub energy: f64,
    /// US dollars for that at [`ELECTRICITY`], and for the device's price over [`LIFETIME`] where there is one.
    pub dollars: f64,
}

impl Cost {
    /// Where the machine has a power figure.
    pub fn of_a_million(machine: &Machine, speed: &Speed) -> Option<Self> {
        let hours = 1e6 / speed.generation / 3600.0;
        let energy = machine.power? / 1e3 * hours;
        let device = machine.price.map_or(0.0, |price| price / LIFETIME * hours);
        Some(Self { energy, dollars: energy * ELECTRICITY + device })
    }
}
