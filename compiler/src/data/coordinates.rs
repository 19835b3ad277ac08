//! Which index positions of a variable run over the categories of a factor. The text tells it: a range
//! `1..levels(county)`, or an index `alpha[county]`. Elementwise expressions pass the coordinates of their arrays on.
//! Results can then name elements by their labels, `alpha[county=AITKIN]`; and an array that two columns of labels index,
//! each with numbers of its own, is an error, because it would give the element of another label.

use std::collections::HashMap;

use super::labels::Factor;
use crate::check::hir::{
    Binder, Expression, ExpressionKind, Hir, RandomIndex, Selector, Statement, StatementKind,
    VariableId, Whole,
};
use crate::check::walk::all_statements;
use crate::source::{Diagnostic, Span, suggest::nearest};

/// So many labels are listed in a message.
const MOST_LABELS: usize = 8;

/// A factor with its labels, in the order of its categories.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coordinate {
    /// The name of the factor.
    pub name: String,
    /// Its labels.
    pub labels: Vec<String>,
}

/// The coordinates of variables and reports: by name, one for each index position that has any.
pub type Coordinates = HashMap<String, Vec<Option<Coordinate>>>;

/// The numbers of the labels that stand as indices, by their places in the text.
pub type Numbers = HashMap<Span, i64>;

/// The coordinates that the text of a program and its factors give, and what they make of labels as indices.
///
/// # Errors
/// When an index position belongs to two factors that number their labels differently, or has no element of a label.
pub(super) fn coordinates(
    hir: &Hir,
    factors: &HashMap<VariableId, Factor>,
) -> Result<(Coordinates, Numbers), Vec<Diagnostic>> {
    let mut finder = Finder {
        hir,
        factors,
        numbered: HashMap::new(),
        found: HashMap::new(),
        numbers: Numbers::new(),
        diagnostics: Vec::new(),
    };
    let mut named = Coordinates::new();
    // What declarations say comes before what uses say, wherever they stand.
    all_statements(&hir.statements, 0, &mut |statement, _| {
        finder.numbers_of_loops(statement);
        finder.declares(statement);
        finder.defines(statement);
    });
    all_statements(&hir.statements, 0, &mut |statement, _| {
        statement.expressions(&mut |expression| finder.uses(expression));
    });
    all_statements(&hir.statements, 0, &mut |statement, _| {
        finder.defines(statement);
        if let StatementKind::Report { name, value, .. } = &statement.kind {
            let axes = finder.of(value);
            named.insert(name.clone(), finder.named(&axes));
        }
    });
    all_statements(&hir.statements, 0, &mut |statement, _| {
        statement.expressions(&mut |expression| {
            expression.everywhere(&mut |inner| finder.labels(inner));
        });
    });
    if !finder.diagnostics.is_empty() {
        return Err(finder.diagnostics);
    }
    for (variable, axes) in &finder.found {
        let axes: Vec<Option<VariableId>> = axes.iter().map(|axis| axis.map(|a| a.0)).collect();
        named.insert(
            hir.variables[variable.0 as usize].name.clone(),
            finder.named(&axes),
        );
    }
    Ok((named, finder.numbers))
}

/// The factor of an index position, and where the text says so.
type Axis = Option<(VariableId, Span)>;

struct Finder<'a> {
    hir: &'a Hir,
    factors: &'a HashMap<VariableId, Factor>,
    /// Indices of loops over the categories of a factor, and values made of a factor.
    numbered: HashMap<VariableId, VariableId>,
    /// The factor of each index position of a variable.
    found: HashMap<VariableId, Vec<Axis>>,
    numbers: Numbers,
    diagnostics: Vec<Diagnostic>,
}

impl Finder<'_> {
    fn named(&self, axes: &[Option<VariableId>]) -> Vec<Option<Coordinate>> {
        let one = |axis: &Option<VariableId>| {
            let factor = &self.factors[axis.as_ref()?];
            Some(Coordinate {
                name: factor.name.clone(),
                labels: factor.labels.clone()?,
            })
        };
        axes.iter().map(one).collect()
    }

    fn note(&mut self, variable: VariableId, axis: usize, factor: Option<VariableId>, span: Span) {
        let Some(factor) = factor else {
            return;
        };
        let axes = self.found.entry(variable).or_default();
        if axes.len() <= axis {
            axes.resize(axis + 1, None);
        }
        let (first, declared) = *axes[axis].get_or_insert((factor, span));
        if !self.factors[&first].agrees_with(&self.factors[&factor]) {
            let name = &self.hir.variables[variable.0 as usize].name;
            self.disagree(&format!("`{name}`"), (first, declared), (factor, span));
        }
    }

    /// Two numberings meet in one index position.
    fn disagree(&mut self, what: &str, first: (VariableId, Span), second: (VariableId, Span)) {
        let (own, other) = (&self.factors[&first.0], &self.factors[&second.0]);
        let (a, b) = (&own.name, &other.name);
        // The one that is given first can be named by the other.
        let (earlier, later) = match first.0 < second.0 {
            true => (a, b),
            false => (b, a),
        };
        let diagnostic = Diagnostic::error(
            "E0452",
            format!("{what} goes by the labels of `{a}` and by those of `{b}`, which differ"),
        )
        .at(second.1, format!("by the labels of `{b}`"))
        .at(first.1, format!("by the labels of `{a}`"))
        .note(difference(own, other))
        .help(format!(
            "if both columns name the same things, let them share their labels: `given {later}: factor[N] levels {earlier}`"
        ));
        let said = |other: &Diagnostic| other.message == diagnostic.message;
        if !self.diagnostics.iter().any(said) {
            self.diagnostics.push(diagnostic);
        }
    }

    /// The factor of `levels(f)`.
    fn counted(&self, expression: &Expression) -> Option<VariableId> {
        match &*expression.kind {
            ExpressionKind::Whole {
                function: Whole::Levels,
                arguments,
            } => self.factor(&arguments[0]),
            _ => None,
        }
    }

    /// The factor whose categories the values of an expression number: of `f`, `f[i]`, an index of a loop over them, and
    /// what `let` makes of these.
    fn factor(&self, expression: &Expression) -> Option<VariableId> {
        match &*expression.kind {
            ExpressionKind::Variable(id) if self.factors.contains_key(id) => Some(*id),
            ExpressionKind::Variable(id) => self.numbered.get(id).copied(),
            ExpressionKind::Index { base, .. } => self.factor(base),
            _ => None,
        }
    }

    /// Notes the indices of loops over the categories of factors.
    fn numbers_of_loops(&mut self, statement: &Statement) {
        match &statement.kind {
            StatementKind::For { index, upper, .. } => self.counts(*index, upper),
            StatementKind::Random { indices, .. } => {
                for index in indices {
                    if let RandomIndex::Over {
                        variable, upper, ..
                    } = index
                    {
                        self.counts(*variable, upper);
                    }
                }
            }
            _ => {}
        }
        statement.expressions(&mut |expression| {
            expression.everywhere(&mut |inner| {
                if let ExpressionKind::Comprehension { binders, .. }
                | ExpressionKind::Reduction { binders, .. } = &*inner.kind
                {
                    binders
                        .iter()
                        .for_each(|b| self.counts(b.variable, &b.upper));
                }
            });
        });
    }

    fn counts(&mut self, index: VariableId, upper: &Expression) {
        if let Some(factor) = self.counted(upper) {
            self.numbered.insert(index, factor);
        }
    }

    /// Notes what declared sizes and ranges on the left of `~` say.
    fn declares(&mut self, statement: &Statement) {
        match &statement.kind {
            StatementKind::Given {
                variable, declared, ..
            } => {
                for (axis, size) in declared.sizes.iter().enumerate() {
                    self.note(*variable, axis, self.counted(size), size.span);
                }
            }
            StatementKind::Random {
                variable, indices, ..
            } => {
                for (axis, index) in indices.iter().enumerate() {
                    match index {
                        RandomIndex::Over { upper, .. } => {
                            self.note(*variable, axis, self.counted(upper), upper.span);
                        }
                        RandomIndex::At(at) => {
                            self.note(*variable, axis, self.factor(at), at.span);
                        }
                    }
                }
            }
            StatementKind::Let {
                variable, indices, ..
            } => {
                for (axis, at) in indices.iter().enumerate() {
                    self.note(*variable, axis, self.factor(at), at.span);
                }
            }
            _ => {}
        }
    }

    /// Notes what the value of a `let` or of a report passes on.
    fn defines(&mut self, statement: &Statement) {
        let (variable, value) = match &statement.kind {
            StatementKind::Let {
                variable,
                indices,
                value,
            } if indices.is_empty() => (*variable, value),
            StatementKind::Report {
                defines: Some(variable),
                value,
                ..
            } => (*variable, value),
            _ => return,
        };
        if let Some(factor) = self.factor(value) {
            self.numbered.insert(variable, factor);
        }
        for (axis, factor) in self.of(value).into_iter().enumerate() {
            self.note(variable, axis, factor, value.span);
        }
    }

    /// Notes the variables that factors index.
    fn uses(&mut self, expression: &Expression) {
        match &*expression.kind {
            ExpressionKind::Index { base, selectors } => {
                if let ExpressionKind::Variable(variable) = &*base.kind {
                    for (axis, selector) in selectors.iter().enumerate() {
                        if let Selector::At(index) = selector {
                            self.note(*variable, axis, self.factor(index), index.span);
                        }
                    }
                }
            }
            ExpressionKind::Operation { arguments, .. } => {
                self.operands(expression, arguments);
                self.numbers(arguments);
            }
            _ => {}
        }
        expression.children(&mut |child| self.uses(child));
    }

    /// Arrays of two numberings are not added, multiplied, … element by element.
    fn operands(&mut self, expression: &Expression, arguments: &[Expression]) {
        let mut seen: Vec<Axis> = Vec::new();
        let arrays = arguments
            .iter()
            .filter(|argument| argument.ty.rank() == expression.ty.rank());
        for argument in arrays {
            for (axis, factor) in self.of(argument).into_iter().enumerate() {
                let Some(factor) = factor else {
                    continue;
                };
                if seen.len() <= axis {
                    seen.resize(axis + 1, None);
                }
                let first = *seen[axis].get_or_insert((factor, argument.span));
                if !self.factors[&first.0].agrees_with(&self.factors[&factor]) {
                    self.disagree("an operation", first, (factor, argument.span));
                }
            }
        }
    }

    /// Numbers of labels are compared with numbers of the same labels.
    fn numbers(&mut self, arguments: &[Expression]) {
        let numbered = |argument: &Expression| Some((self.factor(argument)?, argument.span));
        let numbered: Vec<(VariableId, Span)> = arguments.iter().filter_map(numbered).collect();
        if let [first, second] = numbered[..]
            && !self.factors[&first.0].agrees_with(&self.factors[&second.0])
        {
            self.disagree("an operation", first, second);
        }
    }

    /// Finds the numbers of labels that stand as indices.
    fn labels(&mut self, expression: &Expression) {
        let ExpressionKind::Index { base, selectors } = &*expression.kind else {
            return;
        };
        for (axis, selector) in selectors.iter().enumerate() {
            let Selector::At(at) = selector else { continue };
            let ExpressionKind::Label(label) = &*at.kind else {
                continue;
            };
            let factor = self.left(base).get(axis).copied().flatten();
            match self.number(label, factor) {
                // Parts of a `model` item have one text for all of its uses.
                Ok(number) if *self.numbers.entry(at.span).or_insert(number) == number => {}
                Ok(_) => {
                    let message =
                        format!("\"{label}\" has another number in each use of this model item");
                    self.say(
                        Diagnostic::error("E0454", message)
                            .at(at.span, "")
                            .help("give the number of the label as an argument of the model"),
                    );
                }
                Err(diagnostic) => self.say(diagnostic.at(at.span, "")),
            }
        }
    }

    fn say(&mut self, diagnostic: Diagnostic) {
        if !self.diagnostics.contains(&diagnostic) {
            self.diagnostics.push(diagnostic);
        }
    }

    /// The number that a factor gives a label, or what is wrong with it.
    fn number(&self, label: &str, factor: Option<VariableId>) -> Result<i64, Diagnostic> {
        let error = |message: String| Diagnostic::error("E0454", message);
        let Some(factor) = factor.map(|id| &self.factors[&id]) else {
            return Err(error(
                "nothing tells which labels this index position is counted by".to_owned(),
            )
            .help("declare one element for each label, `a[1..levels(g)]` with `given g: factor[N]`, or write the number"));
        };
        let name = &factor.name;
        let Some(labels) = &factor.labels else {
            return Err(error(format!(
                "`{name}` has no labels: in the data it is made of numbers"
            ))
            .help("write the number of the level, counted from 1"));
        };
        if let Some(place) = labels.iter().position(|own| own == label) {
            return Ok(place as i64 + 1);
        }
        let shown: Vec<String> = labels
            .iter()
            .take(MOST_LABELS)
            .map(|own| format!("\"{own}\""))
            .collect();
        let dots = if labels.len() > MOST_LABELS {
            ", …"
        } else {
            ""
        };
        let diagnostic = error(format!("`{name}` has no label \"{label}\""))
            .note(format!("its labels are {}{dots}", shown.join(", ")));
        Err(match nearest(label, labels.iter().map(String::as_str)) {
            Some(near) => diagnostic.help(format!("did you mean \"{near}\"?")),
            None => {
                diagnostic.help("write one of them, with capital and small letters as in the data")
            }
        })
    }

    /// The factors along the index positions that an indexed value still has.
    fn left(&self, expression: &Expression) -> Vec<Option<VariableId>> {
        let ExpressionKind::Index { base, selectors } = &*expression.kind else {
            return self.of(expression);
        };
        let mut axes = self.left(base).into_iter();
        let mut left = Vec::new();
        for selector in selectors {
            let axis = axes.next().flatten();
            match selector {
                Selector::All => left.push(axis),
                Selector::At(at) if at.ty.rank() == 0 => {}
                // Some of the elements, counted anew.
                Selector::At(_) | Selector::Range(..) => left.push(None),
            }
        }
        left.extend(axes);
        left
    }

    /// The factors along the index positions of a value.
    fn of(&self, expression: &Expression) -> Vec<Option<VariableId>> {
        match &*expression.kind {
            ExpressionKind::Variable(id) => {
                let axes = self.found.get(id).into_iter().flatten();
                axes.map(|axis| axis.map(|(factor, _)| factor)).collect()
            }
            ExpressionKind::Operation { arguments, .. } => arguments
                .iter()
                .filter(|argument| argument.ty.rank() == expression.ty.rank())
                .map(|argument| self.of(argument))
                .find(|axes| !axes.is_empty())
                .unwrap_or_default(),
            ExpressionKind::Comprehension { binders, .. } => {
                let counted = |binder: &Binder| self.counted(&binder.upper);
                binders.iter().map(counted).collect()
            }
            _ => Vec::new(),
        }
    }
}

/// An example of a label that has two numbers, or none in one of them.
fn difference(own: &Factor, other: &Factor) -> String {
    let (a, b) = (&own.name, &other.name);
    let (Some(labels), Some(others)) = (&own.labels, &other.labels) else {
        let (text, numbers) = match own.labels {
            Some(_) => (a, b),
            None => (b, a),
        };
        return format!(
            "`{text}` holds text, whose labels are sorted and counted from 1; `{numbers}` holds numbers"
        );
    };
    let number = |label: &String| others.iter().position(|other| other == label);
    let numbers = labels.iter().enumerate().map(|(k, l)| (l, k, number(l)));
    let differing = numbers.filter(|(_, k, other)| *other != Some(*k));
    // A label of both says more than one that only one has.
    match differing.min_by_key(|(_, _, other)| other.is_none()) {
        Some((label, k, Some(other))) => format!(
            "each column counts its own labels: \"{label}\" is {} in `{a}` and {} in `{b}`",
            k + 1,
            other + 1
        ),
        Some((label, ..)) => format!("`{b}` has no \"{label}\""),
        None => format!("`{a}` lacks labels of `{b}`"),
    }
}
