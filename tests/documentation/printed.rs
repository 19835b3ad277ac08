//! What pages show as the output of a command is what the command prints. A block whose first line begins with `$ likelier`
//! holds one or several commands and, below, all that they print. They are run on the files of the page: `model.ppl` and `data.json`
//! (or `.csv`) are the nearest such blocks above, any other name stands for the block that was nearest where it first occurred,
//! and a comment, `# {"x": 1}`, is the content of the last file before it. Paths of this repository are taken from it.
//!
//! Where the output begins with a line `…`, only its end is shown. Times and the level of the processor are not compared. `UPDATE=1 cargo test --test documentation` writes the pages anew.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use super::{Block, blocks, pages};

const PROMPT: &str = "$ likelier ";

/// What stands for the lines above those that are shown.
const ELISION: &str = "…";

/// So many characters tell where the shown lines begin: the width of the headings of a report.
const HEAD: usize = 10;

/// The files that commands of a page name, as far as they have occurred.
type Files = HashMap<String, String>;

/// The lines with commands, and those with what they print.
fn parts(text: &str) -> (Vec<&str>, Vec<&str>) {
    text.lines().partition(|line| line.starts_with(PROMPT))
}

/// The nearest block above that may stand for a file of this name.
fn nearest(above: &[Block], name: &str) -> Option<String> {
    let is_model = name.ends_with(".ppl");
    let fits = |block: &&Block| match block.fence.as_str() {
        "ppl" => is_model,
        "json" => name.ends_with(".json"),
        "csv" => name.ends_with(".csv"),
        "text" => name.ends_with(".json") && block.text.starts_with('{'),
        _ => false,
    };
    let found = above.iter().rev().find(fits)?;
    Some(found.text.clone())
}

/// Puts the files that a command names into the folder.
fn write_files(command: &str, above: &[Block], files: &mut Files, folder: &Path) {
    let (arguments, comment) = match command.split_once(" # ") {
        Some((arguments, comment)) => (arguments, Some(comment.trim())),
        None => (command, None),
    };
    let is_file = |word: &&str| {
        [".ppl", ".json", ".csv"]
            .iter()
            .any(|end| word.ends_with(end))
    };
    let words: Vec<&str> = arguments.split_whitespace().filter(is_file).collect();
    for (rank, name) in words.iter().enumerate() {
        let target = folder.join(name);
        let own = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
        let text = match comment {
            Some(comment) if rank + 1 == words.len() => Some(comment.to_string()),
            _ if own.exists() => Some(fs::read_to_string(own).expect(name)),
            _ if name.starts_with("model.") || name.starts_with("data.") => nearest(above, name),
            _ => files.get(*name).cloned().or_else(|| nearest(above, name)),
        };
        // What no block holds is written by a command.
        if let Some(text) = text.filter(|_| !arguments.contains(&format!("-o {name}"))) {
            fs::create_dir_all(target.parent().expect("a folder")).expect("a folder");
            fs::write(&target, &text).expect("a file");
            files.insert((*name).to_string(), text);
        }
    }
}

/// The names that a pattern with one `*` stands for, in order; a word without is itself.
fn expanded(word: &str, folder: &Path) -> Vec<String> {
    let Some((head, tail)) = word.split_once('*') else {
        return vec![word.to_string()];
    };
    let entries = fs::read_dir(folder).expect("the folder");
    let names = entries.map(|entry| entry.expect("an entry").file_name().into_string());
    let fits = |name: &String| name.starts_with(head) && name.ends_with(tail);
    let mut found: Vec<String> = names.filter_map(Result::ok).filter(fits).collect();
    found.sort();
    found
}

fn output(command: &str, folder: &Path) -> String {
    let arguments = command.split(" # ").next().unwrap_or(command);
    let words = arguments.split_whitespace().skip(2);
    let mut words: Vec<String> = words.flat_map(|word| expanded(word, folder)).collect();
    if !matches!(words[0].as_str(), "doc" | "explain") {
        words.extend(["--cpu".to_string(), "portable".to_string()]);
    }
    let done = Command::new(env!("CARGO_BIN_EXE_likelier"))
        .args(words)
        .current_dir(folder)
        .output()
        .expect("the program");
    let said = String::from_utf8(done.stderr).expect("text");
    assert!(done.status.success(), "{command}\n{said}");
    String::from_utf8(done.stdout).expect("text")
}

/// A line without what differs from machine to machine and from run to run.
fn masked(line: &str) -> String {
    if line.starts_with("Time  ") {
        return "Time".to_string();
    }
    let words: Vec<&str> = line.trim_end().split(' ').collect();
    let unit = |word: &str| {
        matches!(
            word.trim_end_matches([',', ')']),
            "µs" | "ms" | "s" | "min" | "h"
        )
    };
    let mask = |(at, word): (usize, &&str)| {
        let is_time =
            word.parse::<f64>().is_ok() && words.get(at + 1).is_some_and(|next| unit(next));
        let before = at.checked_sub(1).map(|at| words[at]);
        let is_unit = unit(word) && before.is_some_and(|word| word.parse::<f64>().is_ok());
        match is_time || is_unit || before == Some("cpu") {
            true => "…".to_string(),
            false => (*word).to_string(),
        }
    };
    let masked: Vec<String> = words.iter().enumerate().map(mask).collect();
    masked.join(" ")
}

/// What is printed, with the times of the page.
fn with_times_of(printed: &str, shown: &[&str]) -> Vec<String> {
    let line = |line: &str| {
        let same = shown
            .iter()
            .find(|old| masked(old) == masked(line) && line.contains(" ms") | line.contains(" s"));
        same.map_or(line.trim_end(), |old| old).to_string()
    };
    printed.trim_end().lines().map(line).collect()
}

/// Where a page begins with `…`, the lines from that on with which its next line begins.
fn as_far_as_shown(printed: &str, shown: &[&str]) -> String {
    let [ELISION, first, ..] = shown else {
        return printed.to_string();
    };
    let head: String = first.chars().take(HEAD).collect();
    let lines = printed.lines().skip_while(|line| !line.starts_with(&head));
    let kept: Vec<&str> = [ELISION].into_iter().chain(lines).collect();
    kept.join("\n")
}

#[test]
fn what_pages_show_of_commands_is_what_they_print() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = vec![root.join("README.md")];
    pages(&root.join("docs"), &mut found);
    found.sort();
    let mut compared = 0;
    let mut complaints = Vec::new();
    for page in found {
        let blocks = blocks(&page);
        let mut text = fs::read_to_string(&page).expect("a page");
        let mut files = Files::new();
        for (at, block) in blocks.iter().enumerate() {
            if !block.text.starts_with(PROMPT) {
                continue;
            }
            let (commands, shown) = parts(&block.text);
            let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("printed{compared}"));
            let _ = fs::remove_dir_all(&folder);
            fs::create_dir_all(&folder).expect("a folder");
            let mut printed = String::new();
            for command in &commands {
                write_files(command, &blocks[..at], &mut files, &folder);
                printed.push_str(&output(command, &folder));
            }
            compared += 1;
            let printed = as_far_as_shown(&printed, &shown);
            let wanted: Vec<String> = shown.iter().map(|line| masked(line)).collect();
            let given: Vec<String> = printed.trim_end().lines().map(masked).collect();
            if wanted == given {
                continue;
            }
            if std::env::var_os("UPDATE").is_some() {
                let lines = [
                    commands.iter().map(|c| (*c).to_string()).collect(),
                    with_times_of(&printed, &shown),
                ]
                .concat();
                text = text.replacen(&block.text, &(lines.join("\n") + "\n"), 1);
            } else {
                complaints.push(format!("{}: prints\n{printed}", block.place));
            }
        }
        if std::env::var_os("UPDATE").is_some() {
            fs::write(&page, text).expect("a page");
        }
    }
    assert!(compared > 10, "{compared} blocks");
    assert!(
        complaints.is_empty(),
        "`UPDATE=1 cargo test --test documentation` writes these anew\n{}",
        complaints.join("\n")
    );
}

#[test]
fn times_and_levels_are_not_compared() {
    assert_eq!(
        masked("Bridge 4.1 in 81 ms, cpu avx2"),
        masked("Bridge 4.1 in 3 s, cpu portable")
    );
    assert_ne!(masked("Bridge 4.1 in 81 ms"), masked("Bridge 4.2 in 81 ms"));
    assert_eq!(
        masked("Time       compiling 3 ms"),
        masked("Time       compiling 4 ms, more")
    );
}
