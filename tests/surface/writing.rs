//! Pipes that close, disks that are full, and files that cannot be read or written.

use std::fs;
use std::io::Read;

use super::common::Said;
use super::{SHORT, with, with_model};

#[test]
fn a_closed_pipe_ends_the_talking_only() {
    let place = with_model("pipe", &[]);
    let arguments = with(&["run", "m.ppl", "d.json", "-o", "o.csv"], &SHORT);
    let mut child = place.start(&arguments);
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
        let mut child = place.start(arguments);
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
    let place = with_model("full", &[]);
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
        let said = Said::of(&arguments.join(" "), output);
        said.fails(1, "cannot write standard output: No space left");
    }
    for arguments in [
        with(
            &["run", "m.ppl", "d.json", "--summary-json", "/dev/full"],
            &SHORT,
        ),
        vec!["optimise", "m.ppl", "d.json", "-o", "/dev/full"],
    ] {
        let said = place.run(&arguments);
        said.fails(1, "cannot write /dev/full: No space left");
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
    let place = with_model("protected", &[("o_1.csv", "old\n"), ("s.json", "old\n")]);
    let protect = |name: &str, mode| {
        let path = place.folder.join(name);
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("permissions");
    };
    protect("s.json", 0o444);
    // So long that nobody would wait for it.
    let long = ["run", "m.ppl", "d.json", "--draws", "10000000"];
    let said = place.run(&with(&long, &["--summary-json", "s.json"]));
    said.fails(1, "cannot write s.json: it is write-protected");
    assert_eq!(place.read("s.json"), "old\n");
    let said = place.run(&with(&long, &["-o", "."]));
    said.complains("it is a folder");
    fs::create_dir(place.folder.join("locked")).expect("a folder");
    protect("locked", 0o555);
    // Who may do everything may write there too.
    if fs::write(place.folder.join("locked/trial"), "").is_err() {
        let said = place.run(&with(&long, &["-o", "locked/o.csv"]));
        said.fails(1, "cannot write locked/o.csv: Permission denied");
    }
    protect("locked", 0o755);
}

#[cfg(unix)]
#[test]
fn what_cannot_be_read_is_said() {
    let place = with_model("unreadable", &[]);
    fs::write(place.folder.join("b.ppl"), [0xff, 0xfe, 0x00]).expect("a file");
    let said = place.run(&["check", "b.ppl"]);
    said.fails(1, "it is not a text file (byte 1 is not UTF-8)");
    let said = place.run(&["check", "."]);
    said.fails(1, "cannot read .");
}
