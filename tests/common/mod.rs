//! The program itself, run in a folder that a test has for itself, and what it says there: what tests of the command line share.

// Every test file uses some of it.
#![allow(dead_code)]

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

/// A folder of its own.
pub struct Place {
    pub folder: PathBuf,
}

impl Place {
    /// The folder of a test, with these files and nothing that an earlier run left.
    pub fn new(test: &str, files: &[(&str, &str)]) -> Self {
        let name = format!("{}-{test}", env!("CARGO_CRATE_NAME"));
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).expect("a folder");
        let place = Place { folder };
        for (name, text) in files {
            place.write(name, text);
        }
        place
    }

    /// Writes a file, in a folder below this one if its name says so.
    pub fn write(&self, name: &str, text: &str) {
        let path = self.folder.join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, text).expect("a file");
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    pub fn read_json(&self, name: &str) -> Value {
        serde_json::from_str(&self.read(name)).expect("JSON")
    }

    /// The names of all files, sorted.
    pub fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.folder).expect("a folder");
        let name = |entry: fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
        let mut names: Vec<String> = entries
            .map(|entry| name(entry.expect("an entry")))
            .collect();
        names.sort();
        names
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_likelier"));
        command.args(arguments).current_dir(&self.folder);
        command
    }

    /// Runs the program to its end.
    pub fn run(&self, arguments: &[&str]) -> Said {
        let output = self.command(arguments).output();
        Said::of(&arguments.join(" "), output.expect("the program runs"))
    }

    /// As [`Place::run`], with the arguments of a line that has no quotes.
    pub fn run_line(&self, line: &str) -> Said {
        self.run(&line.split_whitespace().collect::<Vec<_>>())
    }

    /// Starts the program, with a pipe for each of input, output and errors.
    pub fn start(&self, arguments: &[&str]) -> Child {
        self.command(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program runs")
    }

    /// As [`Place::run`], with a text on standard input.
    pub fn run_with_input(&self, arguments: &[&str], input: &str) -> Said {
        let mut child = self.start(arguments);
        let mut stdin = child.stdin.take().expect("an input");
        stdin.write_all(input.as_bytes()).expect("it is read");
        drop(stdin);
        let output = child.wait_with_output().expect("it ends");
        Said::of(&arguments.join(" "), output)
    }
}

/// What the program said.
#[derive(Debug)]
pub struct Said {
    /// What it was asked, for messages.
    asked: String,
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Said {
    pub fn of(asked: &str, output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
        Said {
            asked: asked.to_owned(),
            code: output.status.code(),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }

    /// Asserts that it ended with this code.
    #[track_caller]
    pub fn ends_with(&self, code: i32) {
        let Said {
            asked, out, err, ..
        } = self;
        assert_eq!(self.code, Some(code), "{asked}\n{out}{err}");
    }

    /// Asserts that all went well.
    #[track_caller]
    pub fn succeeds(&self) {
        self.ends_with(0);
    }

    /// Asserts that it ended with this code, and that a text is among what it says on standard error.
    #[track_caller]
    pub fn fails(&self, code: i32, text: &str) {
        self.ends_with(code);
        self.complains(text);
    }

    /// Asserts that a text is among what it prints.
    #[track_caller]
    pub fn prints(&self, text: &str) {
        let Said { asked, out, .. } = self;
        assert!(out.contains(text), "{asked}\n{out}\nprints no `{text}`");
    }

    /// Asserts that a text is among what it says on standard error.
    #[track_caller]
    pub fn complains(&self, text: &str) {
        let Said { asked, err, .. } = self;
        assert!(err.contains(text), "{asked}\n{err}\nsays no `{text}`");
    }

    /// The document that it prints.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).expect("JSON")
    }
}
