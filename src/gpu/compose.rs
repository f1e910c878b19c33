//! Shaders from the files of `shaders/`, which are WGSL but for a few lines that begin with `//#`.
//!
//! - `{kind}` stands for what a variant says of that kind, and `//#include PATH` for a file, once.
//! - `//#unroll` before `for (var i = 0u; i < N; i++) {` makes a block of each round, in which `i` is a constant: compilers of
//!   drivers that do not unroll keep arrays in memory that are indexed by `i`, which can cost fifteen times the time.
//! - `//#repeat i N` up to `//#end` stands for N copies, in which `$i` is the number: for variables of their own.
//!
//! N is a number, a `const` of the shader, or products and quotients of these.

use super::shaders::INCLUDES;

/// The WGSL of a source, and what `choices` say of each kind.
pub(super) fn compose(source: &str, choices: &[(&str, &str)]) -> String {
    let mut wgsl = String::new();
    include(source, choices, &mut Vec::new(), &mut wgsl);
    let lines: Vec<&str> = wgsl.lines().collect();
    let mut unrolled = String::new();
    unroll(&lines, &wgsl, &mut unrolled);
    unrolled
}

fn include(source: &str, choices: &[(&str, &str)], seen: &mut Vec<String>, wgsl: &mut String) {
    let choose = |text: String, (kind, choice): &(&str, &str)| text.replace(&format!("{{{kind}}}"), choice);
    for line in choices.iter().fold(source.to_owned(), choose).lines() {
        let Some(path) = line.strip_prefix("//#include ").map(str::to_owned) else {
            wgsl.push_str(line);
            wgsl.push('\n');
            continue;
        };
        if !seen.contains(&path) {
            let found = INCLUDES.iter().find(|(name, _)| *name == path);
            let source = found.unwrap_or_else(|| panic!("no shader file {path}")).1;
            seen.push(path);
            include(source, choices, seen, wgsl);
        }
    }
}

/// Writes lines of the shader `all` with what they ask for done.
fn unroll(lines: &[&str], all: &str, wgsl: &mut String) {
    let mut at = 0;
    while at < lines.len() {
        let line = lines[at].trim();
        if line == "//#unroll" {
            let head = lines[at + 1];
            let (name, count) = loop_of(head).unwrap_or_else(|| panic!("cannot be unrolled: {head}"));
            let end = format!("{}}}", &head[..head.len() - head.trim_start().len()]);
            let body = until(&lines[at + 2..], |line| line == end);
            for number in 0..value(count, all) {
                wgsl.push_str(&format!("{{\nconst {name} = {number}u;\n"));
                copy(body, name, number, all, wgsl);
                wgsl.push_str("}\n");
            }
            at += body.len() + 3;
        } else if let Some((name, count)) = line.strip_prefix("//#repeat ").and_then(|rest| rest.split_once(' ')) {
            let mut depth = 0;
            let body = until(&lines[at + 1..], |line| {
                depth += i32::from(line.trim().starts_with("//#repeat ")) - i32::from(line.trim() == "//#end");
                depth < 0
            });
            (0..value(count, all)).for_each(|number| copy(body, name, number, all, wgsl));
            at += body.len() + 2;
        } else {
            wgsl.push_str(lines[at]);
            wgsl.push('\n');
            at += 1;
        }
    }
}

/// A copy of some lines, of that number.
fn copy(lines: &[&str], name: &str, number: u32, all: &str, wgsl: &mut String) {
    let text = lines.join("\n").replace(&format!("${name}"), &number.to_string());
    unroll(&text.lines().collect::<Vec<_>>(), all, wgsl);
}

/// The lines before the first that ends them.
fn until<'a, 'b>(lines: &'a [&'b str], ends: impl FnMut(&str) -> bool) -> &'a [&'b str] {
    let mut ends = ends;
    let end = lines.iter().position(|line| ends(line)).expect("what is opened is closed");
    &lines[..end]
}

/// Name and bound of `for (var i = 0u; i < N; i++) {`.
fn loop_of(line: &str) -> Option<(&str, &str)> {
    let (name, rest) = line.trim().strip_prefix("for (var ")?.split_once(" = 0u; ")?;
    let bound = rest.strip_prefix(name)?.strip_prefix(" < ")?.strip_suffix(&format!("; {name}++) {{"))?;
    Some((name, bound))
}

/// The value of an expression, from left to right.
fn value(expression: &str, all: &str) -> u32 {
    let expression = expression.trim();
    if let Some((left, right)) = expression.rsplit_once(" * ").filter(|(_, right)| !right.contains('/')) {
        return value(left, all) * value(right, all);
    }
    if let Some((left, right)) = expression.rsplit_once(" / ") {
        return value(left, all) / value(right, all);
    }
    if let Ok(number) = expression.trim_end_matches('u').parse() {
        return number;
    }
    let head = format!("const {expression}: u32 = ");
    let found = all.lines().find_map(|line| line.strip_prefix(&head)?.strip_suffix(';'));
    value(found.unwrap_or_else(|| panic!("no constant is called {expression}")), all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unrolled(source: &str) -> String {
        compose(source, &[]).lines().map(str::trim).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn rounds_become_blocks_and_copies() {
        let source = "const A: u32 = 8u;\nconst B: u32 = A / 4u;\n//#repeat i B\nvar s$i = $iu;\n//#end\n\
                      //#unroll\nfor (var i = 0u; i < B; i++) {\n    //#repeat j 2\n    x(i, $ju, s$j);\n    //#end\n}\nend";
        assert_eq!(
            unrolled(source),
            "const A: u32 = 8u; const B: u32 = A / 4u; var s0 = 0u; var s1 = 1u; { const i = 0u; x(i, 0u, s0); x(i, 1u, s1); \
             } { const i = 1u; x(i, 0u, s0); x(i, 1u, s1); } end"
        );
        assert_eq!(value("2u * 6u / 4u", ""), 3);
    }
}
