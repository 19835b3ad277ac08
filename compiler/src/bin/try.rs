use likelier_compiler::*;
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let text = std::fs::read_to_string(&a[1]).unwrap();
    let mut sources = source::Sources::default();
    let file = sources.add(a[1].clone(), text.clone());
    let t0 = std::time::Instant::now();
    let (tree, mut d) = ast::parse(file, &text);
    let t1 = std::time::Instant::now();
    let (hir, more) = check::check(&mut sources, &tree);
    d.extend(more);
    let t2 = std::time::Instant::now();
    if !d.is_empty() { println!("{}", source::render::render(&sources, &d, false)); return; }
    let data = data::dataset::Dataset::from_json(&a[2], &std::fs::read_to_string(&a[2]).unwrap()).unwrap();
    let t3 = std::time::Instant::now();
    match data::bind_program(&hir, &sources, &data) {
        Ok(p) => println!("{}", data::print(&p.loops)),
        Err(d) => println!("{}", source::render::render(&sources, &d, false)),
    }
    println!("parse {:?} check {:?} data {:?} bind {:?}", t1 - t0, t2 - t1, t3 - t2, t3.elapsed());
}
