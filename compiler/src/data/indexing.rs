//! Elements, rows, columns, slices and gathers: an index of a stored array stays a place, everything else an array that is
//! computed when read.

use super::expand::{Expander, Outcome};
use super::loops::{IndexId, Node, Scalar};
use super::pull::{Body, Pull, Value};
use crate::check::hir::{self, Selector};
use crate::math::primitive::Operation;
use crate::source::{Diagnostic, Span};

impl<'a> Expander<'a> {
    pub(super) fn index_value(
        &mut self,
        base: &'a hir::Expression,
        selectors: &'a [Selector],
        span: Span,
    ) -> Outcome<Value> {
        let mut pull = self.pull(base)?;
        let mut shape = Vec::new();
        let mut places: Vec<Result<Scalar, (IndexId, Scalar)>> = Vec::new();
        for position in 0..pull.rank() {
            let length = pull.shape[position];
            match selectors.get(position).unwrap_or(&Selector::All) {
                Selector::All => {
                    let binder = self.count_binder(length);
                    shape.push(length);
                    places.push(Err((binder.index, Scalar::index(binder.index))));
                }
                Selector::Range(lower, upper) => {
                    let (low, high) = (self.scalar(lower)?, self.scalar(upper)?);
                    let (low, count) = self.slice(low, high, lower, upper, length)?;
                    let binder = self.count_binder(count);
                    shape.push(count);
                    let before =
                        Scalar::operation(Operation::IntSubtract, vec![low, Scalar::int(1)]);
                    let at = Scalar::operation(
                        Operation::IntAdd,
                        vec![before, Scalar::index(binder.index)],
                    );
                    places.push(Err((binder.index, at)));
                }
                Selector::At(at) => match self.value(at)? {
                    Value::Scalar(index) => {
                        self.check_index(&index, length, base, at.span)?;
                        places.push(Ok(index));
                    }
                    Value::Array(indices) => {
                        let binder = self.count_binder(indices.length());
                        shape.push(indices.length());
                        let index =
                            indices.at(&self.loops.arrays, &[Scalar::index(binder.index)], at.span);
                        places.push(Err((binder.index, index)));
                    }
                },
            }
        }
        // An index that is not certainly in range is checked on stored elements.
        if matches!(pull.body, Body::Lambda(..)) {
            for (place, &length) in places.iter().zip(&pull.shape) {
                let (Ok(index) | Err((_, index))) = place;
                let range = self.range(index);
                if range.low < 1.0 || range.high > length as f64 {
                    let place = self.place(&pull, "temporary", span)?;
                    pull.body = Body::Stored(place);
                    break;
                }
            }
        }
        let indices: Vec<Scalar> = places
            .iter()
            .map(|(Ok(i) | Err((_, i)))| i.clone())
            .collect();
        if shape.is_empty() {
            return Ok(Value::Scalar(pull.at(&self.loops.arrays, &indices, span)));
        }
        if let Body::Stored(place) = &pull.body {
            let lead = places.iter().take_while(|place| place.is_ok()).count();
            let rest_whole = places[lead..].iter().enumerate().all(|(k, place)| {
                matches!(place, Err((index, at)) if matches!(&*at.0, Node::Index(other) if other == index) && shape[k] == pull.shape[lead + k])
            });
            if rest_whole
                && selectors
                    .iter()
                    .all(|selector| !matches!(selector, Selector::Range(..)))
            {
                let mut place = place.clone();
                place.prefix.extend(indices[..lead].iter().cloned());
                return Ok(Value::Array(Pull {
                    element: pull.element,
                    shape,
                    body: Body::Stored(place),
                }));
            }
        }
        let placeholders = places
            .iter()
            .filter_map(|place| place.as_ref().err().map(|(index, _)| *index))
            .collect();
        let body = pull.at(&self.loops.arrays, &indices, span);
        Ok(Value::Array(Pull {
            element: pull.element,
            shape,
            body: Body::Lambda(placeholders, body),
        }))
    }

    /// The number of a label that stands as an index.
    pub(super) fn label(&mut self, label: &str, span: Span) -> Outcome<Value> {
        match self.labels.get(&span) {
            Some(number) => Ok(Value::Scalar(Scalar::int(*number))),
            // A function is written without knowing what its arguments are counted by.
            None => Err(Diagnostic::error(
                "E0454",
                format!("the label \"{label}\" has no number here"),
            )
            .at(span, "labels are known in the statements of a model only")
            .help("give the element, or the number of the label, as an argument")
            .into()),
        }
    }

    /// First index and length of a slice.
    pub(super) fn slice(
        &mut self,
        low: Scalar,
        high: Scalar,
        lower: &'a hir::Expression,
        upper: &'a hir::Expression,
        length: usize,
    ) -> Outcome<(Scalar, usize)> {
        let difference = Scalar::operation(Operation::IntSubtract, vec![high.clone(), low.clone()]);
        let count = match self.constant(&difference)? {
            Some(difference) => Some(difference),
            // `x[i..i + 2]`: the ends move together.
            None => offset(&high, &low).map(|offset| offset as f64),
        };
        let Some(count) = count else {
            return Err(Diagnostic::error(
                "E0412",
                "the length of this slice is not the same in every round",
            )
            .at(lower.span.to(upper.span), "")
            .help("use a sum or a comprehension over the range instead")
            .into());
        };
        let count = (count + 1.0).max(0.0) as usize;
        if let (Some(low), Some(high)) = (self.constant(&low)?, self.constant(&high)?)
            && count > 0
            && (low < 1.0 || high > length as f64)
        {
            return Err(Diagnostic::error(
                "E0413",
                format!("the slice {low}..{high} is outside 1..{length}"),
            )
            .at(
                lower.span.to(upper.span),
                format!("the array has {length} elements here"),
            )
            .help("let the slice end at the length of the array")
            .into());
        }
        Ok((low, count))
    }

    pub(super) fn check_index(
        &mut self,
        index: &Scalar,
        length: usize,
        base: &hir::Expression,
        span: Span,
    ) -> Outcome<()> {
        let Some(value) = self.constant(index)? else {
            return Ok(());
        };
        if value >= 1.0 && value <= length as f64 {
            return Ok(());
        }
        let allowed = if length == 0 {
            "it is empty".to_string()
        } else {
            format!("indices go from 1 to {length}")
        };
        let name = self.sources.excerpt(base.span).to_string();
        let diagnostic = Diagnostic::error(
            "E0420",
            format!("index {value} is outside `{name}`: {allowed}"),
        )
        .at(span, "");
        // Only the names of the model stand for data.
        let diagnostic = match self.in_model() {
            true => self.origins_note(diagnostic, std::slice::from_ref(base)),
            false => diagnostic,
        };
        Err(diagnostic
            .help("change the index; indices begin at 1")
            .into())
    }
}

/// `high − low` when both are the same expression plus ints.
fn offset(high: &Scalar, low: &Scalar) -> Option<i64> {
    let (base_high, plus_high) = split(high);
    let (base_low, plus_low) = split(low);
    same(&base_high, &base_low).then_some(plus_high - plus_low)
}

fn split(scalar: &Scalar) -> (Scalar, i64) {
    if let Node::Operation {
        operation,
        arguments,
    } = &*scalar.0
    {
        match (
            operation,
            arguments[0].as_int(),
            arguments.get(1).and_then(Scalar::as_int),
        ) {
            (Operation::IntAdd, _, Some(n)) => return (arguments[0].clone(), n),
            (Operation::IntAdd, Some(n), _) => return (arguments[1].clone(), n),
            (Operation::IntSubtract, _, Some(n)) => return (arguments[0].clone(), -n),
            _ => {}
        }
    }
    (scalar.clone(), 0)
}

fn same(a: &Scalar, b: &Scalar) -> bool {
    std::rc::Rc::ptr_eq(&a.0, &b.0)
        || matches!((&*a.0, &*b.0), (Node::Index(i), Node::Index(j)) if i == j)
}
