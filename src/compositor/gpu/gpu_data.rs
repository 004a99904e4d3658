//! Mirrors of the shaders' uniform structures, field for field, and the shaders themselves.

use bytemuck::{Pod, Zeroable};

use crate::frame::Depth;

pub(super) const SCALE_HORIZONTAL: &str = include_str!("../../../shaders/scale_horizontal.wgsl");
pub(super) const SCALE_VERTICAL: &str = include_str!("../../../shaders/scale_vertical.wgsl");
pub(super) const CONVERT: &str =
    concat!(include_str!("../../../shaders/tile.wgsl"), include_str!("../../../shaders/convert.wgsl"));
pub(super) const CONVERT_HDR: &str =
    concat!(include_str!("../../../shaders/tile.wgsl"), include_str!("../../../shaders/convert_hdr.wgsl"));
pub(super) const FILL: &str = include_str!("../../../shaders/fill.wgsl");

/// Invocations of a workgroup across and down in the shaders that handle a plane by blocks.
pub(super) const BLOCK: (u32, u32) = (32, 4);
/// Invocations of a workgroup of the fill shader.
pub(super) const FILL_BLOCK: u32 = 256;

/// `Plane` of `scale_horizontal.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Default, Pod, Zeroable)]
pub(super) struct HorizontalPlane {
    pub source: u32,
    pub source_stride: u32,
    pub source_rows: u32,
    pub outputs: u32,
    pub middle: u32,
    pub middle_stride: u32,
    pub pairs: u32,
    pub firsts: u32,
    pub weights: u32,
    pub window_words: u32,
    pub unused: [u32; 2],
}

/// `Plane` of `scale_vertical.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Default, Pod, Zeroable)]
pub(super) struct VerticalPlane {
    pub middle: u32,
    pub middle_stride: u32,
    pub spans: u32,
    pub weights: u32,
    pub span_pairs: u32,
    pub canvas: u32,
    pub canvas_stride: u32,
    pub x: u32,
    pub y: u32,
    pub width: u32,
    pub height: u32,
    pub unused: u32,
}

/// How a dispatch's workgroups lie on the planes: luma's on top, below them the chroma planes' side by side.
#[repr(C)]
#[derive(Clone, Copy, Default, Pod, Zeroable)]
pub(super) struct Blocks {
    pub luma_group_rows: u32,
    pub chroma_group_columns: u32,
    /// The `kind` of the conversion to eight bits; unused elsewhere.
    pub kind: u32,
    /// 1 where the samples on the wide side of the pass have ten bits: what the horizontal pass and the conversion read, what the vertical one writes.
    pub wide: u32,
}

impl Blocks {
    /// Blocks over planes of the given columns and rows of invocations (luma, chroma), and the number of workgroups.
    pub(super) fn over(luma: (u32, u32), chroma: (u32, u32), depth: Depth) -> (Self, (u32, u32)) {
        let luma = (luma.0.div_ceil(BLOCK.0), luma.1.div_ceil(BLOCK.1));
        let chroma = (chroma.0.div_ceil(BLOCK.0), chroma.1.div_ceil(BLOCK.1));
        let blocks = Self {
            luma_group_rows: luma.1,
            chroma_group_columns: chroma.0,
            kind: 0,
            wide: u32::from(depth == Depth::Ten),
        };
        (blocks, (luma.0.max(2 * chroma.0), luma.1 + chroma.1))
    }
}

/// `Params` of `scale_horizontal.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
pub(super) struct Horizontal {
    pub planes: [HorizontalPlane; 3],
    pub blocks: Blocks,
}

/// `Params` of `scale_vertical.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
pub(super) struct Vertical {
    pub planes: [VerticalPlane; 3],
    pub blocks: Blocks,
}

/// `Params` of `tile.wgsl`, which both conversions have.
#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
pub(super) struct Convert {
    pub factors: [[i32; 4]; 3],
    pub tile: [u32; 4],
    pub tile_strides: [u32; 4],
    pub canvas: [u32; 4],
    pub canvas_strides: [u32; 4],
    pub rect: [u32; 4],
    pub blocks: Blocks,
}

/// `Params` of `fill.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
pub(super) struct Fill {
    pub offsets: [u32; 4],
    pub words: [u32; 4],
    pub values: [u32; 4],
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compositor::{colour, filter, into_hdr, tone};

    /// Validates a shader, and that its `Params` is as long as the mirror.
    fn check(name: &str, text: &str, mirror: usize) -> naga::Module {
        let module = naga::front::wgsl::parse_str(text).unwrap_or_else(|e| panic!("{}", e.emit_to_string(text)));
        let mut validator =
            naga::valid::Validator::new(naga::valid::ValidationFlags::all(), naga::valid::Capabilities::empty());
        validator.validate(&module).unwrap_or_else(|e| panic!("{}", e.emit_to_string(text)));
        let (_, params) = module.types.iter().find(|(_, t)| t.name.as_deref() == Some("Params")).expect("Params");
        let naga::TypeInner::Struct { span, .. } = params.inner else { panic!("Params is a structure") };
        assert_eq!(span as usize, mirror, "{name}: Params and its mirror differ");
        module
    }

    #[test]
    fn every_shader_is_valid_and_as_long_as_its_mirror() {
        check("scale_horizontal", SCALE_HORIZONTAL, size_of::<Horizontal>());
        check("scale_vertical", SCALE_VERTICAL, size_of::<Vertical>());
        check("convert", CONVERT, size_of::<Convert>());
        check("convert_hdr", CONVERT_HDR, size_of::<Convert>());
        check("fill", FILL, size_of::<Fill>());
    }

    #[test]
    fn constants_of_shaders_and_twins_agree() {
        let constants = [
            (SCALE_HORIZONTAL, "MIDDLE_SHIFT", filter::WEIGHT_BITS - filter::MIDDLE_BITS),
            (SCALE_VERTICAL, "FINAL_SHIFT", filter::WEIGHT_BITS + filter::MIDDLE_BITS),
            (CONVERT, "AFFINE_BITS", colour::AFFINE_BITS),
        ];
        let of_tone = tone::CONSTANTS.map(|(name, value)| (CONVERT, name, value));
        let of_hdr = into_hdr::CONSTANTS.map(|(name, value)| (CONVERT_HDR, name, value));
        for (text, name, value) in constants.into_iter().chain(of_tone).chain(of_hdr) {
            assert!(text.contains(&format!("const {name}: u32 = {value}u;")), "{name} is not {value}");
        }
        for (name, value) in [("RGB_MOST", tone::RGB_MOST), ("MAPPED_MOST", tone::MAPPED_MOST)] {
            assert!(CONVERT.contains(&format!("const {name}: i32 = {value};")), "{name} is not {value}");
        }
        assert!(CONVERT_HDR.contains(&format!("const RGB_MOST: i32 = {};", tone::RGB_MOST)));
        for text in [SCALE_HORIZONTAL, SCALE_VERTICAL, CONVERT, CONVERT_HDR] {
            assert!(text.contains(&format!("@workgroup_size({}, {})", BLOCK.0, BLOCK.1)));
        }
        assert!(FILL.contains(&format!("@workgroup_size({FILL_BLOCK})")));
    }
}
