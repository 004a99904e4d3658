//! Text on planes: glyphs rasterised once, then blended into luma.

use ab_glyph::{Font, FontRef, Glyph, PxScale, ScaleFont, point};

/// Coverage of a drawn text, 0 to 255 a pixel, row by row.
#[derive(Clone, Debug, Default)]
pub(super) struct Stencil {
    pub width: usize,
    pub height: usize,
    coverage: Vec<u8>,
}

impl Stencil {
    /// `text` in one line, `size_px` high from ascender to descender, cut with an ellipsis so that it is at most
    /// `max_width` wide. Empty when the font cannot be read or there is nothing to draw.
    pub fn text(text: &str, size_px: f32, max_width: usize) -> Self {
        let Ok(font) = FontRef::try_from_slice(epaint_default_fonts::UBUNTU_LIGHT) else { return Self::default() };
        let mut line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let mut laid_out = layout(&font, &line, size_px);
        while laid_out.1 > max_width as f32 && line.chars().count() > 1 {
            line = line.trim_end_matches('…').to_owned();
            line.pop();
            line = format!("{}…", line.trim_end());
            laid_out = layout(&font, &line, size_px);
        }
        let (glyphs, width) = laid_out;
        let (width, height) = ((width.ceil() as usize).min(max_width), size_px.ceil() as usize);
        let mut stencil = Self { width, height, coverage: vec![0; width * height] };
        for glyph in glyphs {
            stencil.draw(&font, glyph);
        }
        stencil
    }

    fn draw(&mut self, font: &FontRef<'_>, glyph: Glyph) {
        let Some(outline) = font.outline_glyph(glyph) else { return };
        let bounds = outline.px_bounds();
        let (left, top) = (bounds.min.x as i64, bounds.min.y as i64);
        outline.draw(|x, y, coverage| {
            let (x, y) = (left + i64::from(x), top + i64::from(y));
            if let (Ok(x), Ok(y)) = (usize::try_from(x), usize::try_from(y))
                && x < self.width
                && y < self.height
            {
                let pixel = &mut self.coverage[y * self.width + x];
                *pixel = pixel.saturating_add((coverage * 255.0) as u8);
            }
        });
    }

    /// Blends the text as luma `luma` into a plane of `plane_width` at `x`, `y`; what does not fit is left out.
    pub fn blend(&self, plane: &mut [u8], plane_width: usize, x: usize, y: usize, luma: u8) {
        let visible = self.width.min(plane_width.saturating_sub(x));
        if visible == 0 {
            return;
        }
        for (row, coverage) in self.coverage.chunks_exact(self.width).enumerate() {
            let at = (y + row) * plane_width + x;
            let Some(pixels) = plane.get_mut(at..at + visible) else { break };
            for (pixel, coverage) in pixels.iter_mut().zip(coverage) {
                let (c, old) = (u32::from(*coverage), u32::from(*pixel));
                *pixel = ((old * (255 - c) + u32::from(luma) * c + 127) / 255) as u8;
            }
        }
    }
}

fn layout(font: &FontRef<'_>, text: &str, size_px: f32) -> (Vec<Glyph>, f32) {
    let scaled = font.as_scaled(PxScale::from(size_px));
    let mut x = 0.0;
    let mut previous = None;
    let mut glyphs = Vec::new();
    for c in text.chars() {
        let id = scaled.glyph_id(c);
        if let Some(previous) = previous {
            x += scaled.kern(previous, id);
        }
        glyphs.push(id.with_scale_and_position(PxScale::from(size_px), point(x, scaled.ascent())));
        x += scaled.h_advance(id);
        previous = Some(id);
    }
    (glyphs, x)
}

/// Digits and what clocks are made of: drawn once, set many times.
#[derive(Clone, Debug)]
pub(super) struct DigitSet {
    glyphs: Vec<Stencil>,
}

impl DigitSet {
    const CHARACTERS: &'static str = "0123456789:.#- ";

    pub fn new(size_px: f32) -> Self {
        Self { glyphs: Self::CHARACTERS.chars().map(|c| Stencil::text(&c.to_string(), size_px, 400)).collect() }
    }

    fn set<'a>(&'a self, text: &'a str) -> impl Iterator<Item = &'a Stencil> {
        text.chars().filter_map(|c| Self::CHARACTERS.chars().position(|known| known == c).map(|i| &self.glyphs[i]))
    }

    /// Width of `text` in pixels.
    pub fn width(&self, text: &str) -> usize {
        self.set(text).map(|glyph| glyph.width).sum()
    }

    /// Blends `text` as luma `luma` into a plane of `plane_width` at `x`, `y`; characters it has no glyph for are left out.
    pub fn blend(&self, text: &str, plane: &mut [u8], plane_width: usize, x: usize, y: usize, luma: u8) {
        let mut x = x;
        for glyph in self.set(text) {
            glyph.blend(plane, plane_width, x, y, luma);
            x += glyph.width;
        }
    }
}
