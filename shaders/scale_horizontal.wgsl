// The horizontal pass of the scaler, all three planes of a picture in one dispatch: each invocation filters one output
// column of two rows and writes them as one word, even row in the low half. Integer arithmetic as in scale/portable.rs.

struct Plane {
    // Word offsets and strides, in words of four samples of eight bits or two of ten.
    source: u32,
    source_stride: u32,
    source_rows: u32,
    outputs: u32,
    // In words of one pair.
    middle: u32,
    middle_stride: u32,
    pairs: u32,
    // Offsets into the tables: the first source word of each output, and two words of weights per source word.
    firsts: u32,
    weights: u32,
    window_words: u32,
    unused_0: u32,
    unused_1: u32,
}

struct Params {
    planes: array<Plane, 3>,
    // Workgroup rows of the luma plane; below them lie the two chroma planes side by side, each so many workgroups wide.
    luma_group_rows: u32,
    chroma_group_columns: u32,
    unused: u32,
    // 1: the source's samples have ten bits.
    wide: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(1) @binding(0) var<storage, read> tables: array<u32>;
@group(2) @binding(0) var<storage, read> source: array<u32>;
@group(3) @binding(0) var<storage, read_write> middle: array<u32>;

// WEIGHT_BITS - MIDDLE_BITS, for samples of eight bits.
const MIDDLE_SHIFT: u32 = 8u;

fn weight_low(word: u32) -> i32 {
    return bitcast<i32>(word << 16u) >> 16u;
}

fn weight_high(word: u32) -> i32 {
    return bitcast<i32>(word) >> 16u;
}

// Four samples. Those of ten bits are none larger, whatever is there.
fn samples_at(at: u32) -> vec4<i32> {
    if params.wide == 0u {
        return vec4<i32>(unpack4xU8(source[at]));
    }
    let front = source[at];
    let back = source[at + 1u];
    let four = vec4<u32>(front & 0xffffu, front >> 16u, back & 0xffffu, back >> 16u);
    return vec4<i32>(min(four, vec4<u32>(1023u)));
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
    let x = block.x * 32u + local.x;
    let pair = block.y * 4u + local.y;
    if x >= plane.outputs || pair >= plane.pairs {
        return;
    }
    // Ten bits: twice the words, and two bits fewer to gain.
    let first = plane.source + (tables[plane.firsts + x] << params.wide);
    let shift = MIDDLE_SHIFT + 2u * params.wide;
    let even = first + min(2u * pair, plane.source_rows - 1u) * plane.source_stride;
    let odd = first + min(2u * pair + 1u, plane.source_rows - 1u) * plane.source_stride;
    let weights = plane.weights + 2u * x * plane.window_words;
    var sum_even = 1i << (shift - 1u);
    var sum_odd = sum_even;
    for (var word = 0u; word < plane.window_words; word++) {
        let front = tables[weights + 2u * word];
        let back = tables[weights + 2u * word + 1u];
        let w = vec4<i32>(weight_low(front), weight_high(front), weight_low(back), weight_high(back));
        sum_even += dot(samples_at(even + (word << params.wide)), w);
        sum_odd += dot(samples_at(odd + (word << params.wide)), w);
    }
    let low = bitcast<u32>(sum_even >> shift) & 0xffffu;
    let high = bitcast<u32>(sum_odd >> shift) << 16u;
    middle[plane.middle + pair * plane.middle_stride + x] = low | high;
}
