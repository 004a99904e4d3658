// Brings a scaled tile of other colours into its rectangle of the canvas, all three planes in one dispatch: each invocation
// writes one word (four samples). Integer arithmetic as in colour.rs, of which this is the twin.

struct Params {
    // Rows of the map for affine conversion: three factors and the offset.
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
    // 0: affine; 1: through light, by the tables.
    kind: u32,
    // 1: the tile's samples have ten bits, two of them a word.
    wide: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(1) @binding(0) var<storage, read> tables: array<u32>;
@group(2) @binding(0) var<storage, read> tile: array<u32>;
@group(3) @binding(0) var<storage, read_write> canvas: array<u32>;

const AFFINE_BITS: u32 = 14u;
// Of tone.rs.
const RGB_BITS: u32 = 13u;
const RGB_MOST: i32 = 65535;
const CURVE_STEP_BITS: u32 = 5u;
const LIGHT_SHIFT: u32 = 10u;
const MAPPED_MOST: i32 = 524287;
const PRIMARIES_BITS: u32 = 13u;
const SYSTEM_BITS: u32 = 15u;
const LUMINANCE_BITS: u32 = 12u;
const CODE_SHIFT: u32 = 21u;
const OCTAVE_BITS: u32 = 6u;
// Where parts of the tables begin.
const TO_CODES_AT: u32 = 12u;
const PRIMARIES_AT: u32 = 24u;
const LUMINANCE_AT: u32 = 30u;
const CURVE_AT: u32 = 36u;
const GAINS_AT: u32 = 4134u;
const VALUES_AT: u32 = 7208u;
const SYSTEM_AT: u32 = 9642u;

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

fn affine(plane: u32, yuv: vec3<u32>) -> u32 {
    let f = params.factors[plane];
    let sum = dot(f.xyz, vec3<i32>(yuv)) + f.w;
    return u32(clamp(sum >> (AFFINE_BITS + 2u * params.wide), 0, 255));
}

fn word(at: u32) -> i32 {
    return bitcast<i32>(tables[at]);
}

// A row of three factors and what is added.
fn summed(row: u32, values: vec3<i32>) -> i32 {
    return word(row) * values.x + word(row + 1u) * values.y + word(row + 2u) * values.z + word(row + 3u);
}

// A function of light, by nodes of a value and how much more the next one is. One more than the value is a float without loss, whose bits are its logarithm.
fn table_at(table: u32, value: i32) -> i32 {
    let bits = bitcast<u32>(f32(value + 1));
    let node = table + 2u * ((bits >> (23u - OCTAVE_BITS)) - (127u << OCTAVE_BITS));
    let part = i32((bits >> (15u - OCTAVE_BITS)) & 255u);
    return word(node) + ((word(node + 1u) * part) >> 8u);
}

// The product, less its eight lowest bits: it has more than 32.
fn times(light: i32, gain: i32) -> i32 {
    return (light >> 8u) * gain + (((light & 255) * gain) >> 8u);
}

fn light_of(component: u32, yuv: vec3<i32>) -> i32 {
    let value = clamp(summed(4u * component, yuv) >> RGB_BITS, 0, RGB_MOST);
    let node = CURVE_AT + 2u * (u32(value) >> CURVE_STEP_BITS);
    let part = value & ((1 << CURVE_STEP_BITS) - 1);
    return word(node) + ((word(node + 1u) * part) >> CURVE_STEP_BITS);
}

fn gain_of(light: vec3<i32>) -> i32 {
    let largest = max(light.x, max(light.y, light.z));
    // Green's weight is zero where there is no luminance to heed: not HLG.
    if word(LUMINANCE_AT + 1u) == 0 {
        return table_at(GAINS_AT, largest);
    }
    let luminance = times(light.x, word(LUMINANCE_AT)) + times(light.y, word(LUMINANCE_AT + 1u))
        + times(light.z, word(LUMINANCE_AT + 2u));
    let system = table_at(SYSTEM_AT, luminance >> (LUMINANCE_BITS - 8u));
    return (table_at(GAINS_AT, times(largest, system) >> (SYSTEM_BITS - 8u)) * system) >> SYSTEM_BITS;
}

fn through_light(plane: u32, codes: vec3<u32>) -> u32 {
    let yuv = vec3<i32>(codes);
    let light = vec3<i32>(light_of(0u, yuv), light_of(1u, yuv), light_of(2u, yuv));
    let gain = gain_of(light);
    let mapped = vec3<i32>(times(light.x, gain), times(light.y, gain), times(light.z, gain)) >> vec3<u32>(LIGHT_SHIFT);
    var rgb = vec3<i32>(0);
    for (var c = 0u; c < 3u; c++) {
        let here = mapped[c];
        let differing = word(PRIMARIES_AT + 2u * c) * (mapped[(c + 1u) % 3u] - here)
            + word(PRIMARIES_AT + 2u * c + 1u) * (mapped[(c + 2u) % 3u] - here);
        let own = here + ((differing + (1 << (PRIMARIES_BITS - 1u))) >> PRIMARIES_BITS);
        rgb[c] = table_at(VALUES_AT, clamp(own, 0, MAPPED_MOST));
    }
    return u32(clamp(summed(TO_CODES_AT + 4u * plane, rgb) >> CODE_SHIFT, 0, 255));
}

fn converted(plane: u32, x: u32, y: u32) -> u32 {
    var yuv: vec3<u32>;
    if plane == 0u {
        yuv = vec3<u32>(sample_at(0u, x, y), chroma_for_luma(1u, x, y), chroma_for_luma(2u, x, y));
    } else {
        yuv = vec3<u32>(luma_for_chroma(x, y), sample_at(1u, x, y), sample_at(2u, x, y));
    }
    if params.kind == 0u {
        return affine(plane, yuv);
    }
    return through_light(plane, yuv);
}

@compute @workgroup_size(32, 4)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    var plane = 0u;
    var block = group.xy;
    if group.y >= params.luma_group_rows {
        plane = 1u + group.x / params.chroma_group_columns;
        block = vec2<u32>(group.x % params.chroma_group_columns, group.y - params.luma_group_rows);
    }
    if plane > 2u {
        return;
    }
    let rect = params.rect >> vec4<u32>(min(plane, 1u));
    let word = rect.x / 4u + block.x * 32u + local.x;
    let row = block.y * 4u + local.y;
    if row >= rect.w || 4u * word >= rect.x + rect.z {
        return;
    }
    let at = params.canvas[plane] + (rect.y + row) * params.canvas_strides[plane] + word;
    var samples = canvas[at];
    for (var i = 0u; i < 4u; i++) {
        let x = 4u * word + i;
        if x >= rect.x && x < rect.x + rect.z {
            samples = insertBits(samples, converted(plane, x - rect.x, row), 8u * i, 8u);
        }
    }
    canvas[at] = samples;
}
