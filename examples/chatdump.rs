use tuck::chat::*;
fn main() {
    for path in std::env::args().skip(1) {
        let source = std::fs::read_to_string(&path).unwrap();
        let name = path.rsplit('/').next().unwrap();
        let tokens = [("bos_token", "<s>"), ("eos_token", "</s>")];
        let t0 = std::time::Instant::now();
        let mut out = vec![];
        match Template::parse(&source) {
            Err(e) => out.push(serde_json::json!({"parse": e.to_string()})),
            Ok(t) => {
                for c in EXAMPLES {
                    for open in [true, false] {
                        out.push(match t.render(c.messages, &tokens, open) {
                            Ok(text) => serde_json::json!(text),
                            Err(e) => {
                                serde_json::json!({"error": e.to_string(), "trouble": format!("{:?}", e.trouble)})
                            }
                        });
                    }
                }
            }
        }
        let t1 = t0.elapsed();
        let s: Vec<_> = scan(&source).iter().map(|s| format!("{}: {}", s.line, s.found)).collect();
        println!(
            "{}",
            serde_json::json!({"name": name, "out": out, "ms": t1.as_secs_f64()*1e3, "scan": s, "scan_ms": (t0.elapsed()-t1).as_secs_f64()*1e3, "tokens": special_tokens(&source).len()})
        );
    }
}
