//! Sessions without a terminal: inputs and what is answered.

mod draws;

use super::session::{Session, Then};
use super::settings::Settings;

/// A session that keeps what it says.
struct Talk {
    session: Session,
}

impl Talk {
    fn new() -> Self {
        let mut settings = Settings::default();
        for (name, value) in [
            ("cpu", "portable"),
            ("no-progress", "on"),
            ("draws", "500"),
            ("warmup", "300"),
        ] {
            settings.put(name, value).expect("a setting");
        }
        Self {
            session: Session::new(settings, false),
        }
    }

    /// What is answered; an error is answered as its message.
    fn say(&mut self, input: &str) -> String {
        let mut text = String::new();
        let mut print = |more: &str| {
            text.push_str(more);
            Ok(())
        };
        let result = self.session.answer(input, &mut print);
        match result {
            Ok(Then::GoOn) => text.trim_end().to_owned(),
            Ok(Then::Quit) => "quit".to_owned(),
            Err(error) => format!("error: {error}"),
        }
    }

    /// Asserts that an input is answered by an error that says this.
    #[track_caller]
    fn refuses(&mut self, input: &str, message: &str) {
        let said = self.say(input);
        assert!(
            said.starts_with("error: ") && said.contains(message),
            "{input}\n{said}"
        );
    }

    fn script(&mut self, script: &str) {
        for input in super::input::split(script) {
            let said = self.say(&input);
            assert!(!said.starts_with("error"), "{input}\n{said}");
        }
    }
}

const SCHOOLS: &str = "
given sigma: positive[J]
mu ~ normal(0, 5)
tau ~ half_cauchy(5)
z[1..J] ~ normal(0, 1)
let theta = mu + tau * z
y ~ normal(theta, sigma)
data sigma = [15, 10, 16, 11, 9, 11, 10, 18]
data y = [28, 8, -3, 7, -1, 1, 18, 12]
";

fn number(text: &str) -> f64 {
    text.parse()
        .unwrap_or_else(|_| panic!("`{text}` is a number"))
}

#[test]
fn expressions_have_values_at_once() {
    let mut talk = Talk::new();
    for (input, value) in [
        ("mean([1, 2, 3])", "2"),
        ("1 + 2 * 3", "7"),
        ("7 > 3 and not false", "true"),
        ("[i^2 for i in 1..4]", "[1, 4, 9, 16]"),
        ("identity(2) * 3", "[[3, 0],\n [0, 3]]"),
        ("if 1 > 2 { 1.5 } else { 2.5 }", "2.5"),
        // log density of a standard normal at 0.3: -0.045 - log(2 π) / 2
        ("normal(0, 1).log_density(0.3)", "-0.9639385332"),
        ("poisson(2).log_density(3)", "-1.712317928"),
        ("normal(0, 1).cdf(1.959963984540054)", "0.975"),
    ] {
        assert_eq!(talk.say(input), value, "{input}");
    }
}

#[test]
fn data_that_no_statement_names_are_known_to_expressions() {
    let mut talk = Talk::new();
    talk.script("data y = [1.5, 2, 4]\ndata city = [\"ulm\", \"bern\", \"ulm\"]\ndata k = 3");
    for (input, value) in [
        ("mean(y)", "2.5"),
        ("y[k] + 1", "5"),
        ("city", "[2, 1, 2]"),
        (":type y", "real[3]"),
        (":type k", "int"),
    ] {
        assert_eq!(talk.say(input), value, "{input}");
    }
}

#[test]
fn distributions_are_answered_with_another_draw_each_time() {
    let mut talk = Talk::new();
    let draws: Vec<f64> = (0..200)
        .map(|_| number(&talk.say("normal(100, 2)")))
        .collect();
    let mean = draws.iter().sum::<f64>() / 200.0;
    let variance = draws.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 199.0;
    // Four standard errors of each.
    assert!((mean - 100.0).abs() < 4.0 * 2.0 / 200_f64.sqrt(), "{mean}");
    assert!(
        (variance / 4.0 - 1.0).abs() < 4.0 * (2.0_f64 / 199.0).sqrt(),
        "{variance}"
    );
    assert!(number(&talk.say("~ normal(0, 1) truncated(2, inf)")) >= 2.0);
    assert!(number(&talk.say("binomial(10, 0.5)")).fract() == 0.0);
    assert_eq!(talk.say("~ normal(zeros(3), 1)").matches(',').count(), 2);
    talk.say("dist twice(m: real) on real = normal(2 * m, 0.001)");
    assert!((number(&talk.say("twice(3)")) - 6.0).abs() < 0.01);
    assert!(talk.say("flat()").contains("error"));
}

#[test]
fn statements_say_what_they_changed() {
    let mut talk = Talk::new();
    for (input, said) in [
        ("mu ~ normal(0, 5)", "mu: real, simulated"),
        ("let a = 2 * 3", "a = 6"),
        ("let b = mu + a", "b: real, computed"),
        (
            "data y = [1, 2, 4]",
            "y: 3 whole numbers; no statement names it yet",
        ),
        (
            "y[1..N] ~ normal(b, 1)",
            "y: real[3], observed\nN = 3\nmu: now inferred",
        ),
        ("report best = max(y) - mu", "best: real, computed"),
        ("report b", "report b: reported with every draw"),
        ("fn half(x: real) -> real = x / 2", "half: a function"),
        (
            "soft near: mu ~= 0 within 3",
            "soft near: mu ~= 0 within 3: a soft constraint",
        ),
        (
            "observe mu + 1 ~ normal(0, 9)",
            "observe mu + 1 ~ normal(0, 9): conditions on it",
        ),
        ("import std.kernels", "import std.kernels: imported"),
    ] {
        assert_eq!(talk.say(input), said, "{input}");
    }
}

#[test]
fn what_is_missing_is_said_once() {
    let mut talk = Talk::new();
    let said = talk.say("given x: real[N]");
    assert!(
        said.starts_with("x: real[N], given\ncannot run yet: "),
        "{said}"
    );
    assert_eq!(talk.say("b ~ normal(0, 1)"), "b: real, simulated");
    let said = talk.say("data x = [1, 2, 3]");
    assert_eq!(said, "x: real[3], given\nN = 3");
    let said = talk.say("y ~ normal(b * x, 1)");
    assert_eq!(said, "y: real[3], simulated");
    let said = talk.say("data y = [1, 2]");
    assert!(said.contains("cannot run yet"), "{said}");
    assert!(!talk.say("data y = [1, 2, 3]").contains("cannot"));
}

#[test]
fn a_name_defined_anew_says_what_rests_on_it_and_is_taken_back() {
    let mut talk = Talk::new();
    talk.script(SCHOOLS);
    let before = talk.say(":show");
    let said = talk.say("tau ~ half_normal(5)");
    assert_eq!(
        said,
        "tau: real, inferred\nin place of tau ~ half_cauchy(5)\ntheta, y depend on it"
    );
    assert_eq!(
        talk.say(":show"),
        before.replace("half_cauchy(5)", "half_normal(5)")
    );
    assert_eq!(talk.say(":undo"), "taken back: tau ~ half_normal(5)");
    assert_eq!(talk.say(":show"), before);
    let said = talk.say(":undo");
    assert!(said.ends_with("mu, tau, z, y: now simulated"), "{said}");
    for _ in 0..7 {
        assert!(talk.say(":undo").starts_with("taken back"));
    }
    assert_eq!(talk.say(":undo"), "there is nothing to take back");
    assert_eq!(talk.say(":show"), "there are no statements yet");
}

#[test]
fn errors_point_into_what_can_be_seen() {
    let folder = std::env::temp_dir().join(format!("likelier-places-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let path = folder.join("m.ppl").display().to_string();
    let mut talk = Talk::new();
    talk.script(SCHOOLS);
    talk.say(&format!(":save \"{path}\""));
    let place = |said: &str| {
        let line = said.lines().find(|line| line.contains("┌─"));
        let place = line.and_then(|line| line.split_once("┌─ "));
        place.map(|(_, place)| place.to_owned()).unwrap_or_default()
    };
    for (input, expected) in [
        ("theta[9] - mu", "input:1:7"),
        ("sqrt(mu, tau)", "input:1:1"),
        (":type theta[1, 2]", "input:1:1"),
        ("~ normal(y[9], 1)", "input:1:10"),
        ("let a = zz", "input:1:9"),
        ("let a = 1; let b = a + zz", "input:2:13"),
    ] {
        assert_eq!(place(&talk.say(input)), expected, "{input}");
    }
    // What the file holds has its lines, and what it does not hold yet those of `:show`.
    talk.say("data y = [1, 2]");
    assert_eq!(place(&talk.say(":run")), format!("{path}:6:1"));
    talk.say("let c = 1");
    assert_eq!(place(&talk.say(":run")), "session:6:1");
    assert_eq!(
        talk.say(":show").lines().nth(5),
        Some("y ~ normal(theta, sigma)")
    );
    talk.say(":undo");
    assert_eq!(place(&talk.say(":run")), format!("{path}:6:1"));
    std::fs::remove_dir_all(&folder).expect("the folder");
}

#[test]
fn expressions_are_data_where_all_is_known() {
    let mut talk = Talk::new();
    talk.script("mu ~ normal(0, 1)\ndata x = [i + 180 for i in 1..3]\ndata w = x / 10\ndata k = -2 * 4\ndata b = 1 > 2");
    for (input, value) in [
        ("x", "[181, 182, 183]"),
        ("w", "[18.1, 18.2, 18.3]"),
        ("k", "-8"),
        (":type k", "int"),
        (":type w", "real[3]"),
        ("b", "0"),
    ] {
        assert_eq!(talk.say(input), value, "{input}");
    }
    for (input, message) in [
        ("data v = [1, mu]", "`mu` is unknown"),
        ("data v = normal(0, 1)", "is a distribution"),
        ("data v = [1, 0 / 0]", "`v[2]` would be no number"),
        ("data v = [1, qq]", "nothing is called `qq`"),
        ("data v = [1,", "an expression such as"),
    ] {
        talk.refuses(input, message);
        assert!(!talk.say(":data").contains("v:"), "{input}");
    }
}

#[test]
fn factors_are_called_so_and_quiet_commands_say_nothing() {
    let mut talk = Talk::new();
    assert!(
        talk.say("given g: factor[N]")
            .starts_with("g: factor[N], given")
    );
    assert_eq!(
        talk.say("data g = [\"b\", \"a\", \"b\"]"),
        "g: factor[3], given\nN = 3"
    );
    assert_eq!(talk.say(":type g"), "factor[3]");
    assert_eq!(talk.say(":type g[1]"), "int");
    talk.script("a[1..levels(g)] ~ normal(0, 1)\ny ~ normal(a[g], 1)\ndata y = [1, 2, 3]");
    assert_eq!(talk.say(":run -q"), "");
    assert!(talk.say("a").contains("a[g=a]"));
    assert_eq!(talk.say(":simulate -q -n 10"), "");
}

#[test]
fn errors_change_nothing() {
    let mut talk = Talk::new();
    talk.script(SCHOOLS);
    let before = talk.say(":show");
    for (input, code) in [
        ("let a = thta", "E0201"),
        ("1 + * 2", "E0110"),
        ("rate ~ gamma(2, 3)", "E0231"),
        ("x = 5", "error"),
        ("data y = [1, 2", "error"),
        ("data y = [1, x]", "error"),
        ("theta + [1, 2]", "error"),
        (":plto tau", "did you mean `:plot`?"),
        (":plot theta, mu", "has 8 elements"),
        (":plot 3", "a value and no draws"),
        (":load nowhere.ppl", "nowhere.ppl"),
        (":data nowhere.csv", "nowhere.csv"),
        (":summary", "nothing has run yet"),
        (":compare", "nothing to compare with"),
        (":run --drws 10", "unexpected argument"),
        (":run more.json", "one word too many"),
        (":set draws", "say to what"),
        (":show stages", "invalid value"),
        (":doc nothing_at_all", "nothing_at_all"),
        (":type let a = 1", "no expression"),
        ("sqrt(", "error"),
        ("x[1] ~ ", "error"),
        ("var a = 1", "error"),
        ("return 1", "error"),
    ] {
        talk.refuses(input, code);
        assert_eq!(talk.say(":show"), before, "{input}");
    }
}

#[test]
fn commands_show_types_stages_documentation_and_data() {
    let mut talk = Talk::new();
    talk.script(SCHOOLS);
    assert_eq!(talk.say(":type theta"), "real[8]");
    talk.script("let v[1] = mu\nfor t in 2..4 { let v[t] = v[t - 1] / 2 }");
    assert_eq!(talk.say(":type v"), "real[4]");
    talk.script(":undo\n:undo");
    assert_eq!(talk.say(":type theta[1] > 0"), "bool");
    assert_eq!(
        talk.say(":type normal(0, 1)"),
        "a distribution; a draw is real"
    );
    assert_eq!(talk.say(":type length(theta)"), "int");
    assert!(talk.say(":show hir").contains("random mu: real"));
    let said = talk.say(":show --coordinates standardised density");
    assert!(said.starts_with("program of "), "{said}");
    assert!(talk.say(":doc normal").contains("normal("));
    assert_eq!(talk.say(":doc tau"), "tau ~ half_cauchy(5)");
    let data = talk.say(":data");
    assert_eq!(data.lines().count(), 2);
    assert!(data.contains("y: 8 whole numbers: 28, 8, -3"), "{data}");
    let said = talk.say(":data remove y");
    assert!(
        said.starts_with("removed y") && said.contains("mu, tau, z, y: now simulated"),
        "{said}"
    );
    assert!(talk.say(":help").contains(":evidence"));
    assert!(talk.say(":help plot").contains("histogram"));
    assert!(
        talk.say(":simulate -n 50")
            .contains("Draws      50 from the prior")
    );
    assert_eq!(talk.say(":q"), "quit");
}

#[test]
fn what_is_saved_runs_from_the_command_line_and_loads() {
    let folder = std::env::temp_dir().join(format!("likelier-session-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let path = folder.join("schools.ppl");
    let mut talk = Talk::new();
    talk.script(SCHOOLS);
    let said = talk.say(&format!(":save \"{}\"", path.display()));
    assert!(said.contains("likelier run"), "{said}");
    let again = Talk::new().say(&format!(":load {}", path.display()));
    assert!(again.contains("theta: real[J], computed"), "{again}");
    let mut other = Talk::new();
    let said = other.say(&format!(
        ":load {} {}",
        path.display(),
        path.with_extension("json").display()
    ));
    assert!(
        said.contains("theta: real[8], computed\n") && said.contains("mu: real, inferred"),
        "{said}"
    );
    assert_eq!(other.say(":show"), talk.say(":show"));
    assert_eq!(other.say(":data"), talk.say(":data"));
    // Another session does not write over it by mistake; this one may.
    let mut third = Talk::new();
    third.script("a ~ normal(0, 1)");
    assert!(
        third
            .say(&format!(":save {}", path.display()))
            .contains("it exists already")
    );
    assert!(other.say(":save").contains("written"));
    std::fs::remove_dir_all(&folder).expect("the folder");
}

#[test]
fn settings_beside_a_loaded_model_are_those_of_its_commands() {
    let folder = std::env::temp_dir().join(format!("likelier-beside-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).expect("a file");
    write("m.ppl", "mu ~ normal(0, 1)\ny[1..N] ~ normal(mu, 1)\n");
    write(
        "likelier.toml",
        "cpu = \"portable\"\nseed = 7\n[run]\ndraws = 30\nchains = 3\nreplicate = true\n[evidence]\nreplicates = 2\n",
    );
    let mut session = Session::new(Settings::default(), false);
    session
        .settings
        .put("no-progress", "on")
        .expect("a setting");
    session.settings.put("chains", "2").expect("a setting");
    let mut talk = Talk { session };
    talk.say(&format!(":load \"{}\"", folder.join("m.ppl").display()));
    talk.say("data y = [1, 2]");
    let drawn = |talk: &mut Talk, command: &str| {
        talk.say(command);
        let run = &talk.session.run.as_ref().expect("a run").posterior;
        (run.settings.seed, run.chains.len(), run.draw_count())
    };
    // What is set by hand and what is typed win.
    assert_eq!(drawn(&mut talk, ":run"), (7, 2, 30));
    assert_eq!(drawn(&mut talk, ":run --draws 40 --chains 1"), (7, 1, 40));
    assert_eq!(drawn(&mut talk, ":run --no-config --draws 5"), (1, 2, 5));
    let listed = talk.say(":set");
    assert!(
        listed.contains("chains 2\n") && listed.contains("likelier.toml:4)"),
        "{listed}"
    );
    talk.script(":undo\n:undo");
    assert!(!talk.say(":set").contains("likelier.toml"));
    write("likelier.toml", "drws = 3\n");
    let said = talk.say(&format!(":load \"{}\"", folder.join("m.ppl").display()));
    assert!(said.contains("no command has a setting `drws`"), "{said}");
    std::fs::remove_dir_all(&folder).expect("the folder");
}

#[test]
fn evidence_and_comparison_are_those_of_the_command_line() {
    let mut talk = Talk::new();
    talk.script("mu ~ normal(0, 1)\ny[1..3] ~ normal(mu, 1)\ndata y = [0.3, -0.2, 0.7]");
    talk.script(":set replicates 2\n:set states 16");
    let said = talk.say(":evidence");
    // Closed form: y ~ normal(0, I + 1 1').
    let exact =
        -1.5 * (2.0 * std::f64::consts::PI).ln() - 0.5 * 4.0_f64.ln() - 0.5 * (0.62 - 0.64 / 4.0);
    assert!(said.contains(&format!("{exact:.2}")), "{said}\n{exact}");
    talk.say(":run");
    talk.say("mu ~ normal(0, 10)");
    let said = talk.say(":compare --no-rows");
    assert!(
        said.contains("last run") && said.contains("session"),
        "{said}"
    );
}
