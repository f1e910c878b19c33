//! The flag that names LoRA adapters.

use super::session::Quit;
use crate::model::AdapterChoice;

#[derive(clap::Args)]
pub(super) struct Lora {
    /// Merge a LoRA adapter into the model, the folder that PEFT saves: DIR, or DIR=SCALE for more or less of it. Can be
    /// given again.
    #[arg(long, value_name = "DIR[=SCALE]")]
    lora: Vec<String>,
}

impl Lora {
    /// The adapters named.
    pub(super) fn choices(&self) -> Result<Vec<AdapterChoice>, Quit> {
        self.lora.iter().map(|text| AdapterChoice::parse(text)).collect::<Result<_, _>>().map_err(Quit::Failed)
    }
}
