// Brings a scaled tile of other colours into its rectangle of the canvas, all three planes in one dispatch: each invocation
// writes one word (four samples). Integer arithmetic as in colour.rs, of which this is the twin. tile.wgsl stands in front.

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
    let yuv = codes_at(plane, x, y);
    if params.kind == 0u {
        return affine(plane, yuv);
    }
    return through_light(plane, yuv);
}

@compute @workgroup_size(32, 4)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    let place = place_of(group.xy, local.xy);
    if !place.inside {
        return;
    }
    let plane = place.plane;
    let rect = place.rect;
    let at = params.canvas[plane] + (rect.y + place.row) * params.canvas_strides[plane] + place.four;
    var samples = canvas[at];
    for (var i = 0u; i < 4u; i++) {
        let x = 4u * place.four + i;
        if x >= rect.x && x < rect.x + rect.z {
            samples = insertBits(samples, converted(plane, x - rect.x, place.row), 8u * i, 8u);
        }
    }
    canvas[at] = samples;
}
