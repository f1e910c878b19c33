//! Whether a model fits a machine, how it is spread there, with how much context, and how fast it will be.

use super::graph::Care;
use super::machine::Machine;
use super::place::{Placement, Spread};
use super::settings::{CELLS, Settings};
use super::speed::{Costs, Speed};
use super::subject::Subject;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The longest context that is looked for where a model does not say what it was made for.
const LONGEST: u64 = 1 << 17;

/// How a model fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// All of it is where it is fastest: on the GPUs, or in main memory where there is none.
    Fully,
    /// A part of it is in main memory, for the GPUs have too little.
    Partly,
    /// The machine has too little memory.
    Not,
}

/// What comes of a model on a machine.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Whether it fits.
    pub fit: Fit,
    /// How it is spread; of one that does not fit, how it would be if there were room.
    pub spread: Spread,
    /// What that takes of each device.
    pub placement: Arc<Placement>,
    /// The largest context with which all of it is on the GPUs, or in main memory where there is none.
    pub fully_up_to: Option<u64>,
    /// The largest context with the spread that was found.
    pub up_to: Option<u64>,
    /// About how fast it is; none where a device's speed is unknown.
    pub speed: Option<Speed>,
}

/// Backends with their shares, layers on them, whether experts are on the host, context, care.
type Key = (Vec<(&'static str, u64)>, u64, bool, u64, bool);

/// Answers questions about one model with one set of settings. What is asked again is remembered.
pub struct Fitter<'a> {
    subject: &'a Subject,
    settings: Settings,
    costs: Costs,
    placements: Mutex<HashMap<Key, Arc<Placement>>>,
}

impl<'a> Fitter<'a> {
    /// For a model that is run so.
    pub fn new(subject: &'a Subject, settings: Settings) -> Self {
        Self { subject, settings, costs: Costs::new(subject, &settings), placements: Mutex::default() }
    }

    /// Where what lies on a machine, how far it reaches, and how fast it is.
    pub fn answer(&self, machine: &Machine) -> Answer {
        let context = self.settings.context;
        let whole = self.whole(machine);
        let fits_whole = self.fits_exactly(machine, &whole);
        let fully_up_to = self.reach(machine, &whole, fits_whole);
        let (fit, spread) = if fits_whole {
            (Fit::Fully, whole)
        } else {
            match self.partial(machine) {
                Some(spread) => (Fit::Partly, spread),
                None => (Fit::Not, whole),
            }
        };
        let up_to = match fit {
            Fit::Fully => fully_up_to.max(Some(context)),
            Fit::Partly => self.reach(machine, &spread, true).max(Some(context)),
            Fit::Not => None,
        };
        let placement = self.placement(&spread, context, Care::Exact);
        let layout = self.subject.layout(&spread);
        let speed = self.costs.speed(machine, &spread, &layout, &self.settings).filter(|_| fit != Fit::Not);
        let fully_up_to = if fit == Fit::Fully { up_to } else { fully_up_to };
        Answer { fit, spread, placement, fully_up_to, up_to, speed }
    }

    /// Whether all of it fits where it is fastest.
    pub fn fits_fully(&self, machine: &Machine) -> bool {
        self.fits_exactly(machine, &self.whole(machine))
    }

    /// All of it on the GPUs, or in main memory where there is none.
    fn whole(&self, machine: &Machine) -> Spread {
        self.spread(machine, self.subject.placeable(), false)
    }

    fn spread(&self, machine: &Machine, gpu_layers: u64, experts_on_host: bool) -> Spread {
        if machine.gpus.is_empty() || gpu_layers == 0 {
            return Spread::host();
        }
        let gpus = machine.gpus.iter().map(|gpu| (gpu.backend, gpu.pool.budget.usable as f64)).collect();
        Spread { gpus, gpu_layers, experts_on_host }
    }

    /// The fastest of: experts in main memory, some layers in main memory, all in main memory.
    fn partial(&self, machine: &Machine) -> Option<Spread> {
        let mut found: Option<(f64, Spread)> = None;
        for experts_on_host in [true, false] {
            if experts_on_host && self.subject.experts == 0 {
                continue;
            }
            let Some(spread) = self.most_layers(machine, experts_on_host) else { continue };
            let layout = self.subject.layout(&spread);
            let speed =
                self.costs.speed(machine, &spread, &layout, &self.settings).map_or(0.0, |speed| speed.generation);
            if found.as_ref().is_none_or(|(best, _)| speed > *best) {
                found = Some((speed, spread));
            }
        }
        let host = Spread::host();
        found.map(|(_, spread)| spread).or_else(|| self.fits_exactly(machine, &host).then_some(host))
    }

    /// As many layers on the GPUs as they have room for, if main memory has room for the others.
    fn most_layers(&self, machine: &Machine, experts_on_host: bool) -> Option<Spread> {
        if machine.gpus.is_empty() {
            return None;
        }
        let context = self.settings.context;
        let spread = |layers| self.spread(machine, layers, experts_on_host);
        let fits = |layers: &u64| has_room_on_gpus(machine, &self.placement(&spread(*layers), context, Care::Quick));
        let mut layers = last(1, self.subject.placeable(), fits)?;
        let has_room = |layers| has_room_on_gpus(machine, &self.placement(&spread(layers), context, Care::Exact));
        while layers > 1 && !has_room(layers) {
            layers -= 1;
        }
        let spread = spread(layers);
        self.fits_exactly(machine, &spread).then_some(spread)
    }

    /// The largest context with which this spread fits.
    ///
    /// Compute buffers are placed at contexts that double, and drawn straight between: a buffer is the largest of moments
    /// that each grow in proportion to the context, so it is never larger than that line.
    fn reach(&self, machine: &Machine, spread: &Spread, fits_now: bool) -> Option<u64> {
        let trained = self.subject.trained_context;
        let longest = (if trained > 0 { trained } else { LONGEST }).max(self.settings.context);
        let unit = CELLS * self.settings.sequences.max(1);
        let most = longest.div_ceil(unit);
        let (mut low, mut high) = (1, if fits_now { (self.settings.context / unit).max(1) } else { 1 });
        while self.fits(machine, spread, high * unit) {
            if high == most {
                return Some(longest);
            }
            (low, high) = (high, (2 * high).min(most));
        }
        let ends = [low, high].map(|units| (units * unit, self.placement(spread, units * unit, Care::Quick)));
        let layout = self.subject.layout(spread);
        let fits = |units: &u64| {
            let context = units * unit;
            let mut placement = self.subject.place_stored(&Settings { context, ..self.settings }, &layout);
            let [(from, low), (to, high)] = &ends;
            let share = (context - from) as f64 / (to - from).max(1) as f64;
            let between = |low: u64, high: u64| low + (high.saturating_sub(low) as f64 * share) as u64;
            placement.host.compute = between(low.host.compute, high.host.compute);
            for (terms, (low, high)) in placement.gpus.iter_mut().zip(low.gpus.iter().zip(&high.gpus)) {
                terms.compute = between(low.compute, high.compute);
            }
            has_room(machine, &placement)
        };
        last(low, high, fits).map(|units| units * unit)
    }

    fn fits(&self, machine: &Machine, spread: &Spread, context: u64) -> bool {
        has_room(machine, &self.placement(spread, context, Care::Quick))
    }

    fn fits_exactly(&self, machine: &Machine, spread: &Spread) -> bool {
        has_room(machine, &self.placement(spread, self.settings.context, Care::Exact))
    }

    fn placement(&self, spread: &Spread, context: u64, care: Care) -> Arc<Placement> {
        // A single GPU has all, whatever its share.
        let share = |share: f64| if spread.gpus.len() > 1 { share.to_bits() } else { 0 };
        let gpus = spread.gpus.iter().map(|(backend, of)| (backend.name, share(*of))).collect();
        let key = (gpus, spread.gpu_layers, spread.experts_on_host, context, care == Care::Exact);
        let lock = || self.placements.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = lock().get(&key) {
            return known.clone();
        }
        let placement = Arc::new(self.subject.place_with(&Settings { context, ..self.settings }, spread, care));
        lock().insert(key, placement.clone());
        placement
    }
}

fn has_room(machine: &Machine, placement: &Placement) -> bool {
    let on_gpus: u64 = placement.gpus.iter().map(|terms| terms.total()).sum();
    let on_host = placement.host.total() + if machine.is_unified { on_gpus } else { 0 };
    on_host <= machine.host.budget.usable && has_room_on_gpus(machine, placement)
}

fn has_room_on_gpus(machine: &Machine, placement: &Placement) -> bool {
    placement.gpus.iter().zip(&machine.gpus).all(|(terms, gpu)| terms.total() <= gpu.pool.budget.usable)
}

/// The last of `first..=end` that is so, where those that are so come first.
fn last(first: u64, end: u64, is_so: impl Fn(&u64) -> bool) -> Option<u64> {
    let (mut low, mut high) = (first, end + 1);
    while low < high {
        let middle = low + (high - low) / 2;
        if is_so(&middle) { low = middle + 1 } else { high = middle }
    }
    (low > first).then(|| low - 1)
}
