// Fills the three planes of a canvas with one colour; one invocation a word, one workgroup layer a plane.

struct Params {
    // Per plane: word offset, number of words, and the sample four times over.
    offsets: vec4<u32>,
    words: vec4<u32>,
    values: vec4<u32>,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(1) @binding(0) var<storage, read_write> canvas: array<u32>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let plane = id.z;
    if id.x < params.words[plane] {
        canvas[params.offsets[plane] + id.x] = params.values[plane];
    }
}
