//! Runs that are interrupted or killed, and runs beside each other.

#![cfg(unix)]

use std::io::Read;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use super::common::{Place, Said};
use super::{SHORT, with, with_model};

/// Starts a run that would take hours, and waits until it draws.
fn start_long(place: &Place, output: &str) -> Child {
    let arguments = [
        "run", "m.ppl", "d.json", "--draws", "10000000", "--chains", "1", "-o", output,
    ];
    let mut child = place.start(&arguments);
    // The head is printed when everything before sampling is done.
    let mut first = [0; 64];
    let out = child.stdout.as_mut().expect("an output");
    assert!(out.read(&mut first).expect("text") > 0);
    std::thread::sleep(Duration::from_millis(300));
    child
}

fn interrupt(child: &Child) {
    let id = child.id().to_string();
    let sent = Command::new("kill")
        .args(["-INT", &id])
        .status()
        .expect("kill runs");
    assert!(sent.success());
}

#[test]
fn an_interrupted_run_keeps_its_draws_and_says_so_by_its_code() {
    let place = with_model("interrupted", &[]);
    let child = start_long(&place, "o.csv");
    interrupt(&child);
    let said = Said::of("run", child.wait_with_output().expect("it ends"));
    said.fails(130, "what was found until now is kept");
    said.prints("Stopped early");
    assert_eq!(place.names(), ["d.json", "m.ppl", "o_1.csv"]);
    let written = place.read("o_1.csv");
    assert!(written.ends_with('\n') && written.lines().count() > 50);
}

#[test]
fn two_runs_do_not_write_the_same_files() {
    let place = with_model("two", &[]);
    let first = start_long(&place, "o.csv");
    let started = Instant::now();
    let second = place.run(&with(&["run", "m.ppl", "d.json", "-o", "o.csv"], &SHORT));
    second.fails(1, "another likelier is about to write it");
    assert!(started.elapsed() < Duration::from_secs(60));
    let other = place.run(&with(&["run", "m.ppl", "d.json", "-o", "p.csv"], &SHORT));
    other.succeeds();
    interrupt(&first);
    first.wait_with_output().expect("it ends");
    let third = place.run(&with(&["run", "m.ppl", "d.json", "-o", "o.csv"], &SHORT));
    third.succeeds();
    assert!(
        !place.names().iter().any(|name| name.ends_with("lock")),
        "{:?}",
        place.names()
    );
}

#[test]
fn a_killed_run_blocks_nobody() {
    let place = with_model("killed", &[]);
    let mut first = start_long(&place, "o.csv");
    first.kill().expect("it is ours");
    first.wait().expect("it ends");
    let second = place.run(&with(&["run", "m.ppl", "d.json", "-o", "o.csv"], &SHORT));
    second.succeeds();
    assert_eq!(place.names(), ["d.json", "m.ppl", "o_1.csv", "o_2.csv"]);
}
