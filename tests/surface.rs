//! The command line as one surface: scripts, settings in a file, exit codes, what happens to files and pipes when something
//! is in the way, and the pages that describe it all. Everything goes through the program itself.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

const MODEL: &str = "mu ~ normal(0, 10)\ny[1..N] ~ normal(mu, 1)\n";
const DATA: &str = r#"{"y": [1.2, 0.7, 1.9]}"#;
/// A run that takes no time.
const SHORT: [&str; 6] = ["--chains", "2", "--draws", "20", "--warmup", "20"];

/// A folder of its own.
struct Place {
    folder: PathBuf,
}

impl Place {
    fn new(test: &str, files: &[(&str, &str)]) -> Self {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("surface-{test}"));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).expect("a folder");
        let place = Place { folder };
        for (name, text) in [("m.ppl", MODEL), ("d.json", DATA)].iter().chain(files) {
            place.write(name, text);
        }
        place
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.folder.join(name), text).expect("a file");
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// The names of all files, sorted.
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.folder).expect("a folder");
        let name = |entry: fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
        let mut names: Vec<String> = entries
            .map(|entry| name(entry.expect("an entry")))
            .collect();
        names.sort();
        names
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_likelier"));
        command.args(arguments).current_dir(&self.folder);
        command
    }

    fn run(&self, arguments: &[&str]) -> Said {
        Said::of(self.command(arguments).output().expect("the program runs"))
    }
}

/// What the program said.
#[derive(Debug)]
struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Said {
    fn of(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
        Said {
            code: output.status.code(),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }
}

fn with<'a>(first: &[&'a str], rest: &[&'a str]) -> Vec<&'a str> {
    first.iter().chain(rest).copied().collect()
}

// Scripts.

#[test]
fn a_model_alone_is_run() {
    let place = Place::new("script", &[]);
    let long = place.run(&with(&["run", "m.ppl", "d.json"], &SHORT));
    let short = place.run(&with(&["m.ppl", "d.json"], &SHORT));
    assert_eq!(long.code, Some(0), "{}", long.err);
    assert_eq!(short.code, Some(0), "{}", short.err);
    // All but the times, which are the last line.
    let table = |said: &Said| said.out.rsplit_once("Time ").expect("times").0.to_owned();
    assert_eq!(table(&long), table(&short));
    let missing = place.run(&["no/such.ppl"]);
    assert_eq!(missing.code, Some(1));
    assert!(
        missing
            .err
            .contains("cannot read no/such.ppl: No such file"),
        "{}",
        missing.err
    );
    let data = place.run(&["d.json"]);
    assert_eq!(data.code, Some(1));
    assert!(data.err.contains("the model comes first"), "{}", data.err);
    let typo = place.run(&["runn", "m.ppl"]);
    assert_eq!(typo.code, Some(2));
    assert!(typo.err.contains("'run'"), "{}", typo.err);
}

#[cfg(unix)]
#[test]
fn a_script_begins_with_the_name_of_the_program() {
    use std::os::unix::fs::PermissionsExt;
    let text = format!("#!/usr/bin/env likelier\n## A script.\n\n{MODEL}");
    let place = Place::new("shebang", &[("script", &text)]);
    let script = place.folder.join("script");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("permissions");
    let bin = Path::new(env!("CARGO_BIN_EXE_likelier"))
        .parent()
        .expect("a folder");
    let paths = std::env::var("PATH").unwrap_or_default();
    let output = Command::new(&script)
        .args(with(&["d.json"], &SHORT))
        .env("PATH", format!("{}:{paths}", bin.display()))
        .current_dir(&place.folder)
        .output()
        .expect("the script starts");
    let said = Said::of(output);
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(said.out.contains("Observed   y   3 values"), "{}", said.out);
}

// Settings in a file.

#[test]
fn settings_beside_the_model_are_used_and_the_command_line_wins() {
    let file = "seed = 7\nstrict = true\n\n[run]\nchains = 2\ndraws = 20\nwarmup = 30\n\n[evidence]\ndraws = 900\n";
    let place = Place::new("settings", &[("likelier.toml", file)]);
    let said = place.run(&[
        "run",
        "m.ppl",
        "d.json",
        "--dry-run",
        "--draws",
        "25",
        "-o",
        "o.csv",
    ]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(
        said.out
            .contains("seed 7, 2 chains of 30 warm-up + 25 draws"),
        "{}",
        said.out
    );
    let line = |name: &str| {
        let found = said
            .out
            .lines()
            .find(|line| line.starts_with(&format!("{name} ")));
        let words = found
            .unwrap_or_else(|| panic!("{name}: {}", said.out))
            .split_whitespace();
        words.skip(1).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(line("seed"), "7 likelier.toml:1");
    assert_eq!(line("strict"), "yes likelier.toml:2");
    assert_eq!(line("chains"), "2 likelier.toml:5");
    assert_eq!(line("draws"), "25 the command line");
    assert_eq!(line("max-depth"), "10 default");
    assert!(
        said.out.contains("Would write o_1.csv, o_2.csv"),
        "{}",
        said.out
    );
    assert_eq!(place.names(), ["d.json", "likelier.toml", "m.ppl"]);
    // A real run says the same, and from elsewhere too: the file stands beside the model.
    let elsewhere = Place::new("settings-elsewhere", &[]);
    let model = place.folder.join("m.ppl").display().to_string();
    let said = elsewhere.run(&["run", &model, "d.json"]);
    assert!(
        said.out
            .contains("seed 7, 2 chains of 30 warm-up + 20 draws"),
        "{}",
        said.out
    );
    let said = elsewhere.run(&with(&["run", &model, "d.json", "--no-config"], &SHORT));
    assert!(said.out.contains("seed 1, 2 chains"), "{}", said.out);
}

#[test]
fn mistakes_in_the_file_are_shown_where_they_are() {
    for (file, place_of, message) in [
        (
            "drws = 3\n",
            "likelier.toml:1:1",
            "no command has a setting `drws`",
        ),
        (
            "\n[run]\ndrws = 3\n",
            "likelier.toml:3:1",
            "did you mean `draws`?",
        ),
        ("[rum]\n", "likelier.toml:1:2", "did you mean `[run]`?"),
        (
            "[run]\ndraws = \"many\"\n",
            "likelier.toml:2:9",
            "invalid value 'many' for '--draws <DRAWS>'",
        ),
        (
            "[run]\nmethod = \"nits\"\n",
            "likelier.toml:2:10",
            "it is one of nuts, smc",
        ),
        (
            "[run]\ndraws = true\n",
            "likelier.toml:2:9",
            "`draws` is one value",
        ),
        (
            "strict = 1\n",
            "likelier.toml:1:10",
            "`strict` is on or off",
        ),
        (
            "[run]\noutput = \"o.csv\"\n",
            "likelier.toml:2:1",
            "`run` has no setting `output`",
        ),
        (
            "[run]\nset = 3\n",
            "likelier.toml:2:7",
            "invalid value '3' for '--set",
        ),
        ("draws = = 3\n", "likelier.toml:1", "settings are written"),
        (
            "[run.draws]\na = 3\n",
            "likelier.toml",
            "is a setting, not a table",
        ),
    ] {
        let place = Place::new("settings-wrong", &[("likelier.toml", file)]);
        let said = place.run(&["run", "m.ppl", "d.json"]);
        assert_eq!(said.code, Some(2), "{file}\n{}", said.err);
        assert!(said.err.contains(place_of), "{file}\n{}", said.err);
        assert!(said.err.contains(message), "{file}\n{}", said.err);
    }
}

#[test]
fn a_setting_that_does_not_go_with_the_arguments_is_left_out() {
    let file = "[run]\nreplicate = true\nwithout = [\"a\", \"b\"]\nchains = 1\ndraws = 5\n";
    let model = format!("{MODEL}soft a: mu < 0 within 1\nsoft b: mu < 1 within 1\n");
    let place = Place::new(
        "settings-unused",
        &[("likelier.toml", file), ("s.ppl", &model)],
    );
    let said = place.run(&["run", "s.ppl", "d.json", "--dry-run"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(
        said.out.contains("likelier.toml:2 is not used"),
        "{}",
        said.out
    );
    assert!(said.out.contains("a b"), "{}", said.out);
    let said = place.run(&["run", "s.ppl", "d.json", "-o", "o.csv"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(
        place.read("o_1.csv").contains("y_rep"),
        "replicates are written with a file"
    );
}

// Exit codes.

#[test]
fn exit_codes_mean_what_the_manual_says() {
    let flat = "mu ~ flat(real)\ns ~ half_normal(1)\ny[1..N] ~ normal(mu, s)\n";
    let place = Place::new(
        "codes",
        &[
            ("flat.ppl", flat),
            ("wrong.ppl", "mu ~ normal(0, 1\n"),
            ("messy.ppl", "mu~normal(0,1)\n"),
            ("one.json", r#"{"y": [1.0]}"#),
        ],
    );
    for (arguments, code) in [
        ("run m.ppl d.json --chains 2 --draws 300 --warmup 200", 0),
        ("check m.ppl", 0),
        ("--version", 0),
        ("--help", 0),
        ("run --help", 0),
        ("run wrong.ppl d.json", 1),
        ("run m.ppl missing.json", 1),
        ("check wrong.ppl", 1),
        ("doc nothing_of_this_name", 1),
        ("explain E9999", 1),
        ("run m.ppl d.json -o no_such_folder/draws.csv", 1),
        ("evidence flat.ppl d.json", 1),
        ("run", 2),
        ("run m.ppl d.json --draws many", 2),
        ("run m.ppl d.json --chains 0", 2),
        ("nonsense", 2),
        (
            "run m.ppl d.json --chains 2 --draws 4 --warmup 2 --strict",
            3,
        ),
        ("optimise flat.ppl one.json", 3),
        ("fmt --check messy.ppl", 3),
    ] {
        let said = place.run(&arguments.split(' ').collect::<Vec<_>>());
        assert_eq!(
            said.code,
            Some(code),
            "{arguments}\n{}{}",
            said.out,
            said.err
        );
        let is_silent = said.err.is_empty();
        assert!(
            !matches!(code, 1 | 2) || !is_silent,
            "{arguments} says nothing"
        );
    }
    let page = include_str!("../docs/manual/src/commands.md");
    for code in ["0", "1", "2", "3", "130"] {
        assert!(
            page.contains(&format!("| {code} |")),
            "{code} is not in the manual"
        );
    }
}

// Pipes and files.

#[test]
fn a_closed_pipe_ends_the_talking_only() {
    let place = Place::new("pipe", &[]);
    let arguments = with(&["run", "m.ppl", "d.json", "-o", "o.csv"], &SHORT);
    let mut child = place
        .command(&arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program runs");
    drop(child.stdout.take());
    let mut err = String::new();
    child
        .stderr
        .take()
        .expect("errors")
        .read_to_string(&mut err)
        .expect("text");
    assert_eq!(child.wait().expect("it ends").code(), Some(0), "{err}");
    assert_eq!(err, "");
    assert!(place.names().contains(&"o_2.csv".to_owned()));
    for arguments in [
        &["--help"][..],
        &["doc", "library"],
        &["completions", "bash"],
        &["man"],
    ] {
        let mut child = place
            .command(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .expect("it runs");
        drop(child.stdout.take());
        assert_eq!(
            child.wait().expect("it ends").code(),
            Some(0),
            "{arguments:?}"
        );
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error() {
    let place = Place::new("full", &[]);
    for arguments in [
        with(&["run", "m.ppl", "d.json"], &SHORT),
        vec!["check", "m.ppl", "d.json"],
        vec!["doc", "normal"],
        vec!["simulate", "m.ppl", "d.json", "-n", "3"],
    ] {
        let full = fs::File::options()
            .write(true)
            .open("/dev/full")
            .expect("a device");
        let output = place
            .command(&arguments)
            .stdout(full)
            .output()
            .expect("it runs");
        let said = Said::of(output);
        assert_eq!(said.code, Some(1), "{arguments:?}");
        assert!(
            said.err
                .contains("cannot write standard output: No space left"),
            "{}",
            said.err
        );
    }
    for arguments in [
        with(
            &["run", "m.ppl", "d.json", "--summary-json", "/dev/full"],
            &SHORT,
        ),
        vec!["optimise", "m.ppl", "d.json", "-o", "/dev/full"],
    ] {
        let said = place.run(&arguments);
        assert_eq!(said.code, Some(1), "{arguments:?}");
        assert!(
            said.err.contains("cannot write /dev/full: No space left"),
            "{}",
            said.err
        );
    }
    assert_eq!(place.names(), ["d.json", "m.ppl"]);
    // What is no file is written as it is.
    let said = place.run(&with(
        &[
            "run",
            "m.ppl",
            "d.json",
            "-q",
            "--summary-json",
            "/dev/stdout",
        ],
        &SHORT,
    ));
    assert!(
        said.out.starts_with('{') && said.out.contains("\"mu\""),
        "{}",
        said.out
    );
}

#[cfg(unix)]
#[test]
fn what_must_not_be_written_is_found_out_before_the_work() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new("protected", &[("o_1.csv", "old\n"), ("s.json", "old\n")]);
    let protect = |name: &str, mode| {
        let path = place.folder.join(name);
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("permissions");
    };
    protect("s.json", 0o444);
    // So long that nobody would wait for it.
    let long = ["run", "m.ppl", "d.json", "--draws", "10000000"];
    let said = place.run(&with(&long, &["--summary-json", "s.json"]));
    assert_eq!(said.code, Some(1));
    assert!(
        said.err
            .contains("cannot write s.json: it is write-protected"),
        "{}",
        said.err
    );
    assert_eq!(place.read("s.json"), "old\n");
    let said = place.run(&with(&long, &["-o", "."]));
    assert!(said.err.contains("it is a folder"), "{}", said.err);
    fs::create_dir(place.folder.join("locked")).expect("a folder");
    protect("locked", 0o555);
    // Who may do everything may write there too.
    if fs::write(place.folder.join("locked/trial"), "").is_err() {
        let said = place.run(&with(&long, &["-o", "locked/o.csv"]));
        assert_eq!(said.code, Some(1));
        assert!(
            said.err
                .contains("cannot write locked/o.csv: Permission denied"),
            "{}",
            said.err
        );
    }
    protect("locked", 0o755);
}

#[cfg(unix)]
#[test]
fn what_cannot_be_read_is_said() {
    let place = Place::new("unreadable", &[]);
    fs::write(place.folder.join("b.ppl"), [0xff, 0xfe, 0x00]).expect("a file");
    let said = place.run(&["check", "b.ppl"]);
    assert_eq!(said.code, Some(1));
    assert!(
        said.err
            .contains("it is not a text file (byte 1 is not UTF-8)"),
        "{}",
        said.err
    );
    let said = place.run(&["check", "."]);
    assert_eq!(said.code, Some(1));
    assert!(said.err.contains("cannot read ."), "{}", said.err);
}

/// Starts a run that would take hours, and waits until it draws.
#[cfg(unix)]
fn start_long(place: &Place, output: &str) -> std::process::Child {
    let arguments = [
        "run", "m.ppl", "d.json", "--draws", "10000000", "--chains", "1", "-o", output,
    ];
    let mut child = place
        .command(&arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program runs");
    // The head is printed when everything before sampling is done.
    let mut first = [0; 64];
    let out = child.stdout.as_mut().expect("an output");
    assert!(out.read(&mut first).expect("text") > 0);
    std::thread::sleep(Duration::from_millis(300));
    child
}

#[cfg(unix)]
fn interrupt(child: &std::process::Child) {
    let id = child.id().to_string();
    let sent = Command::new("kill")
        .args(["-INT", &id])
        .status()
        .expect("kill runs");
    assert!(sent.success());
}

#[cfg(unix)]
#[test]
fn an_interrupted_run_keeps_its_draws_and_says_so_by_its_code() {
    let place = Place::new("interrupted", &[]);
    let child = start_long(&place, "o.csv");
    interrupt(&child);
    let said = Said::of(child.wait_with_output().expect("it ends"));
    assert_eq!(said.code, Some(130), "{}{}", said.out, said.err);
    assert!(
        said.err.contains("what was found until now is kept"),
        "{}",
        said.err
    );
    assert!(said.out.contains("Stopped early"), "{}", said.out);
    assert_eq!(place.names(), ["d.json", "m.ppl", "o_1.csv"]);
    let written = place.read("o_1.csv");
    assert!(written.ends_with('\n') && written.lines().count() > 50);
}

#[cfg(unix)]
#[test]
fn two_runs_do_not_write_the_same_files() {
    let place = Place::new("two", &[]);
    let first = start_long(&place, "o.csv");
    let started = Instant::now();
    let second = place.run(&with(&["run", "m.ppl", "d.json", "-o", "o.csv"], &SHORT));
    assert_eq!(second.code, Some(1), "{}", second.out);
    assert!(
        second.err.contains("another likelier is about to write it"),
        "{}",
        second.err
    );
    assert!(started.elapsed() < Duration::from_secs(60));
    let other = place.run(&with(&["run", "m.ppl", "d.json", "-o", "p.csv"], &SHORT));
    assert_eq!(other.code, Some(0), "{}", other.err);
    interrupt(&first);
    first.wait_with_output().expect("it ends");
    let third = place.run(&with(&["run", "m.ppl", "d.json", "-o", "o.csv"], &SHORT));
    assert_eq!(third.code, Some(0), "{}", third.err);
    assert!(
        !place.names().iter().any(|name| name.ends_with("lock")),
        "{:?}",
        place.names()
    );
}

#[cfg(unix)]
#[test]
fn a_killed_run_blocks_nobody() {
    let place = Place::new("killed", &[]);
    let mut first = start_long(&place, "o.csv");
    first.kill().expect("it is ours");
    first.wait().expect("it ends");
    let second = place.run(&with(&["run", "m.ppl", "d.json", "-o", "o.csv"], &SHORT));
    assert_eq!(second.code, Some(0), "{}", second.err);
    assert_eq!(place.names(), ["d.json", "m.ppl", "o_1.csv", "o_2.csv"]);
}

// Pages.

/// The commands that `--help` lists.
fn commands(place: &Place) -> Vec<String> {
    let said = place.run(&["--help"]);
    let lines = said.out.lines().filter_map(|line| line.strip_prefix("  "));
    let names = lines.filter_map(|line| line.split_whitespace().next());
    names.map(str::to_owned).collect()
}

#[test]
fn the_first_page_fits_a_screen_and_says_what_to_type() {
    let place = Place::new("help", &[]);
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
    let place = Place::new("pages", &[]);
    let page = include_str!("../docs/manual/src/commands.md");
    for name in &commands(&place) {
        let said = place.run(&[name, "--help"]);
        assert!(
            said.out.contains("Example:\n  likelier"),
            "{name}\n{}",
            said.out
        );
        let is_told =
            page.contains(&format!("## {name}\n")) || page.contains(&format!("likelier {name} "));
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
    let place = Place::new("man", &[]);
    fs::create_dir(place.folder.join("man1")).expect("a folder");
    let said = place.run(&["man", "-o", "man1"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(place.read("man1/likelier.1").contains("likelier\\-run"));
    assert!(
        place
            .read("man1/likelier-run.1")
            .contains("\\-\\-target\\-accept")
    );
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let said = place.run(&["completions", shell]);
        assert_eq!(said.code, Some(0));
        assert!(
            said.out.contains("evidence") && said.out.contains("target-accept"),
            "{shell}"
        );
    }
}

#[test]
fn nothing_is_coloured_where_no_terminal_is() {
    let place = Place::new("colour", &[("wrong.ppl", "mu ~ normal(0, 1\n")]);
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
    let place = Place::new("no-color", &[("wrong.ppl", "mu ~ normal(0, 1\n")]);
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
