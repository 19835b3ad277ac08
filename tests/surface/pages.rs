//! Pages of help and of `man`, completions, and colour.

use std::fs;
use std::io::Read;

use super::common::Place;
use super::{COMMANDS_PAGE, with_model};

/// The commands that `--help` lists.
fn commands(place: &Place) -> Vec<String> {
    let said = place.run(&["--help"]);
    let lines = said.out.lines().filter_map(|line| line.strip_prefix("  "));
    let names = lines.filter_map(|line| line.split_whitespace().next());
    names.map(str::to_owned).collect()
}

#[test]
fn the_first_page_fits_a_screen_and_says_what_to_type() {
    let place = with_model("help", &[]);
    let said = place.run(&["--help"]);
    let lines: Vec<&str> = said.out.lines().collect();
    assert!(lines.len() <= 24, "{} lines\n{}", lines.len(), said.out);
    for line in &lines {
        assert!(line.chars().count() <= 80, "{line}");
    }
    assert!(
        lines[2].contains("likelier run model.ppl data.json"),
        "{}",
        said.out
    );
    assert!(commands(&place).len() > 12, "{:?}", commands(&place));
}

#[test]
fn every_command_has_an_example_in_its_help_and_a_section_in_the_manual() {
    let place = with_model("pages", &[]);
    for name in &commands(&place) {
        let said = place.run(&[name, "--help"]);
        said.prints("Example:\n  likelier");
        let is_told = COMMANDS_PAGE.contains(&format!("## {name}\n"))
            || COMMANDS_PAGE.contains(&format!("likelier {name} "));
        assert!(is_told, "{name} is not in commands.md");
        let man = place.run(&["man", name]);
        assert!(
            man.out.contains(".SH OPTIONS") && man.out.contains("EXIT STATUS"),
            "{name}"
        );
    }
}

#[test]
fn pages_for_man_and_completions_are_made() {
    let place = with_model("man", &[]);
    fs::create_dir(place.folder.join("man1")).expect("a folder");
    let said = place.run(&["man", "-o", "man1"]);
    said.succeeds();
    assert!(place.read("man1/likelier.1").contains("likelier\\-run"));
    assert!(
        place
            .read("man1/likelier-run.1")
            .contains("\\-\\-target\\-accept")
    );
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let said = place.run(&["completions", shell]);
        said.succeeds();
        assert!(
            said.out.contains("evidence") && said.out.contains("target-accept"),
            "{shell}"
        );
    }
}

#[test]
fn nothing_is_coloured_where_no_terminal_is() {
    let place = with_model("colour", &[("wrong.ppl", "mu ~ normal(0, 1\n")]);
    for arguments in [
        &["check", "wrong.ppl"][..],
        &["--help"],
        &["run"],
        &["run", "m.ppl"],
    ] {
        let said = place.run(arguments);
        assert!(
            !said.out.contains('\x1b') && !said.err.contains('\x1b'),
            "{arguments:?}"
        );
    }
}

/// What the program writes on a terminal with this value of `NO_COLOR`.
#[cfg(unix)]
fn on_terminal(place: &Place, arguments: &[&str], no_color: Option<&str>) -> String {
    use portable_pty::{CommandBuilder, PtySize, native_pty_system};
    let pair = native_pty_system()
        .openpty(PtySize::default())
        .expect("a pseudo-terminal");
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_likelier"));
    command.args(arguments);
    command.cwd(&place.folder);
    command.env("TERM", "xterm-256color");
    command.env_remove("NO_COLOR");
    no_color
        .iter()
        .for_each(|value| command.env("NO_COLOR", value));
    let mut reader = pair.master.try_clone_reader().expect("a reader");
    let mut child = pair.slave.spawn_command(command).expect("the program");
    drop(pair.slave);
    let mut written = Vec::new();
    // The end of a terminal is an error on some systems; what came before counts.
    let _ = reader.read_to_end(&mut written);
    child.wait().expect("it ends");
    String::from_utf8_lossy(&written).into_owned()
}

#[cfg(unix)]
#[test]
fn a_terminal_is_coloured_unless_somebody_objects() {
    let place = with_model("no-color", &[("wrong.ppl", "mu ~ normal(0, 1\n")]);
    let coloured =
        |text: &str| text.contains("\x1b[1") || text.contains("\x1b[3") || text.contains("\x1b[0;");
    for arguments in [
        &["check", "wrong.ppl"][..],
        &["run", "no.ppl"],
        &["run", "--help"],
        &["nonsense"],
    ] {
        let plain = on_terminal(&place, arguments, Some("1"));
        assert!(!coloured(&plain), "{arguments:?}\n{plain:?}");
        let shown = on_terminal(&place, arguments, None);
        assert!(coloured(&shown), "{arguments:?}\n{shown:?}");
    }
}
