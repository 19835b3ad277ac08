//! Models compiled to files, from where they are used: C, Python, and a folder in which nothing else is. Their numbers are
//! those of the code in memory to the last bit.

#![cfg(target_os = "linux")]

mod common;
#[path = "compile/in_memory.rs"]
mod in_memory;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::{Place, Said};
use in_memory::{compile_in_memory, expected, input, points};
use likelier::Settings;
use likelier_runtime::random::{Purpose, Stream};
use likelier_runtime::target::{Parts, Target, Weights};

const HIERARCHY: (&str, &str) = (
    "given sigma: positive[J]
mu ~ normal(0, 5)
tau ~ half_cauchy(5)
theta[j in 1..J] ~ normal(mu, tau)
y[j in 1..J] ~ normal(theta[j], sigma[j])
report ratio = tau / mu
replicate[j in 1..J] ~ normal(theta[j], sigma[j])
count ~ poisson(tau)
",
    r#"{"y": [28, 8, -3, 7, -1, 1, 18, 12], "sigma": [15, 10, 16, 11, 9, 11, 10, 18]}"#,
);

const CONSTRAINED: (&str, &str) = (
    "w ~ dirichlet([1.0, 2.0, 3.0])
R ~ lkj_corr(3, shape=2)
a[1..3] ~ normal(0, 1)
k[i in 1..N] ~ bernoulli(w[1])
soft near: a[1] ~= a[2] within 0.3
soft rising: a[i] <= a[i + 1] within 0.1 for i in 1..2
require a[1] < 2
y[i in 1..N] ~ normal(if k[i] == 1 { a[1] } else { a[3] + R[1, 2] }, 0.7)
",
    r#"{"y": [0.4, -1.1, 2.3, 0.1]}"#,
);

const ODE: (&str, &str) = (
    "given time: real[N]
fn decay(t: real, z: real[2], a: real, b: real) -> real[2] = [-a * z[1], a * z[1] - b * z[2] + 0.1 * sin(t)]
a ~ lognormal(0, 1)
b ~ lognormal(0, 1)
s ~ exponential(rate=1)
let z = ode(decay, [3.0, 0.0], 0, time, a, b)
y[n in 1..N] ~ normal(z[n, 2], s)
",
    r#"{"time": [0.5, 1, 2, 4], "y": [0.9, 1.2, 1.0, 0.3]}"#,
);

/// Loops over blocks of numbers.
fn regression() -> (String, String) {
    let model = "given x: real[N, 3]
b[1..3] ~ normal(0, 1)
s ~ exponential(rate=1)
for n in 1..N {
  let eta = b[1] * x[n, 1] + b[2] * x[n, 2] + b[3] * x[n, 3]
  y[n] ~ student_t(4, eta, s)
  hit[n] ~ bernoulli(logit=eta)
}
";
    let (mut x, mut y, mut hit) = (Vec::new(), Vec::new(), Vec::new());
    for n in 0..1003 {
        let n = f64::from(n);
        x.push([n.sin(), (1.7 * n).cos(), (0.3 * n).sin()]);
        y.push((2.3 * n).sin() + n.sin());
        hit.push(i32::from((1.1 * n).sin() > 0.2));
    }
    (
        model.to_owned(),
        serde_json::json!({"x": x, "y": y, "hit": hit}).to_string(),
    )
}

/// Dense algebra, of the library's kernels for large matrices too.
fn process() -> (String, String) {
    let model = "import std.kernels
given x: real[N]
scale ~ inv_gamma(shape=5, scale=5)
sd ~ lognormal(0, 0.5)
noise ~ lognormal(-1, 0.3)
y ~ multi_normal(zeros(N), cov=add_diagonal(squared_exponential(x, x, sd=sd, scale=scale), noise^2))
";
    let x: Vec<f64> = (0..150).map(|n| f64::from(n) * 0.07).collect();
    let y: Vec<f64> = x.iter().map(|x| x.sin() + 0.1 * (31.0 * x).cos()).collect();
    (
        model.to_owned(),
        serde_json::json!({"x": x, "y": y}).to_string(),
    )
}

/// A folder with a model and its data.
fn with_model(test: &str, (model, data): (&str, &str)) -> Place {
    Place::new(test, &[("model.ppl", model), ("model.json", data)])
}

/// Runs a command that must succeed; what it prints.
fn succeed(command: &mut Command) -> String {
    let output = command.output().expect("the command runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
    String::from_utf8(output.stdout).expect("text")
}

fn assert_same(found: &str, expected: &str) {
    for (number, (found, expected)) in found.lines().zip(expected.lines()).enumerate() {
        assert_eq!(found, expected, "line {}", number + 1);
    }
    assert_eq!(found.lines().count(), expected.lines().count());
}

fn own(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/compile")
        .join(name)
}

/// Compiles a model, calls it from C and compares.
fn same_from_c(test: &str, model: (&str, &str), cpu: &str) -> Place {
    let place = with_model(test, model);
    place
        .run_line(&format!(
            "compile model.ppl model.json -o model.so --cpu {cpu}"
        ))
        .succeeds();
    // What compiles the C program sees the file and its header, and nothing else of ours.
    for name in ["model.ppl", "model.json"] {
        fs::remove_file(place.folder.join(name)).expect("it was there");
    }
    let in_memory = compile_in_memory(model, cpu);
    let points = points(&in_memory);
    place.write("positions", &input(&in_memory, &points));
    succeed(
        Command::new("cc")
            .args([
                "-std=c99",
                "-Wall",
                "-Wextra",
                "-Werror",
                "-pedantic",
                "-I.",
            ])
            .arg(own("check.c"))
            .args(["./model.so", "-o", "check"])
            .current_dir(&place.folder),
    );
    let found = succeed(
        Command::new("./check")
            .arg("positions")
            .current_dir(&place.folder),
    );
    assert_same(&found, &expected(&in_memory, &points));
    place
}

#[test]
fn a_hierarchy_from_c_and_python() {
    let place = same_from_c("hierarchy", HIERARCHY, "native");
    let from_c = succeed(
        Command::new("./check")
            .arg("positions")
            .current_dir(&place.folder),
    );
    let mut python = Command::new("python3");
    python
        .arg(own("check.py"))
        .args(["./model.so", "positions"]);
    let from_python = succeed(python.current_dir(&place.folder));
    assert_same(&from_python, &from_c);
}

#[test]
fn constraints_and_discrete_unknowns_from_c() {
    same_from_c("constraints", CONSTRAINED, "native");
}

#[test]
fn differential_equations_from_c() {
    same_from_c("ode", ODE, "native");
}

#[test]
fn loops_over_blocks_from_c() {
    let (model, data) = regression();
    same_from_c("blocks", (&model, &data), "native");
    same_from_c("blocks_portable", (&model, &data), "portable");
}

#[test]
fn dense_algebra_from_c() {
    let (model, data) = process();
    same_from_c("dense", (&model, &data), "native");
}

/// The random numbers of a run are chosen by its seed, its chain and the number of the draw.
#[test]
fn draws_of_a_run_can_be_made_again() {
    let in_memory = compile_in_memory(HIERARCHY, "native");
    let settings = Settings {
        seed: 9,
        chains: 2,
        draws: 5,
        ..Settings::default()
    };
    let posterior = in_memory.sample(&settings).expect("draws");
    let mut evaluator = in_memory.compiled.model.evaluator();
    let count = in_memory.compiled.model.output_count();
    for (number, chain) in posterior.chains.iter().enumerate() {
        let dimension = in_memory.compiled.model.dimension();
        for (draw, position) in chain.positions.chunks(dimension).enumerate() {
            let mut stream = Stream::new(9, Purpose::Output, number as u32);
            stream.at(draw as u64);
            let mut values = vec![0.0; count];
            evaluator.outputs(position, &mut stream, &mut values);
            assert_eq!(values, chain.values[draw * count..(draw + 1) * count]);
        }
    }
}

#[test]
fn values_outside_their_support_have_no_position() {
    let place = with_model("support", CONSTRAINED);
    let said = place.run_line("compile model.ppl model.json -o model.so -q");
    said.succeeds();
    assert_eq!(said.out, "");
    let program = r#"
        #include <stdio.h>
        #include "model.h"
        int main(void) {
            /* w, R, a: shares of one sum to it, and a correlation matrix is symmetric with ones on its diagonal */
            double at[LIKELIER_DIMENSION], good[] = {0.2, 0.3, 0.5, 1, 0.1, 0.2, 0.1, 1, 0.3, 0.2, 0.3, 1, 0, 0, 0};
            likelier_state *state = likelier_new();
            if (sizeof good != LIKELIER_PARAMETERS * sizeof *good) return 1;
            printf("%d", likelier_unconstrain(state, good, at));
            double changes[][2] = {{0, 0.4}, {1, -0.1}, {3, 2}, {4, 0.3}, {12, 7}};
            for (int i = 0; i < 5; i++) {
                int place = (int)changes[i][0];
                double kept = good[place];
                good[place] = changes[i][1];
                printf(" %d", likelier_unconstrain(state, good, at));
                good[place] = kept;
            }
            likelier_free(state);
            return 0;
        }
    "#;
    place.write("main.c", program);
    let mut compiler = Command::new("cc");
    compiler.args(["main.c", "./model.so", "-o", "main"]);
    succeed(compiler.current_dir(&place.folder));
    let found = succeed(Command::new("./main").current_dir(&place.folder));
    assert_eq!(found, "1 0 0 0 0 1");
}

#[test]
fn two_object_files_live_in_one_program() {
    let place = Place::new("two", &[]);
    for (name, model) in [("first", HIERARCHY), ("second", ODE)] {
        place.write(&format!("{name}.ppl"), model.0);
        place.write(&format!("{name}.json"), model.1);
        let arguments =
            format!("compile {name}.ppl {name}.json -o {name}.o --prefix {name} --header {name}.h");
        place.run_line(&arguments).succeeds();
    }
    let mut compiler = Command::new("cc");
    compiler.arg(own("two.c"));
    compiler.args(["-I.", "first.o", "second.o", "-lm", "-o", "two"]);
    succeed(compiler.current_dir(&place.folder));
    let found = succeed(Command::new("./two").current_dir(&place.folder));
    let density = |model| {
        let model = compile_in_memory(model, "native");
        let dimension = model.compiled.model.dimension();
        let mut at = vec![0.0; dimension];
        at[0] = 0.5;
        model.compiled.model.evaluator().log_density_gradient(
            &at,
            &Weights::posterior(0),
            &mut vec![0.0; dimension],
            &mut Parts::default(),
        )
    };
    let lines: Vec<&str> = found.lines().collect();
    for (line, name, model) in [(0, "first.ppl", HIERARCHY), (1, "second.ppl", ODE)] {
        let (found_name, value) = lines[line].split_once(' ').expect("two words");
        assert_eq!(found_name, name);
        assert_eq!(value.parse(), Ok(density(model)));
    }
}

/// The text without what differs from run to run.
fn without_times(text: &str) -> String {
    let lines = text
        .lines()
        .filter(|line| !line.starts_with("Time") && !line.starts_with("Written"));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_program_runs_where_nothing_else_is() {
    let place = with_model("program", HIERARCHY);
    place.write("laws.ppl", "fn twice(x: real) -> real = 2 * x\n");
    let model = format!(
        "import \"laws.ppl\"\n{}report two = twice(mu)\n",
        HIERARCHY.0
    );
    place.write("model.ppl", &model);
    place
        .run_line("compile model.ppl model.json --set sigma=[9,9,9,9,9,9,9,9] -o schools")
        .succeeds();
    let options = "--seed 4 --draws 50 --chains 2 --no-progress";
    let usual = place.run_line(&format!(
        "run model.ppl model.json --set sigma=[9,9,9,9,9,9,9,9] {options} -o usual.csv"
    ));
    usual.succeeds();
    let empty = place.folder.join("empty");
    fs::create_dir(&empty).expect("a folder");
    fs::rename(place.folder.join("schools"), empty.join("schools")).expect("it moves");
    let run = |arguments: &str| {
        let mut schools = Command::new("./schools");
        schools.args(arguments.split_whitespace());
        let output = schools.current_dir(&empty).output();
        Said::of(arguments, output.expect("the program runs"))
    };
    let own = run(&format!("{options} -o own.csv"));
    own.succeeds();
    assert_eq!(without_times(&own.out), without_times(&usual.out));
    own.prints("own_1.csv, own_2.csv");
    let draws = |path: PathBuf| {
        let text = fs::read_to_string(path).expect("draws");
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(
        draws(empty.join("own_2.csv")),
        draws(place.folder.join("usual_2.csv"))
    );
    let help = run("--help").out;
    assert!(
        help.contains("schools [OPTIONS] [DATA]...") && !help.contains("<MODEL>"),
        "{help}"
    );
    // A file of the same name is not what the program carries, and must not be mistaken for it.
    run("model.json").fails(2, "write ./model.json");
    run("--draws 0").ends_with(2);
    let mut program = fs::read(empty.join("schools")).expect("the program");
    let end = program.len() - 24;
    let size = u64::from_le_bytes(program[end..end + 8].try_into().expect("eight bytes"));
    program[end - size as usize] = b'x';
    fs::write(empty.join("schools"), program).expect("a file");
    run("").fails(1, "the model that it carries is damaged");
}

/// The programs that the manual shows, with what it says they print.
#[test]
fn programs_of_the_manual() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/manual/src/how_to/compile.md");
    let page = fs::read_to_string(page).expect("the page");
    let blocks: Vec<(&str, &str)> = page
        .split("\n```")
        .skip(1)
        .step_by(2)
        .map(|block| block.split_once('\n').expect("a fence and a text"))
        .collect();
    let block = |fence: &str| {
        let found = blocks.iter().position(|(own, _)| *own == fence);
        let place = found.unwrap_or_else(|| panic!("a block {fence}"));
        (
            blocks[place].1,
            blocks.get(place + 1).map_or("", |next| next.1),
        )
    };
    let place = with_model("manual", (block("ppl").0, block("json").0));
    place
        .run_line("compile model.ppl model.json -o model.so")
        .succeeds();
    let (program, printed) = block("c");
    place.write("main.c", program);
    let mut compiler = Command::new("cc");
    compiler.args(["main.c", "./model.so", "-o", "main"]);
    succeed(compiler.current_dir(&place.folder));
    let found = succeed(Command::new("./main").current_dir(&place.folder));
    assert_eq!(found.trim_end(), printed.trim_end());
    let (program, printed) = block("python");
    let mut python = Command::new("python3");
    let found = succeed(python.args(["-c", program]).current_dir(&place.folder));
    assert_eq!(found.trim_end(), printed.trim_end());
}

#[test]
fn an_interrupt_while_linking_leaves_nothing() {
    use std::os::unix::fs::PermissionsExt;
    let place = with_model("interrupt", HIERARCHY);
    let linker = place.folder.join("slow");
    fs::write(&linker, "#!/bin/sh\nexec sleep 20\n").expect("a file");
    fs::set_permissions(&linker, fs::Permissions::from_mode(0o755)).expect("permissions");
    let temporary = place.folder.join("temporary");
    fs::create_dir(&temporary).expect("a folder");
    let mut child = place
        .command(&["compile", "model.ppl", "model.json", "-o", "model.so"])
        .env("CC", &linker)
        .env("TMPDIR", &temporary)
        .spawn()
        .expect("the program runs");
    let count = || fs::read_dir(&temporary).expect("the folder").count();
    while count() == 0 {
        assert!(
            child.try_wait().expect("a child").is_none(),
            "it ended early"
        );
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let id = child.id().to_string();
    succeed(Command::new("kill").args(["-INT", &id]));
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
    assert_eq!(count(), 0);
    assert!(!place.folder.join("model.so").exists() && !place.folder.join("model.h").exists());
}

#[test]
fn what_cannot_be_made_is_said() {
    let place = with_model("errors", HIERARCHY);
    fs::create_dir(place.folder.join("folder.so")).expect("a folder");
    for (arguments, code, wanted) in [
        (
            "-o model.dll",
            2,
            "`.dll` is no ending of what compile makes",
        ),
        ("-o folder.so", 1, "it is a folder"),
        ("-o nowhere/model.so", 1, "there is no folder nowhere"),
        (
            "-o model.o --header model.ppl",
            1,
            "read by this very command",
        ),
        (
            "-o model.o --header model.o",
            1,
            "two results would go there",
        ),
        ("-o model --prefix schools", 2, "has no C interface"),
        ("-o model.so --prefix 1st", 2, "a name in C"),
        ("-o model.so --prefix likelier_x", 2, "are taken"),
        ("-o model.so --set y=[1]", 1, "E0"),
        ("", 2, "--output"),
    ] {
        place
            .run_line(&format!("compile model.ppl model.json {arguments}"))
            .fails(code, wanted);
    }
    let without = |variable: &str| {
        let mut command = place.command(&["compile", "model.ppl", "model.json", "-o", "model.so"]);
        let output = command.env(variable, place.folder.join("nothing")).output();
        Said::of(variable, output.expect("the program runs"))
    };
    let said = without("PATH");
    said.complains("it takes a C linker");
    said.complains("-o model");
    without("TMPDIR").complains("the variable TMPDIR names another place");
    let left = place.names();
    assert_eq!(left.len(), 3, "no half-made file is left: {left:?}");
}
