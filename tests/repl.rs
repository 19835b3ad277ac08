//! The session through the program itself: its inputs from a pipe, and from a real pseudo-terminal, on which the tour of the
//! README is typed statement by statement.

mod common;
#[path = "repl/pseudo_terminal.rs"]
mod pseudo_terminal;

use std::fs;
use std::path::Path;
use std::time::Duration;

use common::Place;
use pseudo_terminal::Terminal;

#[test]
fn a_script_through_a_pipe_is_answered_and_its_errors_are_told() {
    let place = Place::new("pipe", &[]);
    let done = place.run_with_input(
        &["repl"],
        "# sums\nlet a =\n  2\na + 1\nmean([1, 2,\n 6])\n",
    );
    assert_eq!(done.out, "a = 2\n3\n3\n");
    done.succeeds();
    assert_eq!(done.err, "");
    // Without any argument too, and an error does not keep what follows from being answered.
    let done = place.run_with_input(&[], "let a = 1\nb + 1\nsqrt(4\n:nothing\na + 1\n:quit\na\n");
    assert_eq!(done.out, "a = 1\n2\n");
    for code in ["E0201", "E0104", "`:nothing`"] {
        done.fails(1, code);
    }
    // An empty line, or the next statement, ends what was left open; that alone is an error.
    let script = "let a = (1 +\n2\n\nlet b = 2\nlet q = 3 +\n\nlet c = [1,\nlet d = 5\nb + d\n";
    let done = place.run_with_input(&[], script);
    assert_eq!(done.out, "b = 2\nd = 5\n7\n");
    done.fails(1, "input:1:9");
    assert_eq!(done.err.matches("error[").count(), 3, "{}", done.err);
    let done = place.run_with_input(&[], "\n");
    done.fails(2, "likelier --help");
    let done = place.run_with_input(&["repl", "nowhere.ppl"], "1\n");
    done.fails(1, "nowhere.ppl");
}

#[test]
fn what_a_session_saves_runs_from_the_command_line() {
    let place = Place::new("save", &[]);
    let script = "mu ~ normal(0, 1)  # the mean\ny[1..N] ~ normal(mu, 1)\ndata y = [1, null, 2.5]\n:save m\n:run --draws 50 -o draws.csv\n";
    let done = place.run_with_input(&["repl"], script);
    done.succeeds();
    done.prints("`likelier run m.ppl m.json` runs it");
    let done = place.run(&["run", "m.ppl", "m.json", "--draws", "50", "-o", "again.csv"]);
    done.succeeds();
    let draws = |name: &str| {
        let text = place.read(name);
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(draws("draws_1.csv"), draws("again_1.csv"));
    assert_eq!(draws("draws_1.csv").len(), 51);
    assert_eq!(
        place.read("m.ppl"),
        "mu ~ normal(0, 1)  # the mean\ny[1..N] ~ normal(mu, 1)\n"
    );
}

/// The inputs of a page with what is shown of their answers: the blocks that begin with `> ` are one session. An answer may be
/// cut short by a line `…`.
fn tour(page: &str) -> Vec<(String, Vec<String>)> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join(page);
    let text = fs::read_to_string(page).expect("a page");
    let blocks = text.split("\n```").skip(1).step_by(2);
    let bodies = blocks.filter_map(|block| block.split_once('\n').map(|(_, body)| body));
    let mut steps: Vec<(String, Vec<String>)> = Vec::new();
    for line in bodies
        .filter(|body| body.starts_with("> "))
        .flat_map(str::lines)
    {
        match line.strip_prefix("> ") {
            Some(input) => steps.push((input.to_owned(), Vec::new())),
            None => {
                let answer = &mut steps.last_mut().expect("an input").1;
                answer.push(line.trim_end().to_owned());
            }
        }
    }
    steps
}

/// A line without the times in it.
fn masked(line: &str) -> String {
    let units = ["µs", "ms", "s", "min"];
    let words: Vec<&str> = line.split_whitespace().collect();
    let is_unit = |word: &str| units.contains(&word.trim_end_matches([',', ';']));
    let mask = |(at, word): (usize, &&str)| match words.get(at + 1) {
        Some(next) if is_unit(next) => "…".to_owned(),
        _ if is_unit(word) => "…".to_owned(),
        _ => (*word).to_owned(),
    };
    let masked: Vec<String> = words.iter().enumerate().map(mask).collect();
    masked.join(" ")
}

/// Whether an answer is what a page shows, which may leave out lines where it has `…`.
fn is_shown(answer: &[String], shown: &[String]) -> bool {
    let Some((first, rest)) = shown.split_first() else {
        return answer.is_empty();
    };
    if first == "…" {
        return (0..=answer.len()).any(|skipped| is_shown(&answer[skipped..], rest));
    }
    answer
        .split_first()
        .is_some_and(|(line, others)| masked(line) == masked(first) && is_shown(others, rest))
}

#[test]
fn the_tours_of_the_pages_are_answered_as_shown() {
    for page in ["README.md", "docs/manual/src/repl.md"] {
        let steps = tour(page);
        assert!(steps.len() > 10, "{page} has a tour");
        let mut terminal = Terminal::start(
            &Place::new("tour", &[]).folder,
            &["repl", "--cpu", "portable"],
        );
        for (input, shown) in steps {
            let answer = terminal.say(&input);
            assert!(
                is_shown(&answer, &shown),
                "{page}: {input}\nis answered\n{}\nand not\n{}",
                answer.join("\n"),
                shown.join("\n")
            );
        }
        terminal.end();
    }
}

#[test]
fn typing_is_helped() {
    let place = Place::new("typing", &[]);
    let mut terminal = Terminal::start(&place.folder, &[]);
    // Completion, with what the session defines too.
    terminal.say("let wavelength = 3");
    terminal.keys("wavel\t * 2\r");
    assert_eq!(terminal.answer(), ["6"]);
    terminal.keys("half_norm\t");
    terminal.wait_for("half_normal(");
    terminal.wait_for("sd: positive)");
    terminal.keys("2).log_dens\t1)\r");
    assert_eq!(terminal.answer(), ["-1.043938533"]);
    // An unfinished input goes on in the next line.
    terminal.keys("mean([1, 2,\r6])\r");
    assert_eq!(terminal.answer(), ["6])", "3"]);
    // Ctrl-C leaves the line and not the session; errors do neither.
    terminal.keys("let lost = \x03");
    assert!(terminal.answer().is_empty());
    terminal.keys("1 + 1\r");
    assert_eq!(terminal.answer(), ["2"]);
    let said = terminal.say("nothing_of_this_name + 1").join("\n");
    assert!(said.contains("E0201"), "{said}");
    assert_eq!(terminal.say("2 + 2"), ["4"]);
    terminal.end();
    // What was typed is remembered in the next session.
    let mut terminal = Terminal::start(&place.folder, &[]);
    terminal.keys("\x1b[A\r");
    assert_eq!(terminal.answer(), ["4"]);
    terminal.end();
}

#[test]
fn an_interrupted_run_keeps_its_draws() {
    let place = Place::new("interrupt", &[]);
    let mut terminal = Terminal::start(&place.folder, &[]);
    terminal.say("x[1..50] ~ normal(0, 1)");
    terminal.say("y ~ normal(sum(x), 1)");
    terminal.say("data y = 1");
    terminal.keys(":run --draws 5000000 --chains 2 --warmup 50\r");
    terminal.wait_for("sampling");
    std::thread::sleep(Duration::from_millis(300));
    terminal.keys("\x03");
    let said = terminal.answer().join("\n");
    assert!(said.contains("Stopped early"), "{said}");
    let said = terminal.say("x[1] + x[2]").join("\n");
    assert!(
        said.contains("x[1] + x[2]") && said.contains("mean"),
        "{said}"
    );
    assert_eq!(terminal.say("1 + 1"), ["2"]);
    terminal.end();
}
