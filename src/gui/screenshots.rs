//! Drives the window by itself to make the pictures in `screenshots/`: the sample opened, with a few choices, packing,
//! packed.

use super::action::Action;
use super::selection::Select;
use super::state::{Opened, State};
use crate::engine::{Engine, Event, EventKind};
use crate::quant::Q8_0;
use crate::recipe::preset_from_name;
use std::fs::File;
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

/// Frames until layout and animations have come to rest.
const SETTLED: u32 = 10;
/// How far the pack is on the picture of it.
const ENOUGH: f32 = 0.3;

/// What comes next.
#[derive(Clone, Copy)]
enum Step {
    Opening,
    Before,
    Choices,
    Starting,
    During,
    Finishing,
    After,
    Done,
}

/// A self-driving session.
pub(super) struct Script {
    folder: PathBuf,
    step: Step,
    frames: u32,
    taken: Receiver<Arc<egui::ColorImage>>,
    take: Sender<Arc<egui::ColorImage>>,
    held: Vec<Event>,
}

impl Script {
    pub(super) fn new(folder: PathBuf) -> Self {
        let (take, taken) = channel();
        Self { folder, step: Step::Opening, frames: 0, taken, take, held: Vec::new() }
    }

    /// The engine's events, held back where the sample would be packed before its picture is taken.
    pub(super) fn events(&mut self, engine: &Engine) -> Vec<Event> {
        match self.step {
            Step::Starting => {
                let mut events = Vec::new();
                // The sample is packed in less than a frame, so this frame waits for it.
                let at = loop {
                    events.extend(engine.wait(Duration::from_millis(1)));
                    if let Some(at) = events.iter().position(is_worth_showing) {
                        break at;
                    }
                };
                self.held = events.split_off(at + 1);
                self.step = Step::During;
                events
            }
            Step::During => Vec::new(),
            _ => std::mem::take(&mut self.held).into_iter().chain(engine.drain()).collect(),
        }
    }

    /// Once a frame: what the user would do next.
    pub(super) fn step(&mut self, state: &State, ctx: &egui::Context) -> Vec<Action> {
        ctx.request_repaint();
        if let Some(super::Dialog::Failed { title, message, .. }) = &state.dialog {
            eprintln!("tuck: {title}: {message}");
            return vec![Action::QuitNow];
        }
        let Some(opened) = &state.opened else { return Vec::new() };
        let step = self.step;
        match step {
            Step::Opening if state.listing.is_none() => {
                self.step = Step::Before;
                return vec![Action::SaveInto(self.folder.clone())];
            }
            Step::Before if self.picture("before.png", ctx) => {
                self.step = Step::Choices;
                return choices(opened);
            }
            Step::Choices if self.picture("choices.png", ctx) => {
                self.step = Step::Starting;
                return vec![Action::Replace];
            }
            Step::During if self.picture("during.png", ctx) => self.step = Step::Finishing,
            Step::Finishing if opened.report.is_some() => self.step = Step::After,
            Step::After if self.picture("after.png", ctx) => {
                self.step = Step::Done;
                for output in opened.outputs() {
                    if let Err(error) = std::fs::remove_file(&output) {
                        eprintln!("tuck: {}: {error}", output.display());
                    }
                }
                return vec![Action::QuitNow];
            }
            _ => {}
        }
        Vec::new()
    }

    /// Asks for a picture when the window has settled; true when it is saved.
    fn picture(&mut self, name: &str, ctx: &egui::Context) -> bool {
        self.frames += 1;
        if self.frames == SETTLED {
            let take = self.take.clone();
            ctx.request_screenshot(move |image| {
                // Nobody listens any more when the window is closed meanwhile.
                let _ = take.send(image);
            });
        }
        let Ok(image) = self.taken.try_recv() else { return false };
        self.frames = 0;
        if let Err(error) = save(&image, &self.folder.join(name)) {
            eprintln!("tuck: {name}: {error}");
        }
        true
    }
}

/// Every value projection in 8 bits, and two more types to write.
fn choices(opened: &Opened) -> Vec<Action> {
    let value = opened.model.tensors.iter().position(|tensor| tensor.name == "blk.0.attn_v.weight");
    let values = value.map(|index| [Action::Select(Select::Kind(index)), Action::GiveType(Some(&Q8_0))]);
    let more = ["Q5_K_M", "IQ4_XS"].into_iter().filter_map(preset_from_name).map(Action::Tick);
    values.into_iter().flatten().chain(more).collect()
}

/// A pack well under way, or at its end.
fn is_worth_showing(event: &Event) -> bool {
    match &event.kind {
        EventKind::Progress(progress) => progress.fraction() >= ENOUGH,
        EventKind::Packed(_) | EventKind::Failed(_) | EventKind::Cancelled => true,
        _ => false,
    }
}

fn save(image: &egui::ColorImage, path: &Path) -> io::Result<()> {
    let [width, height] = image.size.map(|side| side as u32);
    let mut encoder = png::Encoder::new(BufWriter::new(File::create(path)?), width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let pixels: Vec<u8> = image.pixels.iter().flat_map(|pixel| [pixel.r(), pixel.g(), pixel.b()]).collect();
    encoder.write_header()?.write_image_data(&pixels)?;
    Ok(())
}
