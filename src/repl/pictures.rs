//! What `:plot` draws: which draws a question has, and which picture suits them.

use likelier::Error;
use likelier::simulation::Rows;

use super::evaluate::{Found, Question, label};
use super::session::Session;
use super::{input, plot};

/// Rows of intervals in a picture.
const MOST_INTERVALS: usize = 40;

/// The picture that `:plot` was asked for.
///
/// # Errors
/// When there is nothing to draw.
pub fn picture(session: &mut Session, rest: &str) -> Result<String, Error> {
    let questions: Vec<Question> = input::at_commas(rest)
        .into_iter()
        .map(|part| session.read_question(part))
        .collect::<Result<_, Error>>()?;
    match questions.as_slice() {
        [one] => {
            let (drawn, stale) = chains_of(session, one)?;
            Ok(picture_of_one(&drawn, one)? + &stale.unwrap_or_default())
        }
        [x, y] => {
            let ((across, stale), (up, also)) = (chains_of(session, x)?, chains_of(session, y)?);
            let (across, up) = (single(across, x)?, single(up, y)?);
            let (names, values) = ((label(x), label(y)), (across.concat(), up.concat()));
            let picture = plot::scatter(&names.0, &names.1, &values.0, &values.1);
            Ok(picture + &stale.or(also).unwrap_or_default())
        }
        _ => Err(Error::Settings(
            "`:plot` takes one expression, or two with a comma between\n  help: `:plot tau`, `:plot mu, tau`".to_owned(),
        )),
    }
}

/// Draws of a quantity: of each of its elements, under its name, chain by chain.
type Drawn = Vec<(String, Vec<Vec<f64>>)>;

/// The draws of a quantity, and what is to be said of them if they are old.
fn chains_of(session: &mut Session, question: &Question) -> Result<(Drawn, Option<String>), Error> {
    let of_rows = |rows: &Rows| -> Drawn {
        let columns = rows.columns.iter().enumerate();
        let values = |place: usize| rows.rows().map(|row| row[place]).collect();
        columns
            .map(|(place, column)| (column.name.clone(), vec![values(place)]))
            .collect()
    };
    if let Some(rows) = session.many(question)? {
        return Ok((of_rows(&rows), None));
    }
    match session.find(question)? {
        Found::Value(value, _) => {
            let many = value
                .values
                .iter()
                .map(|&v| (label(question), vec![vec![v]]));
            Ok((many.collect(), None))
        }
        Found::Prior(rows, _) => Ok((of_rows(&rows), None)),
        Found::Posterior {
            posterior, stale, ..
        } => {
            let names = posterior.columns.iter().map(|column| column.name.clone());
            let drawn = |name: String| posterior.draws(&name).map(|chains| (name, chains));
            Ok((names.filter_map(drawn).collect(), stale))
        }
    }
}

/// The draws of a quantity that is one number.
fn single(mut drawn: Drawn, question: &Question) -> Result<Vec<Vec<f64>>, Error> {
    match drawn.len() {
        1 => Ok(drawn.remove(0).1),
        count => Err(Error::Settings(format!(
            "`{}` has {count} elements, and one is drawn against another\n  help: choose one, as in `{}[1]`",
            question.wanted.text, question.wanted.text
        ))),
    }
}

fn picture_of_one(drawn: &Drawn, question: &Question) -> Result<String, Error> {
    let name = label(question);
    let is_constant = drawn.iter().all(|(_, chains)| chains.concat().len() < 2);
    if is_constant {
        return Err(Error::Settings(format!(
            "`{}` has a value and no draws\n  help: an expression that depends on unknowns has draws after `:run`",
            question.wanted.text
        )));
    }
    if let [(_, chains)] = drawn.as_slice() {
        let title = match chains.len() {
            1 => name,
            _ => format!("{name}: {} draws", chains.concat().len()),
        };
        let mut text = plot::histogram(&title, &chains.concat());
        if chains.len() > 1 {
            let chains_text = format!("{} chains over time", chains.len());
            text.push('\n');
            text.push_str(&plot::trace(&chains_text, chains));
        }
        return Ok(text);
    }
    let quantiles = |chains: &Vec<Vec<f64>>| {
        let mut values = chains.concat();
        values.sort_by(f64::total_cmp);
        plot::MARKS.map(|p| plot::quantile(&values, p))
    };
    let rows: Vec<(String, [f64; 3])> = drawn
        .iter()
        .take(MOST_INTERVALS)
        .map(|(name, chains)| (name.clone(), quantiles(chains)))
        .collect();
    let mut text = plot::intervals(&name, &rows);
    if drawn.len() > rows.len() {
        let (all, shown) = (drawn.len(), rows.len());
        text.push_str(&format!("the first {shown} of {all} elements\n"));
    }
    Ok(text)
}
