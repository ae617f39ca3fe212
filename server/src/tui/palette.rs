//! The board's own colours, for terminals of 24 bits: the web board's values, on a light and on a dark ground.
//!
//! They come into force once the terminal has told how dark its ground is; a test holds them to the web board's.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Color;

/// How dark the terminal's ground is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ground {
    /// Dark letters on it are read best.
    Light,
    /// Light letters are.
    Dark,
}

impl Ground {
    /// The ground of what a terminal answers to OSC 11: `rgb:ffff/ffff/ffff`, of one to four hex digits each; none
    /// where that says no colour.
    pub(super) fn of_answer(text: &str) -> Option<Self> {
        let parts = text.strip_prefix("rgb:").or_else(|| text.strip_prefix("rgba:"))?;
        let mut parts = parts.split('/').map(|part| {
            let most = f64::from((1_u32 << (4 * part.len().clamp(1, 4))) - 1);
            (part.len() <= 4).then_some(f64::from(u32::from_str_radix(part, 16).ok()?) / most)
        });
        let mut part = || parts.next().flatten();
        let (red, green, blue) = (part()?, part()?, part()?);
        let light = 0.2126 * red + 0.7152 * green + 0.0722 * blue;
        Some(if light > 0.5 { Self::Light } else { Self::Dark })
    }

    /// Its colours.
    pub(super) const fn palette(self) -> &'static Palette {
        match self {
            Self::Light => &LIGHT,
            Self::Dark => &DARK,
        }
    }
}

macro_rules! palette {
    ($($(#[$doc:meta])* $field:ident $light:literal $dark:literal;)*) => {
        /// The colours, by the names that the web board's sheet has for them.
        #[derive(Debug, PartialEq, Eq)]
        pub(super) struct Palette {
            $($(#[$doc])* pub(super) $field: Color,)*
        }
        const LIGHT: Palette = Palette { $($field: rgb($light)),* };
        const DARK: Palette = Palette { $($field: rgb($dark)),* };
    };
}

palette! {
    /// The ground of everything.
    surface 0x00fd_fdfb 0x001c_1e22;
    /// Text.
    ink 0x001a_1c20 0x00ec_eef1;
    /// Text that matters less.
    ink3 0x0056_5b63 0x00a3_a9b2;
    /// Lines.
    edge 0x007d_8179 0x0076_7c86;
    /// Keys.
    accent 0x003a_3fb0 0x00aa_b2ff;
    /// The ground of what is selected.
    sel 0x00e4_e5f8 0x002a_2d4d;
    /// What works.
    run 0x0007_5985 0x005a_b6ea;
    /// Its ground.
    run_bg 0x00dc_eefa 0x0012_303f;
    /// What lands.
    land 0x006a_2a9e 0x00e6_cbfd;
    /// Its ground.
    land_bg 0x00ef_e3fa 0x0033_224a;
    /// What asks a person, as text.
    ask 0x006f_4200 0x00f4_c257;
    /// The same as a ground.
    ask_fill 0x00f2_b632 0x00f2_b632;
    /// Text on that ground.
    on_ask 0x0023_1500 0x0023_1500;
    /// What is wrong, as text.
    bad 0x00a3_1912 0x00ff_9c92;
    /// The same as a ground.
    bad_fill 0x00b3_261e 0x00ff_8d82;
    /// Text on that ground.
    on_bad 0x00ff_ffff 0x002b_0603;
    /// What is well.
    good 0x001b_7038 0x0086_d69a;
    /// The ground of lines that are new.
    add_bg 0x00e2_f4e4 0x0014_301d;
    /// The ground of lines that are gone.
    del_bg 0x00fb_e7e5 0x003a_1a1a;
}

const fn rgb(value: u32) -> Color {
    let [_, red, green, blue] = value.to_be_bytes();
    Color::Rgb(red, green, blue)
}

/// The sixteen colours, the ground and the text of an agent's terminal: dark on either ground.
const PANE: [u32; 16] = [
    0x0085_8c96,
    0x00ff_7b72,
    0x007e_e08e,
    0x00e8_c35a,
    0x0079_b8ff,
    0x00d9_a6ff,
    0x006f_dbe0,
    0x00d4_d8de,
    0x008b_929c,
    0x00ff_9a92,
    0x00a2_ecae,
    0x00f3_d787,
    0x00a5_d0ff,
    0x00e8_c6ff,
    0x009b_e9ec,
    0x00ff_ffff,
];
const PANE_GROUND: u32 = 0x0014_161a;
const PANE_TEXT: u32 = 0x00d4_d8de;

/// Gives an agent's terminal its colours.
pub(super) fn paint_pane(area: Rect, buffer: &mut Buffer) {
    let paint = |color: Color, plain: u32| match color {
        Color::Reset => rgb(plain),
        Color::Indexed(index) => PANE.get(usize::from(index)).map_or(color, |value| rgb(*value)),
        color => color,
    };
    for position in area.intersection(buffer.area).positions() {
        let cell = &mut buffer[position];
        (cell.fg, cell.bg) = (paint(cell.fg, PANE_TEXT), paint(cell.bg, PANE_GROUND));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ground_is_told_from_the_answer() {
        for (answer, ground) in [
            ("rgb:ffff/ffff/ffff", Some(Ground::Light)),
            ("rgb:fdfd/f6f6/e3e3", Some(Ground::Light)),
            ("rgb:00/2b/36", Some(Ground::Dark)),
            ("rgba:0000/0000/0000/ffff", Some(Ground::Dark)),
            ("rgb:f/f/f", Some(Ground::Light)),
            ("rgb:ffff/ffff", None),
            ("rgb:fffff/0/0", None),
            ("rgb:é/0/0", None),
            ("?", None),
            ("", None),
        ] {
            assert_eq!(Ground::of_answer(answer), ground, "{answer}");
        }
    }

    #[test]
    fn the_colours_are_those_of_the_web_board() {
        let css = include_str!("../web/assets/board.css");
        let block =
            |head: &str| css.split_once(head).and_then(|(_, rest)| rest.split_once('}')).expect(head).0;
        let (light, dark) = (block(":root{"), block(":root[data-theme=dark]{"));
        let short = |value: u32| {
            let long = format!("{value:06x}");
            let bytes = long.as_bytes();
            let doubled = bytes.chunks(2).all(|pair| pair[0] == pair[1]);
            doubled.then(|| bytes.iter().step_by(2).map(|digit| char::from(*digit)).collect::<String>())
        };
        // As they stand above: `add_bg 0x00e2_f4e4 0x0014_301d;`.
        let value = |text: &str| u32::from_str_radix(&text.strip_prefix("0x")?.replace('_', ""), 16).ok();
        let named = include_str!("palette.rs").lines().filter_map(|line| {
            let mut words = line.strip_prefix("    ")?.strip_suffix(';')?.split(' ');
            Some((words.next()?.replace('_', "-"), value(words.next()?)?, value(words.next()?)?))
        });
        let named: Vec<_> = named.collect();
        assert_eq!(named.len(), 19);
        for (name, on_light, on_dark) in &named {
            for (sheet, value) in [(light, *on_light), (dark, *on_dark)] {
                // What is the same on both grounds is said once.
                let sheet = if sheet.contains(&format!("--{name}:")) { sheet } else { light };
                let long = sheet.contains(&format!("--{name}:#{value:06x}"));
                let short = short(value).is_some_and(|short| sheet.contains(&format!("--{name}:#{short}")));
                assert!(long || short, "--{name} is not #{value:06x}");
            }
        }
    }

    /// WCAG 2.2's contrast of two colours.
    fn contrast(one: Color, other: Color) -> f64 {
        let light = |color| {
            let Color::Rgb(red, green, blue) = color else { panic!("{color:?} has no parts") };
            let part = |byte: u8| {
                let value = f64::from(byte) / 255.0;
                if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
            };
            0.2126 * part(red) + 0.7152 * part(green) + 0.0722 * part(blue)
        };
        let (one, other) = (light(one), light(other));
        (one.max(other) + 0.05) / (one.min(other) + 0.05)
    }

    #[test]
    fn every_text_can_be_read_on_its_ground() {
        for palette in [&LIGHT, &DARK] {
            for (text, ground, least) in [
                (palette.ink, palette.surface, 7.0),
                (palette.ink, palette.sel, 7.0),
                (palette.ink, palette.add_bg, 7.0),
                (palette.ink, palette.del_bg, 7.0),
                (palette.ink3, palette.surface, 4.5),
                (palette.ink3, palette.sel, 4.5),
                (palette.edge, palette.surface, 3.0),
                (palette.accent, palette.surface, 4.5),
                (palette.run, palette.run_bg, 4.5),
                (palette.run, palette.surface, 4.5),
                (palette.land, palette.land_bg, 4.5),
                (palette.land, palette.surface, 4.5),
                (palette.on_ask, palette.ask_fill, 7.0),
                (palette.ask, palette.surface, 4.5),
                (palette.on_bad, palette.bad_fill, 4.5),
                (palette.bad, palette.surface, 4.5),
                (palette.good, palette.surface, 4.5),
                (palette.good, palette.sel, 4.5),
            ] {
                let has = contrast(text, ground);
                assert!(has >= least, "{text:?} on {ground:?}: {has:.1}, not {least}");
            }
        }
        for color in PANE {
            assert!(contrast(rgb(color), rgb(PANE_GROUND)) >= 4.5, "{color:06x}");
        }
    }
}
