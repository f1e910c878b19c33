//! Hardware that people run models on: `assets/targets.toml`, and a file of the user's own in the same form.

use super::backend::backend_from_name;
use super::budget::{Budget, GIB};
use super::machine::{Gpu, Machine, Pool};
use directories::ProjectDirs;
use serde::Deserialize;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The bundled list.
const BUNDLED: &str = include_str!("../../assets/targets.toml");

/// Machines to begin with, of many kinds.
pub const USUAL: &[&str] = &[
    "Apple M4 16 GB",
    "Apple M4 Max (40-core GPU) 64 GB",
    "GeForce RTX 4060",
    "GeForce RTX 5070 Ti",
    "GeForce RTX 3090",
    "Radeon RX 7900 XTX",
    "Ryzen AI Max+ 395 128 GB",
    "Core Ultra 7 258V",
    "Steam Deck",
    "Raspberry Pi 5 8 GB",
    "H100 SXM",
];

/// A file of the user's own is no longer than this.
const LONGEST: u64 = 1 << 20;

/// Main memory beside graphics cards and accelerators of which nothing else is known, in GiB.
const USUAL_MEMORY: [f64; 2] = [32.0, 256.0];
/// Its bandwidth, in GB/s: two channels of DDR5-5600, and twelve of DDR5-4800.
const USUAL_BANDWIDTH: [f64; 2] = [89.6, 460.8];
/// What the processor of such a machine computes, in TFLOPS of f32.
const USUAL_TFLOPS: [f64; 2] = [1.0, 5.0];

/// What kind of device a target is, which says how much of its memory a model can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A graphics card that also drives a desktop.
    Card,
    /// An accelerator without a display.
    Server,
    /// Apple silicon.
    Apple,
    /// Integrated graphics that share main memory.
    Shared,
    /// No GPU that counts.
    Cpu,
    /// A phone.
    Phone,
}

/// An entry as it is written; the file's head explains the fields.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    #[serde(default = "one")]
    count: u64,
    kind: Kind,
    backend: Option<String>,
    memory: Vec<f64>,
    share: Option<f64>,
    bandwidth: f64,
    tflops: f64,
    #[serde(default)]
    basis: String,
    power: Option<f64>,
    price: Option<f64>,
    ram: Option<f64>,
    ram_bandwidth: Option<f64>,
    #[serde(default)]
    source: String,
    #[serde(default)]
    url: String,
}

fn one() -> u64 {
    1
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    #[serde(default)]
    target: Vec<Entry>,
}

/// A machine of the list, with where its figures are from.
#[derive(Clone, Debug)]
pub struct Target {
    /// What it has.
    pub machine: Machine,
    /// The device by itself, without its number and memory.
    pub device: String,
    /// What kind it is.
    pub kind: Kind,
    /// Which figure its compute is, as the list's head explains.
    pub basis: String,
    /// Who states the figures; may be empty in the user's own list.
    pub source: String,
    /// Where.
    pub url: String,
}

/// Why a list cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// It cannot be read.
    #[error("{path} cannot be read: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is not such a list.
    #[error(
        "{path} is no list of targets: {problem}; each needs [[target]] with name, kind, memory, bandwidth and tflops"
    )]
    Form {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
}

/// The bundled targets, one for each memory size.
pub fn bundled() -> Vec<Target> {
    parse(BUNDLED).expect("the bundled list is tested")
}

/// Where the user's own targets are, whether or not the file is there.
pub fn own_path() -> Option<PathBuf> {
    Some(ProjectDirs::from("", "", "tuck")?.config_dir().join("targets.toml"))
}

/// The user's own targets; none where the file is not there.
pub fn own(path: &Path) -> Result<Vec<Target>, TargetError> {
    let read_error = |source| TargetError::Read { path: path.to_owned(), source };
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(read_error(error)),
    };
    let mut text = String::new();
    file.take(LONGEST + 1).read_to_string(&mut text).map_err(read_error)?;
    let form_error = |problem| TargetError::Form { path: path.to_owned(), problem };
    if text.len() as u64 > LONGEST {
        return Err(form_error(format!("it is longer than {LONGEST} bytes")));
    }
    parse(&text).map_err(form_error)
}

fn parse(text: &str) -> Result<Vec<Target>, String> {
    let list: List = toml::from_str(text).map_err(|error| error.to_string().trim().replace('\n', " "))?;
    let mut targets = Vec::new();
    for entry in &list.target {
        let problem = |problem| format!("the target {:?} {problem}", entry.name);
        entry.check().map_err(problem)?;
        for &memory in &entry.memory {
            targets.push(entry.target(memory).map_err(problem)?);
        }
    }
    Ok(targets)
}

impl Entry {
    fn check(&self) -> Result<(), String> {
        if self.name.trim().is_empty() || self.name.chars().any(char::is_control) || self.name.len() > 200 {
            return Err("needs a name of one line".to_owned());
        }
        let figures = [
            ("bandwidth", Some(self.bandwidth), 1e6),
            ("tflops", Some(self.tflops), 1e6),
            ("share", self.share, 1.0),
            ("power", self.power, 1e6),
            ("price", self.price, 1e9),
            ("ram", self.ram, 1e6),
            ("ram_bandwidth", self.ram_bandwidth, 1e6),
        ];
        let sizes = self.memory.iter().map(|memory| ("memory", Some(*memory), 1e6));
        for (name, figure, most) in figures.into_iter().chain(sizes) {
            if figure.is_some_and(|figure| !(figure > 0.0 && figure <= most)) {
                return Err(format!(
                    "has a {name} of {}; above 0 and at most {most} is possible",
                    figure.unwrap_or(0.0)
                ));
            }
        }
        if self.memory.is_empty() || !(1..=64).contains(&self.count) {
            return Err("needs at least one memory size, and a count of 1 to 64".to_owned());
        }
        Ok(())
    }

    fn target(&self, memory: f64) -> Result<Target, String> {
        let backend = match &self.backend {
            None => None,
            Some(name) => {
                let known = "CUDA, ROCm, Metal or Vulkan";
                Some(backend_from_name(name).ok_or_else(|| format!("has the backend {name:?}; write {known}"))?)
            }
        };
        let total = (memory * GIB as f64) as u64;
        let pool = |budget| Pool { budget, bandwidth: self.bandwidth * 1e9, flops: self.tflops * 1e12 };
        let gpu = |budget| backend.map(|backend| Gpu { backend, pool: pool(budget) });
        let place = usize::from(self.kind == Kind::Server);
        let beside = Pool {
            budget: Budget::main((self.ram.unwrap_or(USUAL_MEMORY[place]) * GIB as f64) as u64),
            bandwidth: self.ram_bandwidth.unwrap_or(USUAL_BANDWIDTH[place]) * 1e9,
            flops: USUAL_TFLOPS[place] * 1e12,
        };
        let cards = |first: Budget| {
            let budgets = std::iter::once(first).chain((1..self.count).map(|_| Budget::server(total)));
            budgets.filter_map(gpu).collect()
        };
        let (gpus, host): (Vec<Gpu>, Pool) = match self.kind {
            Kind::Card => (cards(Budget::card(total)), beside),
            Kind::Server => (cards(Budget::server(total)), beside),
            Kind::Apple => (gpu(Budget::apple(total)).into_iter().collect(), pool(Budget::main(total))),
            Kind::Shared => {
                let budget = Budget::shared(total, self.share.unwrap_or(0.5));
                (gpu(budget).into_iter().collect(), pool(Budget::main(total)))
            }
            Kind::Cpu => (Vec::new(), pool(Budget::main(total))),
            Kind::Phone => (gpu(Budget::phone(total)).into_iter().collect(), pool(Budget::phone(total))),
        };
        let is_separate = matches!(self.kind, Kind::Card | Kind::Server);
        let assumed = "main memory is not the device's own: its size and speed are assumed";
        Ok(Target {
            machine: Machine {
                name: self.label(memory),
                is_unified: !is_separate && !gpus.is_empty(),
                gpus,
                host,
                power: self.power.map(|watts| watts * self.count as f64),
                price: self.price.map(|dollars| dollars * self.count as f64),
                notes: if is_separate && self.ram.is_none() { vec![assumed.to_owned()] } else { Vec::new() },
            },
            device: self.name.clone(),
            kind: self.kind,
            basis: self.basis.clone(),
            source: self.source.clone(),
            url: self.url.clone(),
        })
    }

    /// `2 x GeForce RTX 3090`, `Apple M4 24 GB`: the size where there are several.
    fn label(&self, memory: f64) -> String {
        let count = if self.count > 1 { format!("{} x ", self.count) } else { String::new() };
        let size = if self.memory.len() > 1 { format!(" {memory} GB") } else { String::new() };
        format!("{count}{}{size}", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_bundled_target_has_a_source_and_a_name_of_its_own() {
        let targets = bundled();
        let devices: HashSet<_> = targets.iter().map(|target| &target.device).collect();
        assert!(devices.len() >= 80, "{} devices", devices.len());
        let mut names = HashSet::new();
        for Target { machine, kind, source, url, basis, .. } in &targets {
            let name = &machine.name;
            assert!(source.len() > 5 && url.starts_with("https://"), "{name} has no source");
            assert!(!basis.is_empty(), "{name} does not say which figure its compute is");
            assert!(names.insert(name.as_str()), "{name} is there twice");
            let needs_gpu = !matches!(kind, Kind::Cpu | Kind::Phone);
            assert!(!needs_gpu || !machine.gpus.is_empty(), "{name} has no backend");
        }
        assert!(USUAL.iter().all(|name| names.contains(name)), "{USUAL:?}");
    }

    #[test]
    fn an_entry_without_sense_is_refused_by_name() {
        let entry = |more: &str| {
            let text = "[[target]]\nname = 'Mine'\nkind = 'card'\nbackend = 'CUDA'\nmemory = [24]\nbandwidth = 900\ntflops = 70\n";
            parse(&format!("{text}{more}"))
        };
        let mine = entry("count = 2\nram = 64").unwrap().remove(0).machine;
        assert_eq!((mine.name.as_str(), mine.gpus.len(), mine.host.budget.total), ("2 x Mine", 2, 64 * GIB));
        assert!(mine.notes.is_empty());
        for (more, wrong) in [
            ("price = -1", "price"),
            ("power = nan", "power"),
            ("count = 0", "count"),
            ("ram = 1e9", "ram"),
            ("colour = 'red'", "colour"),
            ("share = 2", "share"),
        ] {
            let problem = entry(more).unwrap_err();
            assert!(problem.contains(wrong), "{problem}");
        }
        assert!(parse("[[target]]\nname = 'Mine'\nkind = 'toaster'").is_err());
        assert!(parse("nonsense").is_err());
    }

    #[test]
    fn the_users_own_list_may_be_missing_and_is_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("targets.toml");
        assert!(own(&path).unwrap().is_empty());
        std::fs::write(&path, vec![b'#'; LONGEST as usize + 1]).unwrap();
        assert!(own(&path).unwrap_err().to_string().contains("longer"));
        std::fs::write(&path, "[[target]]\nname = 'Box'\nkind = 'cpu'\nmemory = [12.5]\nbandwidth = 40\ntflops = 0.4")
            .unwrap();
        let own = own(&path).unwrap();
        assert_eq!((own[0].machine.name.as_str(), own[0].machine.gpus.len()), ("Box", 0));
    }
}
