// The vertical pass of the scaler, all three planes in one dispatch: each invocation writes one word (four samples) of the
// canvas, or those of its samples that lie in the rectangle. Integer arithmetic as in scale/portable.rs.

struct Plane {
    // In words of one pair.
    middle: u32,
    middle_stride: u32,
    // Offsets into the tables: the first pair of each output row, and `span_pairs` words of two weights for each.
    spans: u32,
    weights: u32,
    span_pairs: u32,
    // Word offset and stride of the canvas plane, in words of four samples of eight bits or two of ten.
    canvas: u32,
    canvas_stride: u32,
    // The rectangle, in samples of this plane.
    x: u32,
    y: u32,
    width: u32,
    height: u32,
    unused: u32,
}

struct Params {
    planes: array<Plane, 3>,
    luma_group_rows: u32,
    chroma_group_columns: u32,
    unused: u32,
    // 1: what is written has ten bits, two samples of them a word.
    wide: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(1) @binding(0) var<storage, read> tables: array<u32>;
@group(2) @binding(0) var<storage, read> middle: array<u32>;
@group(3) @binding(0) var<storage, read_write> canvas: array<u32>;

// WEIGHT_BITS + MIDDLE_BITS, for samples of eight bits.
const FINAL_SHIFT: u32 = 20u;

fn value_low(word: u32) -> i32 {
    return bitcast<i32>(word << 16u) >> 16u;
}

fn value_high(word: u32) -> i32 {
    return bitcast<i32>(word) >> 16u;
}

// Writes those of two samples of ten bits that lie in the rectangle.
fn put_two(at: u32, samples: u32, inside: vec2<bool>) {
    let mask = select(0u, 0xffffu, inside.x) | select(0u, 0xffff0000u, inside.y);
    if all(inside) {
        canvas[at] = samples;
    } else if any(inside) {
        canvas[at] = (canvas[at] & ~mask) | (samples & mask);
    }
}

@compute @workgroup_size(32, 4)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    var index = 0u;
    var block = group.xy;
    if group.y >= params.luma_group_rows {
        index = 1u + group.x / params.chroma_group_columns;
        block = vec2<u32>(group.x % params.chroma_group_columns, group.y - params.luma_group_rows);
    }
    if index > 2u {
        return;
    }
    let plane = params.planes[index];
    let word = plane.x / 4u + block.x * 32u + local.x;
    let row = block.y * 4u + local.y;
    if row >= plane.height || 4u * word >= plane.x + plane.width {
        return;
    }
    // Columns of the rectangle under the word's four samples; those outside are computed from its edge and not written.
    let offset = vec4<i32>(i32(4u * word) - i32(plane.x)) + vec4<i32>(0, 1, 2, 3);
    let inside = offset >= vec4<i32>(0) & offset < vec4<i32>(i32(plane.width));
    let columns = vec4<u32>(clamp(offset, vec4<i32>(0), vec4<i32>(i32(plane.width) - 1)));
    var at = plane.middle + tables[plane.spans + row] * plane.middle_stride;
    let shift = FINAL_SHIFT - 2u * params.wide;
    var sums = vec4<i32>(1i << (shift - 1u));
    for (var k = 0u; k < plane.span_pairs; k++) {
        let weight = tables[plane.weights + row * plane.span_pairs + k];
        let a = middle[at + columns.x];
        let b = middle[at + columns.y];
        let c = middle[at + columns.z];
        let d = middle[at + columns.w];
        sums += value_low(weight) * vec4<i32>(value_low(a), value_low(b), value_low(c), value_low(d));
        sums += value_high(weight) * vec4<i32>(value_high(a), value_high(b), value_high(c), value_high(d));
        at += plane.middle_stride;
    }
    let canvas_row = plane.canvas + (plane.y + row) * plane.canvas_stride;
    if params.wide == 1u {
        let four = vec4<u32>(clamp(sums >> vec4<u32>(shift), vec4<i32>(0), vec4<i32>(1023)));
        let at = canvas_row + 2u * word;
        put_two(at, four.x | (four.y << 16u), inside.xy);
        put_two(at + 1u, four.z | (four.w << 16u), inside.zw);
        return;
    }
    let samples = pack4xU8(vec4<u32>(clamp(sums >> vec4<u32>(shift), vec4<i32>(0), vec4<i32>(255))));
    let canvas_word = canvas_row + word;
    if all(inside) {
        canvas[canvas_word] = samples;
    } else {
        let mask = pack4xU8(select(vec4<u32>(0u), vec4<u32>(255u), inside));
        canvas[canvas_word] = (canvas[canvas_word] & ~mask) | (samples & mask);
    }
}
