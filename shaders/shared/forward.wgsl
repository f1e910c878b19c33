// What kernels of the forward pass share. The including shader declares Params, which begins with `first`, the number of
// the dispatch's first workgroup, and `count`, the work there is.

// The number of a workgroup among those of a step, which may be run in several dispatches of two dimensions.
fn group_number(group: vec3u, groups: vec3u) -> u32 {
    return params.first + group.y * groups.x + group.x;
}
