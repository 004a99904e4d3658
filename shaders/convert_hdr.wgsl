// Brings a scaled tile of ten bits and other colours into its rectangle of a canvas in HDR, all three planes in one dispatch: each invocation
// writes two words (four samples). Integer arithmetic as in into_hdr.rs, of which this is the twin. tile.wgsl stands in front.

// Of tone.rs.
const RGB_BITS: u32 = 13u;
const RGB_MOST: i32 = 65535;
const CURVE_STEP_BITS: u32 = 5u;
// Of into_hdr.rs.
const LIGHT_MOST: u32 = 4294967294u;
const GAIN_BITS: u32 = 24u;
const SUM_BITS: u32 = 16u;
const CODE_SHIFT: u32 = 20u;
const OCTAVE_BITS: u32 = 6u;
const LEAST_CODE: u32 = 4u;
const MOST_CODE: u32 = 1019u;
// Where parts of the tables begin.
const TO_RGB_AT: u32 = 0u;
const TO_CODES_AT: u32 = 12u;
const PRIMARIES_AT: u32 = 24u;
const LUMINANCE_AT: u32 = 33u;
const HAS_AT: u32 = 36u;
const CURVE_AT: u32 = 40u;
const VALUES_AT: u32 = 4136u;
const SYSTEM_AT: u32 = 8232u;
const TONE_AT: u32 = 12328u;
const SCENE_AT: u32 = 16424u;

fn word(at: u32) -> i32 {
    return bitcast<i32>(tables[at]);
}

// A row of three factors and what is added.
fn summed(row: u32, values: vec3<i32>) -> i32 {
    return word(row) * values.x + word(row + 1u) * values.y + word(row + 2u) * values.z + word(row + 3u);
}

// A function of light: one more than light has its highest bit where its octave is; below that are the bits of the node, then how far it is to the next.
fn table_at(table: u32, light: u32) -> i32 {
    let above = light + 1u;
    let octave = firstLeadingBit(above);
    let bits = above << (31u - octave);
    let node = table + 2u * ((octave << OCTAVE_BITS) + ((bits >> (31u - OCTAVE_BITS)) & ((1u << OCTAVE_BITS) - 1u)));
    let part = i32((bits >> (23u - OCTAVE_BITS)) & 255u);
    return word(node) + ((word(node + 1u) * part) >> 8u);
}

// How far R'G'B' is from one node of the curve to the next.
fn part_of(value: i32) -> u32 {
    return u32(value) & ((1u << CURVE_STEP_BITS) - 1u);
}

fn light_of(value: i32) -> u32 {
    let node = CURVE_AT + 2u * (u32(value) >> CURVE_STEP_BITS);
    return tables[node] + ((tables[node + 1u] * part_of(value)) >> CURVE_STEP_BITS);
}

fn tone_at(value: i32) -> i32 {
    let node = TONE_AT + 2u * (u32(value) >> CURVE_STEP_BITS);
    return word(node) + ((word(node + 1u) * i32(part_of(value))) >> CURVE_STEP_BITS);
}

// The sum of light by three factors that add up to one: of its high halves, and of what its low ones carry to them.
fn sum_of(row: u32, light: vec3<u32>) -> u32 {
    let factors = vec3<u32>(tables[row], tables[row + 1u], tables[row + 2u]);
    let high = dot(light >> vec3<u32>(16u), factors);
    let low = dot(light & vec3<u32>(0xffffu), factors);
    return high + ((low + (1u << (SUM_BITS - 1u))) >> SUM_BITS);
}

// The product of 64 bits, less its lowest ones.
fn times(light: u32, factor: i32) -> u32 {
    let gain = bitcast<u32>(factor);
    let low = (light & 0xffffu) * (gain & 0xffffu);
    let left = (light >> 16u) * (gain & 0xffffu);
    let right = (light & 0xffffu) * (gain >> 16u);
    let middle = (low >> 16u) + (left & 0xffffu) + (right & 0xffffu);
    let high = (light >> 16u) * (gain >> 16u) + (left >> 16u) + (right >> 16u) + (middle >> 16u);
    if (high >> GAIN_BITS) != 0u {
        return LIGHT_MOST;
    }
    let bits = (middle << 16u) | (low & 0xffffu);
    return min((high << (32u - GAIN_BITS)) | (bits >> GAIN_BITS), LIGHT_MOST);
}

fn multiplied(light: vec3<u32>, gain: i32) -> vec3<u32> {
    return vec3<u32>(times(light.x, gain), times(light.y, gain), times(light.z, gain));
}

fn rgb_of(component: u32, yuv: vec3<i32>) -> i32 {
    return clamp(summed(TO_RGB_AT + 4u * component, yuv) >> RGB_BITS, 0, RGB_MOST);
}

fn converted(plane: u32, x: u32, y: u32) -> u32 {
    let yuv = vec3<i32>(codes_at(plane, x, y));
    let rgb = vec3<i32>(rgb_of(0u, yuv), rgb_of(1u, yuv), rgb_of(2u, yuv));
    var light = vec3<u32>(light_of(rgb.x), light_of(rgb.y), light_of(rgb.z));
    if tables[HAS_AT] != 0u {
        light = multiplied(light, table_at(SYSTEM_AT, sum_of(LUMINANCE_AT, light)));
    }
    if tables[HAS_AT + 1u] != 0u {
        light = multiplied(light, tone_at(max(rgb.x, max(rgb.y, rgb.z))));
    }
    light = vec3<u32>(
        sum_of(PRIMARIES_AT, light), sum_of(PRIMARIES_AT + 3u, light), sum_of(PRIMARIES_AT + 6u, light));
    if tables[HAS_AT + 2u] != 0u {
        light = multiplied(light, table_at(SCENE_AT, sum_of(LUMINANCE_AT, light)));
    }
    let value = vec3<i32>(table_at(VALUES_AT, light.x), table_at(VALUES_AT, light.y), table_at(VALUES_AT, light.z));
    return u32(clamp(summed(TO_CODES_AT + 4u * plane, value) >> CODE_SHIFT, i32(LEAST_CODE), i32(MOST_CODE)));
}

@compute @workgroup_size(32, 4)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    let place = place_of(group.xy, local.xy);
    if !place.inside {
        return;
    }
    let plane = place.plane;
    let rect = place.rect;
    let at = params.canvas[plane] + (rect.y + place.row) * params.canvas_strides[plane] + 2u * place.four;
    for (var two = 0u; two < 2u; two++) {
        var samples = canvas[at + two];
        for (var i = 0u; i < 2u; i++) {
            let x = 4u * place.four + 2u * two + i;
            if x >= rect.x && x < rect.x + rect.z {
                samples = insertBits(samples, converted(plane, x - rect.x, place.row), 16u * i, 16u);
            }
        }
        canvas[at + two] = samples;
    }
}
