//! What is said of an option that does not exist. clap offers the option that is spelt most alike, or to take the word as a
//! value, which is never meant here; people however type the words of other programs. So the words that those use for the
//! same things are known, and beyond them only what is spelt nearly alike is offered.

use clap::Command;
use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use likelier_compiler::source::suggest::nearest;

/// Words of other programs, the option here that means the same, and what it sets.
const ELSEWHERE: [(&[&str], &str, &str); 9] = [
    (
        &[
            "iter",
            "iterations",
            "num-iter",
            "niter",
            "sample",
            "samples",
            "num-samples",
            "nsamples",
            "n-samples",
        ],
        "draws",
        "the draws kept of each chain",
    ),
    (
        &[
            "burn",
            "burnin",
            "burn-in",
            "tune",
            "num-warmup",
            "nwarmup",
            "n-warmup",
            "adapt",
        ],
        "warmup",
        "the iterations before the first draw that is kept",
    ),
    (
        &["num-chains", "nchains", "n-chains"],
        "chains",
        "the number of chains",
    ),
    (
        &[
            "adapt-delta",
            "delta",
            "target-acceptance",
            "accept",
            "acceptance",
        ],
        "target-accept",
        "the acceptance probability to aim at",
    ),
    (
        &["max-treedepth", "max-tree-depth", "treedepth", "depth"],
        "max-depth",
        "the largest depth of a trajectory",
    ),
    (
        &[
            "cores",
            "jobs",
            "num-threads",
            "nthreads",
            "parallel-chains",
            "parallel",
        ],
        "threads",
        "how many threads work",
    ),
    (
        &["random-seed", "rng", "rng-seed"],
        "seed",
        "the seed of all random numbers",
    ),
    (
        &["out", "out-file", "output-file", "save", "csv"],
        "output",
        "the file that is written",
    ),
    (
        &["particles", "num-particles"],
        "ancestors",
        "the ancestors of each stage, from which particles come",
    ),
];

/// The error with better advice, where it is about an option that a command does not have.
pub fn advised(mut error: clap::Error, command: &Command) -> clap::Error {
    if error.kind() != ErrorKind::UnknownArgument {
        return error;
    }
    let Some(ContextValue::String(typed)) = error.get(ContextKind::InvalidArg) else {
        return error;
    };
    let Some(typed) = typed.strip_prefix("--").map(str::to_owned) else {
        return error;
    };
    error.remove(ContextKind::SuggestedArg);
    error.remove(ContextKind::Suggested);
    // It shows what was suggested.
    error.remove(ContextKind::Usage);
    if let Some(tip) = advice(&typed, command) {
        let tips = ContextValue::StyledStrs(vec![StyledStr::from(tip)]);
        error.insert(ContextKind::Suggested, tips);
    }
    error
}

fn advice(typed: &str, command: &Command) -> Option<String> {
    let name = typed.split('=').next().unwrap_or(typed);
    let name = name.to_lowercase().replace('_', "-");
    let own: Vec<&str> = command
        .get_arguments()
        .filter(|argument| !argument.is_hide_set())
        .filter_map(clap::Arg::get_long)
        .collect();
    let known = |option: &&str| own.contains(option);
    if let Some(same) = own.iter().find(|option| **option == name) {
        return Some(format!("it is written '--{same}'"));
    }
    if name == "thin" && known(&"draws") {
        return Some("draws are not thinned; '--draws' says how many are kept".to_owned());
    }
    let elsewhere = ELSEWHERE
        .iter()
        .find(|(words, ..)| words.contains(&name.as_str()));
    if let Some((_, option, what)) = elsewhere.filter(|(_, option, _)| known(option)) {
        return Some(format!("'--{option}' sets {what}"));
    }
    let begins = |option: &&&str| name.len() > 2 && option.starts_with(&name);
    let near = nearest(&name, own.iter().copied());
    let option = near.or_else(|| own.iter().find(begins).copied())?;
    Some(format!("a similar argument exists: '--{option}'"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Arg;

    fn tip(typed: &str) -> Option<String> {
        let names = ["draws", "target-accept", "summary-json", "contraction"];
        let options = names.map(|name| Arg::new(name).long(name));
        advice(typed, &Command::new("run").args(options))
    }

    #[test]
    fn words_of_other_programs_are_known_and_far_ones_not_offered() {
        let said = "'--draws' sets the draws kept of each chain";
        for typed in ["iter", "num_samples=20", "iterations"] {
            assert_eq!(tip(typed).as_deref(), Some(said), "{typed}");
        }
        let similar = |name: &str| Some(format!("a similar argument exists: '--{name}'"));
        assert_eq!(tip("drws"), similar("draws"));
        assert_eq!(tip("summary"), similar("summary-json"));
        assert_eq!(
            tip("target_accept").as_deref(),
            Some("it is written '--target-accept'")
        );
        assert!(tip("thin").expect("a tip").contains("not thinned"));
        // This command has no such option.
        assert_eq!(tip("burnin"), None);
        assert_eq!(tip("frobnicate"), None);
    }
}
