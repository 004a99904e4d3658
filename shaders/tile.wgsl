// What all conversions of a scaled tile have in common, in front of each: parameters, and samples of the tile on the grids of luma and of chroma.
// Integer arithmetic as in colour.rs.

struct Params {
    // Rows of the map for affine conversion: three factors and the offset. Unused elsewhere.
    factors: array<vec4<i32>, 3>,
    // Per plane: word offset and stride of the tile and of the canvas.
    tile: vec4<u32>,
    tile_strides: vec4<u32>,
    canvas: vec4<u32>,
    canvas_strides: vec4<u32>,
    // The rectangle in luma samples: x, y, width, height.
    rect: vec4<u32>,
    luma_group_rows: u32,
    chroma_group_columns: u32,
    // Of the conversion to eight bits. 0: affine; 1: through light, by the tables.
    kind: u32,
    // 1: the tile's samples have ten bits, two of them a word.
    wide: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(1) @binding(0) var<storage, read> tables: array<u32>;
@group(2) @binding(0) var<storage, read> tile: array<u32>;
@group(3) @binding(0) var<storage, read_write> canvas: array<u32>;

fn sample_at(plane: u32, x: u32, y: u32) -> u32 {
    let row = params.tile[plane] + y * params.tile_strides[plane];
    if params.wide == 1u {
        return (tile[row + x / 2u] >> (16u * (x % 2u))) & 0xffffu;
    }
    return (tile[row + x / 4u] >> (8u * (x % 4u))) & 255u;
}

// A chroma sample on the luma grid's row: three quarters of the near row and one of the far.
fn blended(plane: u32, x: u32, near: u32, far: u32) -> u32 {
    return (3u * sample_at(plane, x, near) + sample_at(plane, x, far) + 2u) >> 2u;
}

fn chroma_for_luma(plane: u32, x: u32, y: u32) -> u32 {
    let near = y / 2u;
    let chroma_height = params.rect.w / 2u;
    let far = select(min(near + 1u, chroma_height - 1u), max(near, 1u) - 1u, y % 2u == 0u);
    let here = blended(plane, x / 2u, near, far);
    if x % 2u == 0u {
        return here;
    }
    let next = min(x / 2u + 1u, params.rect.z / 2u - 1u);
    return (here + blended(plane, next, near, far) + 1u) >> 1u;
}

fn luma_for_chroma(x: u32, y: u32) -> u32 {
    let left = max(2u * x, 1u) - 1u;
    var sum = 4u;
    for (var row = 2u * y; row < 2u * y + 2u; row++) {
        sum += sample_at(0u, left, row) + 2u * sample_at(0u, 2u * x, row) + sample_at(0u, 2u * x + 1u, row);
    }
    return sum >> 3u;
}

// (Y, U, V) where plane `plane` has a sample.
fn codes_at(plane: u32, x: u32, y: u32) -> vec3<u32> {
    if plane == 0u {
        return vec3<u32>(sample_at(0u, x, y), chroma_for_luma(1u, x, y), chroma_for_luma(2u, x, y));
    }
    return vec3<u32>(luma_for_chroma(x, y), sample_at(1u, x, y), sample_at(2u, x, y));
}

// Where an invocation works.
struct Place {
    plane: u32,
    // The rectangle in samples of the plane.
    rect: vec4<u32>,
    // Of the four samples that are written: which four of a row of the canvas, and which row of the rectangle.
    four: u32,
    row: u32,
    // Whether any of them is in the rectangle.
    inside: bool,
}

fn place_of(group: vec2<u32>, local: vec2<u32>) -> Place {
    var plane = 0u;
    var block = group;
    if group.y >= params.luma_group_rows {
        plane = 1u + group.x / params.chroma_group_columns;
        block = vec2<u32>(group.x % params.chroma_group_columns, group.y - params.luma_group_rows);
    }
    let rect = params.rect >> vec4<u32>(min(plane, 1u));
    let four = rect.x / 4u + block.x * 32u + local.x;
    let row = block.y * 4u + local.y;
    let inside = plane < 3u && row < rect.w && 4u * four < rect.x + rect.z;
    return Place(plane, rect, four, row, inside);
}
