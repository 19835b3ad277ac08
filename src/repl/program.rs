//! The program of a session: its statements in order, and its data. It knows what depends on what, which statements an
//! expression needs, and where a statement goes that defines a name anew. Everything here is a value: a change makes a new one.

use std::collections::BTreeSet;
use std::rc::Rc;

use likelier::Dataset;
use likelier::interactive::{Sort, Statement, library_kind};

/// Statements and data.
#[derive(Debug, Clone, Default)]
pub struct Program {
    /// In the order of the text.
    pub statements: Vec<Rc<Statement>>,
    /// By name.
    pub data: Rc<Dataset>,
}

impl Program {
    /// The whole text.
    pub fn text(&self) -> String {
        text_of(self.statements.iter())
    }

    /// The programs that a new statement may make, the likeliest first: in the place of what it replaces, and at the end.
    pub fn with(&self, statement: &Statement) -> Vec<Program> {
        let place = self
            .statements
            .iter()
            .position(|old| statement.replaces(old));
        let mut new = statement.clone();
        if let Some(place) = place
            && new.leading.is_empty()
        {
            new.leading.clone_from(&self.statements[place].leading);
        }
        let kept: Vec<Rc<Statement>> = self
            .statements
            .iter()
            .filter(|old| !statement.replaces(old))
            .cloned()
            .collect();
        let new = Rc::new(new);
        let at = |place: usize| {
            let mut statements = kept.clone();
            statements.insert(place, Rc::clone(&new));
            Program {
                statements,
                data: Rc::clone(&self.data),
            }
        };
        let mut candidates: Vec<Program> = place.into_iter().map(at).collect();
        if place != Some(kept.len()) {
            candidates.push(at(kept.len()));
        }
        candidates
    }

    /// The statements that this one would replace.
    pub fn replaced(&self, statement: &Statement) -> Vec<Rc<Statement>> {
        let old = self.statements.iter().filter(|old| statement.replaces(old));
        old.cloned().collect()
    }

    /// The statements that define a name.
    fn defining<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Rc<Statement>> {
        let defines = move |one: &&Rc<Statement>| one.defines.iter().any(|own| own == name);
        self.statements.iter().filter(defines)
    }

    /// Whether a statement defines a name.
    pub fn defines(&self, name: &str) -> bool {
        self.defining(name).next().is_some()
    }

    /// Whether a name is that of a distribution of this program.
    pub fn is_distribution(&self, name: &str) -> bool {
        let sort = |one: &Rc<Statement>| one.sort == Sort::Distribution;
        self.defining(name).any(sort)
    }

    /// The names that depend on others, through any number of definitions, and the words of statements without a name that
    /// do; without the others themselves.
    pub fn dependents(&self, names: &[String]) -> Vec<String> {
        let mut reached: BTreeSet<&str> = names.iter().map(String::as_str).collect();
        let mut found: Vec<String> = Vec::new();
        loop {
            let before = found.len();
            for statement in &self.statements {
                if !statement
                    .reads
                    .iter()
                    .any(|name| reached.contains(name.as_str()))
                {
                    continue;
                }
                reached.extend(statement.defines.iter().map(String::as_str));
                let own = match statement.defines.is_empty() {
                    false => statement.defines.clone(),
                    true => vec![first_line(&statement.text)],
                };
                for name in own {
                    if !found.contains(&name) && !names.contains(&name) {
                        found.push(name);
                    }
                }
            }
            if found.len() == before {
                return found;
            }
        }
    }

    /// The random variables that a value which reads these names depends on.
    pub fn roots(&self, reads: &BTreeSet<String>) -> BTreeSet<String> {
        let mut roots = BTreeSet::new();
        let mut seen = BTreeSet::new();
        let mut wanted: Vec<&str> = reads.iter().map(String::as_str).collect();
        while let Some(name) = wanted.pop() {
            if !seen.insert(name) {
                continue;
            }
            for statement in self.defining(name) {
                if statement.draws.iter().any(|drawn| drawn == name) {
                    roots.insert(name.to_string());
                } else {
                    wanted.extend(statement.reads.iter().map(String::as_str));
                }
            }
        }
        roots
    }

    /// The places of the statements that anything needs which reads these names: their definitions, what these read, and where
    /// their sizes come from.
    pub fn needed(&self, reads: &BTreeSet<String>) -> BTreeSet<usize> {
        self.closure(reads.iter().map(String::as_str).collect())
    }

    /// The names that anything comes from which reads these names, and these.
    pub fn sources(&self, reads: &BTreeSet<String>) -> BTreeSet<String> {
        let needed = self.needed(reads).into_iter();
        let names = needed.flat_map(|place| {
            let statement = &self.statements[place];
            statement.defines.iter().chain(&statement.reads)
        });
        names.chain(reads).cloned().collect()
    }

    /// Whether a statement names a key of the data.
    pub fn mentions(&self, key: &str) -> bool {
        self.statements.iter().any(|one| one.text.contains(key))
    }

    fn closure<'a>(&'a self, mut wanted: Vec<&'a str>) -> BTreeSet<usize> {
        let imports = self.places(|one| one.sort == Sort::Import);
        let mut chosen = BTreeSet::from_iter(imports);
        let mut seen = BTreeSet::new();
        while let Some(name) = wanted.pop() {
            if !seen.insert(name) {
                continue;
            }
            let mut places: Vec<usize> =
                self.places(|one| one.defines.iter().any(|own| own == name));
            if places.is_empty() && library_kind(name).is_none() {
                let sizes = [Sort::Given, Sort::Random, Sort::Block];
                places = self.places(|one| sizes.contains(&one.sort) && one.reads.contains(name));
            }
            for place in places {
                if chosen.insert(place) {
                    wanted.extend(self.statements[place].reads.iter().map(String::as_str));
                }
            }
        }
        chosen
    }

    fn places(&self, is_wanted: impl Fn(&Statement) -> bool) -> Vec<usize> {
        let all = self.statements.iter().enumerate();
        all.filter(|(_, one)| is_wanted(one))
            .map(|(place, _)| place)
            .collect()
    }

    /// What decides about the posterior: the text without values, functions, reports and random variables on which nothing
    /// rests that does. `is_free` tells random variables that nothing observed depends on.
    pub fn essence(&self, is_free: &dyn Fn(&str) -> bool) -> String {
        let is_decisive = |one: &Statement| {
            one.sort == Sort::Given
                || one.is_condition
                || one.draws.iter().any(|name| !is_free(name))
        };
        let own = self.places(is_decisive);
        let reads = own.iter().flat_map(|&place| &self.statements[place].reads);
        let mut chosen = self.closure(reads.map(String::as_str).collect());
        chosen.extend(own);
        let is_import = |place: &usize| self.statements[*place].sort == Sort::Import;
        let texts = chosen
            .iter()
            .filter(|place| !is_import(place))
            .map(|&place| self.statements[place].text.as_str());
        texts.collect::<Vec<_>>().join("\n")
    }

    /// A name that nothing here has.
    pub fn free_name(&self, reads: &BTreeSet<String>) -> String {
        let is_taken = |name: &str| {
            let used = |one: &Rc<Statement>| {
                one.reads.contains(name) || one.defines.iter().any(|own| own == name)
            };
            reads.contains(name)
                || self.data.get(name).is_some()
                || self.statements.iter().any(used)
        };
        let mut name = "value".to_string();
        while is_taken(&name) {
            name.push('_');
        }
        name
    }
}

fn text_of<'a>(statements: impl Iterator<Item = &'a Rc<Statement>>) -> String {
    let mut text = String::new();
    for statement in statements {
        text.push_str(&statement.leading);
        text.push_str(&statement.text);
        text.push('\n');
    }
    text
}

/// The first line of a statement, with dots for the rest.
pub fn first_line(text: &str) -> String {
    let mut lines = text.lines();
    let first = lines.next().unwrap_or("").trim_end().to_string();
    match lines.next() {
        Some(_) => format!("{first} …"),
        None => first,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use likelier::interactive::{Typed, read};

    fn statements(text: &str) -> Vec<Statement> {
        match read("input", text) {
            Ok(Typed::Statements(statements)) => statements,
            _ => panic!("{text}"),
        }
    }

    fn program(text: &str) -> Program {
        Program {
            statements: statements(text).into_iter().map(Rc::new).collect(),
            data: Rc::default(),
        }
    }

    fn reads(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(ToString::to_string).collect()
    }

    const SCHOOLS: &str = "given sigma: positive[J]\n# the mean\nmu ~ normal(0, 5)\ntau ~ half_cauchy(5)\nz[1..J] ~ normal(0, 1)\nlet theta = mu + tau * z\ny ~ normal(theta, sigma)\nsoft small: tau ~= 0 within 9\nreport best = max(theta)\n";

    #[test]
    fn a_new_definition_takes_the_place_and_the_comment_of_the_old_one() {
        let program = program(SCHOOLS);
        let new = &statements("mu ~ normal(0, 50)")[0];
        let changed = &program.with(new)[0];
        assert_eq!(changed.text(), SCHOOLS.replace("(0, 5)", "(0, 50)"));
        assert_eq!(
            program.with(&statements("let k = 2")[0])[0].text(),
            format!("{SCHOOLS}let k = 2\n")
        );
    }

    #[test]
    fn dependents_are_found_through_values_and_conditions() {
        let program = program(SCHOOLS);
        let found = program.dependents(&["tau".to_string()]);
        assert_eq!(
            found,
            ["theta", "y", "soft small: tau ~= 0 within 9", "best"]
        );
        assert!(program.dependents(&["best".to_string()]).is_empty());
    }

    #[test]
    fn a_value_needs_its_definitions_and_where_its_sizes_come_from() {
        let program = program(SCHOOLS);
        let needed = program.needed(&reads(&["z", "normal"]));
        assert_eq!(Vec::from_iter(needed), [0, 3]);
        assert!(program.needed(&reads(&["mean"])).is_empty());
        assert!(program.sources(&reads(&["theta"])).contains("tau"));
        assert!(!program.sources(&reads(&["mu"])).contains("sigma"));
        assert_eq!(program.roots(&reads(&["best"])), reads(&["mu", "tau", "z"]));
        assert_eq!(program.roots(&reads(&["sigma"])), reads(&[]));
    }

    #[test]
    fn values_on_which_nothing_rests_decide_nothing() {
        let program = program(SCHOOLS);
        let essence = |program: &Program| program.essence(&|name| name == "new");
        let with = |text: &str| essence(&program.with(&statements(text)[0])[0]);
        let before = essence(&program);
        assert_eq!(with("let d = mu - tau"), before);
        assert_eq!(with("report best = min(theta)"), before);
        assert_eq!(with("new ~ normal(mu, tau)"), before);
        assert_eq!(with("for i in 1..2 { let v[i] = mu }"), before);
        assert_ne!(with("old ~ normal(mu, tau)"), before);
        assert_ne!(with("for i in 1..2 { factor mu }"), before);
        assert_ne!(with("let theta = mu + 2 * tau * z"), before);
        assert_ne!(with("soft small: tau ~= 0 within 8"), before);
    }

    #[test]
    fn the_name_of_a_value_is_free() {
        assert_eq!(
            program("let value = 1").free_name(&reads(&["value_"])),
            "value__"
        );
    }
}
