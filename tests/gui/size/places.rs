//! Where things are on the size side.

use super::{act, ask, by_size, opened, solved, statistics};
use crate::fixture::{copied_sample, wait};
use crate::places::{assert_apart, picture};
use tuck::gui::{Action, Inquiry, Standing, Tab, Wish};
use tuck::recipe::Level;

#[test]
fn the_size_side_has_its_place_at_every_size() {
    for (size, scale) in
        [([960.0, 600.0], 1.0), ([1280.0, 720.0], 1.0), ([1920.0, 1080.0], 2.0), ([3840.0, 2160.0], 1.0)]
    {
        let tag = format!("{}x{}@{scale}", size[0], size[1]);
        let (folder, path) = statistics();
        let model = copied_sample(folder.path());
        let mut window = by_size(size, scale, &model, &folder.path().join("none.gguf"));
        wait(&mut window, "the look", |state| matches!(opened(state).sizing.standing, Standing::Missing { .. }));
        assert_apart(
            &window,
            &["The best file of any size", "Make statistics", "Observed on", "Add pattern", "Pack as"],
        );
        picture(&mut window, &format!("size-none-{tag}"));
        ask(&mut window, Wish::Chunks(None));
        ask(&mut window, Wish::Make);
        wait(&mut window, "progress", |state| {
            matches!(&opened(state).sizing.standing, Standing::Making { progress: Some(_), .. })
        });
        assert_apart(&window, &["Making statistics", "Cancel", "Observed on", "Pack as"]);
        picture(&mut window, &format!("size-making-{tag}"));
        let mut window = by_size(size, scale, &model, &path);
        solved(&mut window);
        let shown =
            ["KL divergence, predicted", "Size against predicted KL divergence", "Size of the file", "Observed on"];
        assert_apart(&window, &shown);
        picture(&mut window, &format!("size-{tag}"));
        if size[0] < 1280.0 || scale > 1.0 {
            continue;
        }
        act(&mut window, Action::Quality(Inquiry::Context(128)));
        act(&mut window, Action::Quality(Inquiry::Chunks(Some(2))));
        act(&mut window, Action::Quality(Inquiry::Measure));
        wait(&mut window, "the measurement", |state| opened(state).quality.measured.len() == 1);
        act(&mut window, Action::Quality(Inquiry::MeasureUsual));
        wait(&mut window, "the measurements", |state| opened(state).quality.measured.len() == 7);
        act(&mut window, Action::Show(Tab::Fit));
        act(&mut window, Action::AddPattern);
        act(&mut window, Action::EditPattern(0, "attn_v=Q8_0".to_owned()));
        ask(&mut window, Wish::Effort(Level::Best));
        solved(&mut window);
        picture(&mut window, &format!("size-measured-{tag}"));
    }
}
