//! Settings in a file beside the model.

use super::common::Said;
use super::{MODEL, SHORT, with, with_model};

/// The value of a setting and where it comes from, as a dry run lists them.
fn row(said: &Said, name: &str) -> String {
    let start = format!("{name} ");
    let row = said.out.lines().find(|line| line.starts_with(&start));
    let row = row.unwrap_or_else(|| panic!("{name}: {}", said.out));
    let words: Vec<&str> = row.split_whitespace().skip(1).collect();
    words.join(" ")
}

#[test]
fn settings_beside_the_model_are_used_and_the_command_line_wins() {
    let file = "seed = 7\nstrict = true\n\n[run]\nchains = 2\ndraws = 20\nwarmup = 30\n\n[evidence]\ndraws = 900\n";
    let place = with_model("settings", &[("likelier.toml", file)]);
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
    said.succeeds();
    said.prints("seed 7, 2 chains of 30 warm-up + 25 draws");
    assert_eq!(row(&said, "seed"), "7 likelier.toml:1");
    assert_eq!(row(&said, "strict"), "yes likelier.toml:2");
    assert_eq!(row(&said, "chains"), "2 likelier.toml:5");
    assert_eq!(row(&said, "draws"), "25 the command line");
    assert_eq!(row(&said, "max-depth"), "10 default");
    said.prints("Would write o_1.csv, o_2.csv");
    assert_eq!(place.names(), ["d.json", "likelier.toml", "m.ppl"]);
    // A real run says the same, and from elsewhere too: the file stands beside the model.
    let elsewhere = with_model("settings-elsewhere", &[]);
    let model = place.folder.join("m.ppl").display().to_string();
    let said = elsewhere.run(&["run", &model, "d.json"]);
    said.prints("seed 7, 2 chains of 30 warm-up + 20 draws");
    let said = elsewhere.run(&with(&["run", &model, "d.json", "--no-config"], &SHORT));
    said.prints("seed 1, 2 chains");
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
        let place = with_model("settings-wrong", &[("likelier.toml", file)]);
        let said = place.run(&["run", "m.ppl", "d.json"]);
        said.fails(2, place_of);
        said.complains(message);
    }
}

#[test]
fn a_setting_that_does_not_go_with_the_arguments_is_left_out() {
    let file = "[run]\nreplicate = true\nwithout = [\"a\", \"b\"]\nchains = 1\ndraws = 5\n";
    let model = format!("{MODEL}soft a: mu < 0 within 1\nsoft b: mu < 1 within 1\n");
    let place = with_model(
        "settings-unused",
        &[("likelier.toml", file), ("s.ppl", &model)],
    );
    let said = place.run(&["run", "s.ppl", "d.json", "--dry-run"]);
    said.succeeds();
    said.prints("likelier.toml:2 is not used");
    said.prints("a b");
    let said = place.run(&["run", "s.ppl", "d.json", "-o", "o.csv"]);
    said.succeeds();
    assert!(
        place.read("o_1.csv").contains("y_rep"),
        "replicates are written with a file"
    );
}

#[test]
fn every_command_that_draws_can_be_rehearsed() {
    let file = "seed = 7\n\n[evidence]\nreplicates = 2\n";
    let other = "mu ~ normal(0, 1)\ny[1..N] ~ normal(mu, 1)\n";
    let place = with_model("rehearsed", &[("likelier.toml", file), ("o.ppl", other)]);
    place
        .run(&with(
            &["run", "m.ppl", "d.json", "-q", "-o", "x.csv"],
            &SHORT,
        ))
        .succeeds();
    let before = place.names();
    for (line, option, written) in [
        ("evidence m.ppl d.json -o e.json", "replicates", "e.json"),
        (
            "compare m.ppl o.ppl --data d.json -o c.json",
            "refits",
            "c.json",
        ),
        ("simulate m.ppl d.json -o s.csv", "draws", "s.csv"),
        (
            "predict m.ppl d.json --from x_1.csv -o p.csv",
            "seed",
            "p.csv",
        ),
        ("calibrate m.ppl d.json -o k.json", "simulations", "k.json"),
        ("optimise m.ppl d.json -o o.json", "starts", "o.json"),
    ] {
        let said = place.run_line(&format!("{line} --dry-run"));
        said.succeeds();
        row(&said, option);
        assert!(row(&said, "seed").ends_with("likelier.toml:1"), "{line}");
        said.prints(&format!("Would write {written}"));
        assert_eq!(place.names(), before, "{line}");
    }
    place
        .run_line("evidence m.ppl d.json --dry-run")
        .prints("likelier.toml:4");
}
