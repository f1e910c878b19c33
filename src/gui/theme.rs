//! The look, as tokens: every colour, text size and distance in the window is named here and nowhere else.

use egui::{
    Color32, CornerRadius, FontData, FontDefinitions, FontFamily, FontId, Margin, Shadow, Stroke, TextStyle, Theme,
};
use std::sync::Arc;

/// Distances are multiples of this many points.
pub(super) const GRID: f32 = 4.0;
/// Between things that belong together.
pub(super) const NEAR: f32 = 2.0 * GRID;
/// Between groups.
pub(super) const APART: f32 = 4.0 * GRID;
/// Height of a button or text field.
pub(super) const ROW: f32 = 7.0 * GRID;
/// Height of a list or table row.
pub(super) const LINE: f32 = 6.5 * GRID;
/// Height of the primary button.
pub(super) const TALL: f32 = 10.0 * GRID;
/// Of panels' contents from their edges.
pub(super) const MARGIN: Margin = Margin { left: 20, right: 20, top: 12, bottom: 12 };
/// Of cards' contents from their edges.
pub(super) const CARD_MARGIN: Margin = Margin::same(16);
/// Corners of buttons and rows.
pub(super) const ROUND: CornerRadius = CornerRadius::same(6);
/// Corners of cards and dialogs.
pub(super) const CARD_ROUND: CornerRadius = CornerRadius::same(10);

/// The colours of one theme.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Palette {
    /// Behind everything.
    pub(super) window: Color32,
    /// Bars and side panels.
    pub(super) panel: Color32,
    /// Buttons, and rows under the pointer.
    pub(super) raised: Color32,
    /// Pressed buttons.
    pub(super) pressed: Color32,
    /// Text fields and the empty part of bars.
    pub(super) sunken: Color32,
    /// Lines between things.
    pub(super) border: Color32,
    /// What is read first.
    pub(super) text: Color32,
    /// Labels and explanations.
    pub(super) muted: Color32,
    /// The primary button, the selection, progress.
    pub(super) accent: Color32,
    /// Text on `accent`.
    pub(super) on_accent: Color32,
    /// Behind the selected row.
    pub(super) selected: Color32,
    /// Cached keys and values.
    pub(super) cache: Color32,
    /// Buffers of a running model.
    pub(super) buffers: Color32,
    /// Memory that other programs use.
    pub(super) used: Color32,
    /// Something to know.
    pub(super) warn: Color32,
    /// Something to correct.
    pub(super) error: Color32,
    /// From the smallest error of the map to the largest.
    pub(super) heat: [Color32; 4],
    /// Over the window while a dialog is open.
    pub(super) veil: Color32,
    /// Around menus and dialogs.
    pub(super) shadow: Color32,
}

const DARK: Palette = Palette {
    window: Color32::from_rgb(0x14, 0x17, 0x1c),
    panel: Color32::from_rgb(0x1a, 0x1e, 0x25),
    raised: Color32::from_rgb(0x27, 0x2d, 0x37),
    pressed: Color32::from_rgb(0x31, 0x39, 0x46),
    sunken: Color32::from_rgb(0x0f, 0x12, 0x16),
    border: Color32::from_rgb(0x2c, 0x33, 0x3e),
    text: Color32::from_rgb(0xe7, 0xea, 0xee),
    muted: Color32::from_rgb(0x9b, 0xa5, 0xb4),
    accent: Color32::from_rgb(0x58, 0xc4, 0xb4),
    on_accent: Color32::from_rgb(0x06, 0x22, 0x1e),
    selected: Color32::from_rgb(0x1c, 0x36, 0x37),
    cache: Color32::from_rgb(0x6b, 0x9b, 0xe0),
    buffers: Color32::from_rgb(0xc9, 0x93, 0x4f),
    used: Color32::from_rgb(0x4d, 0x57, 0x66),
    warn: Color32::from_rgb(0xe6, 0xb4, 0x5c),
    error: Color32::from_rgb(0xf2, 0x8b, 0x82),
    heat: [
        Color32::from_rgb(0x1f, 0x2e, 0x45),
        Color32::from_rgb(0x2d, 0x6f, 0x83),
        Color32::from_rgb(0xc9, 0x93, 0x4f),
        Color32::from_rgb(0xff, 0xe6, 0x8f),
    ],
    veil: Color32::from_rgba_premultiplied(0, 0, 0, 150),
    shadow: Color32::from_rgba_premultiplied(0, 0, 0, 110),
};

const LIGHT: Palette = Palette {
    window: Color32::from_rgb(0xf5, 0xf6, 0xf8),
    panel: Color32::from_rgb(0xff, 0xff, 0xff),
    raised: Color32::from_rgb(0xec, 0xee, 0xf2),
    pressed: Color32::from_rgb(0xde, 0xe2, 0xe8),
    sunken: Color32::from_rgb(0xee, 0xf0, 0xf3),
    border: Color32::from_rgb(0xd9, 0xdd, 0xe4),
    text: Color32::from_rgb(0x1a, 0x1f, 0x27),
    muted: Color32::from_rgb(0x58, 0x62, 0x71),
    accent: Color32::from_rgb(0x0b, 0x75, 0x6a),
    on_accent: Color32::from_rgb(0xff, 0xff, 0xff),
    selected: Color32::from_rgb(0xe0, 0xf1, 0xee),
    cache: Color32::from_rgb(0x3f, 0x76, 0xc4),
    buffers: Color32::from_rgb(0xb8, 0x7a, 0x2c),
    used: Color32::from_rgb(0xb4, 0xbc, 0xc8),
    warn: Color32::from_rgb(0x85, 0x57, 0x00),
    error: Color32::from_rgb(0xb3, 0x26, 0x1e),
    heat: [
        Color32::from_rgb(0xe3, 0xef, 0xec),
        Color32::from_rgb(0x8f, 0xc4, 0xbf),
        Color32::from_rgb(0x3d, 0x7c, 0xa8),
        Color32::from_rgb(0x3f, 0x1d, 0x63),
    ],
    veil: Color32::from_rgba_premultiplied(0, 0, 0, 70),
    shadow: Color32::from_rgba_premultiplied(0, 0, 0, 30),
};

/// The colours in use.
pub(super) fn palette(ui: &egui::Ui) -> &'static Palette {
    of(if ui.visuals().dark_mode { Theme::Dark } else { Theme::Light })
}

/// The colours of a theme.
pub(super) fn of(theme: Theme) -> &'static Palette {
    match theme {
        Theme::Dark => &DARK,
        Theme::Light => &LIGHT,
    }
}

/// The colour of an error, from 0 for the smallest of the map to 1 for the largest.
pub(super) fn heat(palette: &Palette, fraction: f32) -> Color32 {
    let last = palette.heat.len() - 1;
    let at = fraction.clamp(0.0, 1.0) * last as f32;
    let left = (at as usize).min(last - 1);
    palette.heat[left].lerp_to_gamma(palette.heat[left + 1], at - left as f32)
}

/// Black or white, whichever is easier to read on a colour.
pub(super) fn on(ground: Color32) -> Color32 {
    [Color32::BLACK, Color32::WHITE]
        .into_iter()
        .max_by(|a, b| contrast(*a, ground).total_cmp(&contrast(*b, ground)))
        .unwrap_or(Color32::WHITE)
}

/// Relative luminance of WCAG 2.
fn luminance(colour: Color32) -> f64 {
    let linear = |channel: u8| {
        let c = f64::from(channel) / 255.0;
        if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * linear(colour.r()) + 0.7152 * linear(colour.g()) + 0.0722 * linear(colour.b())
}

/// Contrast of WCAG 2, from 1 to 21.
fn contrast(a: Color32, b: Color32) -> f64 {
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

/// The semibold face.
pub(super) fn strong() -> FontFamily {
    FontFamily::Name("strong".into())
}

/// The model's name, the title of the empty window.
pub(super) fn title() -> TextStyle {
    TextStyle::Name("title".into())
}

/// Values and names that stand out.
pub(super) fn value() -> TextStyle {
    TextStyle::Name("value".into())
}

/// Installs the fonts and both themes.
pub(super) fn install(ctx: &egui::Context) {
    ctx.set_fonts(fonts());
    for theme in [Theme::Dark, Theme::Light] {
        ctx.set_style_of(theme, style(theme));
    }
}

fn fonts() -> FontDefinitions {
    let mut fonts = FontDefinitions::default();
    let mut add = |name: &str, bytes: &'static [u8]| {
        fonts.font_data.insert(name.to_owned(), Arc::new(FontData::from_static(bytes)));
    };
    add("Inter", include_bytes!("../../assets/fonts/Inter-Regular.otf"));
    add("Inter SemiBold", include_bytes!("../../assets/fonts/Inter-SemiBold.otf"));
    let proportional = fonts.families.entry(FontFamily::Proportional).or_default();
    let mut strong_faces = proportional.clone();
    proportional.insert(0, "Inter".to_owned());
    strong_faces.insert(0, "Inter SemiBold".to_owned());
    fonts.families.insert(strong(), strong_faces);
    fonts
}

fn style(theme: Theme) -> egui::Style {
    let colours = of(theme);
    let mut style = theme.default_style();
    style.text_styles = [
        (TextStyle::Small, FontId::proportional(12.0)),
        (TextStyle::Body, FontId::proportional(13.5)),
        (TextStyle::Button, FontId::proportional(13.5)),
        (TextStyle::Monospace, FontId::monospace(12.5)),
        (value(), FontId::new(13.5, strong())),
        (TextStyle::Heading, FontId::new(15.0, strong())),
        (title(), FontId::new(22.0, strong())),
    ]
    .into();
    style.spacing.item_spacing = egui::vec2(NEAR, NEAR);
    style.spacing.button_padding = egui::vec2(3.0 * GRID, 1.5 * GRID);
    style.spacing.interact_size.y = ROW;
    style.spacing.menu_margin = Margin::same(6);
    style.spacing.window_margin = CARD_MARGIN;
    style.spacing.tooltip_width = 420.0;
    style.spacing.combo_width = 0.0;
    style.spacing.scroll = egui::style::ScrollStyle::thin();
    style.spacing.scroll.foreground_color = true;
    style.spacing.scroll.dormant_handle_opacity = 0.3;
    style.spacing.scroll.active_handle_opacity = 0.5;
    style.spacing.scroll.interact_handle_opacity = 0.7;
    style.interaction.selectable_labels = false;
    style.interaction.tooltip_delay = 0.35;
    style.visuals = visuals(theme, colours);
    style
}

fn visuals(theme: Theme, colours: &Palette) -> egui::Visuals {
    let mut visuals = theme.default_visuals();
    visuals.panel_fill = colours.panel;
    visuals.window_fill = colours.panel;
    visuals.window_stroke = Stroke::new(1.0, colours.border);
    visuals.window_corner_radius = CARD_ROUND;
    visuals.menu_corner_radius = ROUND;
    visuals.window_shadow = Shadow { offset: [0, 8], blur: 24, spread: 0, color: colours.shadow };
    visuals.popup_shadow = Shadow { offset: [0, 4], blur: 12, spread: 0, color: colours.shadow };
    visuals.extreme_bg_color = colours.sunken;
    visuals.code_bg_color = colours.sunken;
    visuals.faint_bg_color = colours.panel;
    visuals.weak_text_color = Some(colours.muted);
    visuals.warn_fg_color = colours.warn;
    visuals.error_fg_color = colours.error;
    visuals.hyperlink_color = colours.accent;
    visuals.selection.bg_fill = colours.selected;
    visuals.selection.stroke = Stroke::new(1.0, colours.accent);
    let widget = |fill: Color32, line: Color32, text: Color32| egui::style::WidgetVisuals {
        bg_fill: fill,
        weak_bg_fill: fill,
        bg_stroke: Stroke::new(1.0, line),
        corner_radius: ROUND,
        fg_stroke: Stroke::new(1.0, text),
        expansion: 0.0,
    };
    visuals.widgets.noninteractive = widget(colours.panel, colours.border, colours.text);
    visuals.widgets.inactive = widget(colours.raised, colours.border, colours.text);
    visuals.widgets.hovered = widget(colours.pressed, colours.muted, colours.text);
    visuals.widgets.active = widget(colours.pressed, colours.accent, colours.text);
    visuals.widgets.open = widget(colours.pressed, colours.border, colours.text);
    visuals
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_readable_wherever_it_stands() {
        for theme in [Theme::Dark, Theme::Light] {
            let p = of(theme);
            let grounds = [p.window, p.panel, p.raised, p.sunken, p.selected];
            for (name, text) in
                [("text", p.text), ("muted", p.muted), ("accent", p.accent), ("warn", p.warn), ("error", p.error)]
            {
                for ground in grounds {
                    let found = contrast(text, ground);
                    assert!(found >= 4.5, "{theme:?}: {name} on {ground:?} has a contrast of {found:.2}");
                }
            }
            assert!(contrast(p.on_accent, p.accent) >= 4.5);
        }
    }
    #[test]
    fn a_larger_error_is_further_from_the_ground_and_its_number_readable() {
        for theme in [Theme::Dark, Theme::Light] {
            let p = of(theme);
            let colours: Vec<_> = (0..=60).map(|step| heat(p, step as f32 / 60.0)).collect();
            assert!(colours.iter().all(|colour| contrast(on(*colour), *colour) >= 4.5));
            let from_ground: Vec<_> = colours.iter().map(|colour| contrast(*colour, p.window)).collect();
            assert!(from_ground.is_sorted(), "{theme:?}: {from_ground:?}");
        }
    }
}
