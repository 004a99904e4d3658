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
    // 0: affine; 1: the cube in the tables.
    kind: u32,
    unused: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(1) @binding(0) var<storage, read> tables: array<u32>;
@group(2) @binding(0) var<storage, read> tile: array<u32>;
@group(3) @binding(0) var<storage, read_write> canvas: array<u32>;

const AFFINE_BITS: u32 = 14u;
const CUBE_STEP_BITS: u32 = 3u;
const CUBE_NODES: u32 = 33u;
const CUBE_VALUE_BITS: u32 = 6u;

fn sample_at(plane: u32, x: u32, y: u32) -> u32 {
    let word = tile[params.tile[plane] + y * params.tile_strides[plane] + x / 4u];
    return (word >> (8u * (x % 4u))) & 255u;
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
    return u32(clamp(sum >> AFFINE_BITS, 0, 255));
}

fn node(plane: u32, index: u32) -> i32 {
    if plane == 2u {
        return i32(tables[2u * index + 1u]);
    }
    return i32((tables[2u * index] >> (16u * plane)) & 0xffffu);
}

fn cube(plane: u32, yuv: vec3<u32>) -> u32 {
    let step = i32(1u << CUBE_STEP_BITS);
    let corner = yuv >> vec3<u32>(CUBE_STEP_BITS);
    let part = vec3<i32>(yuv & vec3<u32>((1u << CUBE_STEP_BITS) - 1u));
    let base = (corner.x * CUBE_NODES + corner.y) * CUBE_NODES + corner.z;
    var sum = 0;
    for (var dy = 0u; dy < 2u; dy++) {
        for (var du = 0u; du < 2u; du++) {
            let at = base + (dy * CUBE_NODES + du) * CUBE_NODES;
            let edge = node(plane, at) * (step - part.z) + node(plane, at + 1u) * part.z;
            sum += edge * select(step - part.y, part.y, du == 1u) * select(step - part.x, part.x, dy == 1u);
        }
    }
    let shift = 3u * CUBE_STEP_BITS + CUBE_VALUE_BITS;
    return u32(clamp((sum + (1 << (shift - 1u))) >> shift, 0, 255));
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
    return cube(plane, yuv);
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
