// Four rows at a time, one in each place of a vector: what all rows need is read once for them, and barriers are shared. Of
// 256 columns an invocation has four neighbours. Beyond the last row the last is done again, with the same result.
// The including shader declares `state`, and Params with `count`, the number of rows.

const WORKGROUP: u32 = 64u;
const OWN: u32 = 4u;

// Where the records begin.
var<private> at: vec4u;

// The rows of a workgroup.
fn rows_of(group: u32) -> vec4u {
    return min(vec4u(0u, 1u, 2u, 3u) + vec4u(4u * group), vec4u(params.count - 1u));
}

// A number of each record.
fn load(place: u32) -> vec4f {
    return vec4f(state[at.x + place], state[at.y + place], state[at.z + place], state[at.w + place]);
}

fn keep(place: u32, v: vec4f) {
    state[at.x + place] = v.x;
    state[at.y + place] = v.y;
    state[at.z + place] = v.z;
    state[at.w + place] = v.w;
}
