//! Bars: tokens by their divergence, layers by their error.

use crate::eval::Histogram;
use crate::gui::quality::Measured;
use crate::gui::theme;
use crate::units;
use egui::accesskit::Role;
use egui::{Label, RichText, TextStyle, Ui, WidgetInfo};
use egui_plot::{AxisHints, Bar, BarChart, GridInput, GridMark, Plot};

/// Of a chart.
const HEIGHT: f32 = 44.0 * theme::GRID;
/// Of a bar's place, so that bars stand apart.
const SHARE: f64 = 0.86;
/// The step that a chart proposes is so many points.
const SPACING: f64 = 8.0;
/// Of the numbers at the left.
const NUMBERS: f32 = 44.0;

/// A title, with what it means behind it.
pub(super) fn title(ui: &mut Ui, text: &str, about: &str) {
    ui.heading(text);
    ui.add(Label::new(RichText::new(about).small().color(theme::palette(ui).muted)).wrap());
    ui.add_space(theme::GRID);
}

/// A chart that stays where it is: the wheel belongs to the page. `label` is what a screen reader says.
pub(in crate::gui::panels) fn chart<'a>(
    ui: &mut Ui,
    label: &str,
    axes: [AxisHints<'a>; 2],
    draw: impl FnOnce(Plot<'a>, &mut Ui) -> egui::Response,
) {
    let colours = theme::palette(ui);
    let font = TextStyle::Small.resolve(ui.style());
    let [x, y] = axes.map(|axis| axis.tick_label_color(colours.muted).tick_label_font(font.clone()));
    let plot = Plot::new(label)
        .height(HEIGHT)
        .show_background(false)
        .show_x(false)
        .show_y(false)
        .show_crosshair(false)
        .allow_drag(false)
        .allow_zoom(false)
        .allow_scroll(false)
        .allow_boxed_zoom(false)
        .allow_axis_zoom_drag(false)
        .allow_double_click_reset(false)
        .grid_spacing(SPACING as f32..=300.0)
        .grid_color(colours.border)
        .grid_fade(0.0)
        .custom_x_axes(vec![x])
        .custom_y_axes(vec![y.min_thickness(NUMBERS)]);
    let response = draw(plot, ui);
    response.widget_info(|| WidgetInfo::labeled(Role::Image, true, label));
}

/// A mark at every whole number in sight.
pub(in crate::gui::panels) fn whole(input: GridInput) -> Vec<GridMark> {
    let (from, to) = (input.bounds.0.ceil() as i64, input.bounds.1.floor() as i64);
    (from..=to.min(from + 64)).map(|value| GridMark { value: value as f64, step_size: 1.0 }).collect()
}

/// Marks at round numbers so many points apart, and no nearer than `least`.
pub(in crate::gui::panels) fn round(points: f64, least: f64) -> impl Fn(GridInput) -> Vec<GridMark> {
    move |input| {
        let wanted = (input.base_step_size * points / SPACING).max(least);
        let unit = 10f64.powf(wanted.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|n| n * unit).into_iter().find(|step| *step >= wanted).unwrap_or(wanted);
        let (from, to) = ((input.bounds.0 / step).ceil() as i64, (input.bounds.1 / step).floor() as i64);
        (from..=to.min(from + 64)).map(|n| GridMark { value: n as f64 * step, step_size: step }).collect()
    }
}

/// `0.001` of -3.
pub(in crate::gui::panels) fn power(exponent: f64) -> String {
    let value = 10f64.powf(exponent);
    if exponent >= -4.0 { format!("{value}") } else { format!("{value:.0e}") }
}

/// How many tokens have which divergence.
pub(super) fn histogram(ui: &mut Ui, measured: &Measured) {
    let colour = theme::palette(ui).accent;
    title(ui, "Tokens by KL divergence", "Further to the right, a token is predicted less like the original does.");
    let counts = &measured.histogram.counts;
    let all = counts.iter().sum::<usize>().max(1) as f64;
    let width = 1.0 / f64::from(Histogram::STEPS);
    let told = |place: usize, count: usize| {
        let [from, to] = [place, place + 1].map(|place| 10f64.powf(Histogram::power(place)));
        let range = match place {
            0 => format!("below {to:.1e}"),
            _ => format!("from {from:.1e} to {to:.1e}"),
        };
        let tokens = units::grouped(count as u64);
        format!("{tokens} tokens, {}\n{range}", units::percent(count as f64 / all))
    };
    let filled = counts.iter().enumerate().filter(|(_, count)| **count > 0);
    let bars: Vec<Bar> = filled
        .map(|(place, count)| {
            let bar = Bar::new(Histogram::power(place) + width / 2.0, *count as f64).width(width * SHARE);
            bar.name(told(place, *count)).fill(colour)
        })
        .collect();
    let x = AxisHints::new_x().formatter(|mark, _| power(mark.value)).label_spacing(28.0..=36.0);
    let label = format!("Histogram of {} tokens", units::grouped(all as u64));
    chart(ui, &label, [x, AxisHints::new_y()], |plot, ui| {
        let plot = plot.x_grid_spacer(whole).y_grid_spacer(round(32.0, 1.0)).include_y(0.0);
        plot.show(ui, |plot| plot.bar_chart(named(bars))).response
    });
}

/// How the error grows from layer to layer.
pub(super) fn layers(ui: &mut Ui, measured: &Measured) {
    let colour = theme::palette(ui).accent;
    title(ui, "Error after each layer", "How far the state of the model is from the original’s, on its way through.");
    let bars = measured.report.layer_errors.iter().enumerate().map(|(layer, error)| {
        let told = format!("After layer {layer}: {}", units::percent(*error));
        Bar::new(layer as f64, 100.0 * error).width(SHARE).name(told).fill(colour)
    });
    let bars: Vec<Bar> = bars.collect();
    let label = format!("Error after each of {} layers", bars.len());
    let y = AxisHints::new_y().formatter(|mark, _| format!("{} %", (1e4 * mark.value).round() / 1e4));
    let x = AxisHints::new_x().formatter(|mark, _| match mark.value {
        value if value.fract() == 0.0 && value >= 0.0 => format!("{value}"),
        _ => String::new(),
    });
    chart(ui, &label, [x.label_spacing(18.0..=26.0), y], |plot, ui| {
        let plot = plot.x_grid_spacer(round(32.0, 1.0)).y_grid_spacer(round(32.0, 0.0)).include_y(0.0);
        plot.show(ui, |plot| plot.bar_chart(named(bars))).response
    });
}

/// Bars that tell their names under the pointer.
fn named(bars: Vec<Bar>) -> BarChart {
    BarChart::new("", bars).element_formatter(Box::new(|bar, _| bar.name.clone()))
}
