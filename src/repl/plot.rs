//! Pictures of draws made of characters: blocks for histograms, Braille dots for traces and scatters. No line is longer than a
//! page is wide, and every axis says its numbers.

use super::value::WIDTH;

const BLOCKS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// Columns of a histogram, and lines of it.
const BARS: usize = 72;
const BAR_LINES: usize = 8;
/// Whole numbers with as many values get a bar each.
const MOST_VALUES: usize = 24;
/// Lines of a trace and of a scatter.
const TRACE_LINES: usize = 6;
const SCATTER_LINES: usize = 18;
/// The share of draws that lies beyond each end of an axis, when tails are long.
const BEYOND: f64 = 0.002;

/// The quantiles that are marked or drawn.
pub const MARKS: [f64; 3] = [0.05, 0.5, 0.95];

/// The quantile of numbers in rising order: the one that is nearest to so large a share of them.
pub fn quantile(sorted: &[f64], p: f64) -> f64 {
    sorted[((sorted.len() - 1) as f64 * p).round() as usize]
}

/// The ends of an axis that shows nearly all of the values, and how many it does not show.
struct Axis {
    low: f64,
    high: f64,
    hidden: usize,
}

impl Axis {
    fn of(sorted: &[f64]) -> Axis {
        let (first, last) = (sorted[0], sorted[sorted.len() - 1]);
        let [low, high] = [BEYOND, 1.0 - BEYOND].map(|p| quantile(sorted, p));
        // Cut only what would squeeze the rest.
        let is_long = last - first > 2.0 * (high - low) && high > low;
        let (mut low, mut high) = if is_long { (low, high) } else { (first, last) };
        if low == high {
            let margin = if low == 0.0 { 1.0 } else { low.abs() * 0.1 };
            (low, high) = (low - margin, high + margin);
        }
        let hidden = sorted.iter().filter(|&&v| v < low || v > high).count();
        Axis { low, high, hidden }
    }

    /// The cell, of so many, in which a value lies.
    fn cell(&self, value: f64, cells: usize) -> Option<usize> {
        if !(self.low..=self.high).contains(&value) {
            return None;
        }
        let share = (value - self.low) / (self.high - self.low);
        Some(((share * cells as f64) as usize).min(cells - 1))
    }

    fn label(&self, value: f64) -> String {
        label(value, self.high - self.low)
    }
}

/// A number with the digits that tell places on an axis of this length apart.
fn label(value: f64, span: f64) -> String {
    let largest = value.abs().max(span);
    if largest >= 1e6 || span < 1e-6 {
        return format!("{value:.2e}");
    }
    let decimals = (2 - span.log10().floor() as i32).clamp(0, 8) as usize;
    let text = format!("{value:.decimals$}");
    match text.parse::<f64>() {
        Ok(0.0) => "0".to_owned(),
        _ => text,
    }
}

/// The values that can be drawn, in rising order.
fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    sorted
}

/// A sentence on values that are not in the picture; empty if there are none.
fn left_out(infinite: usize, hidden: usize, all: usize) -> String {
    let mut parts = Vec::new();
    if hidden > 0 {
        parts.push(format!("{hidden} of {all} draws lie beyond the picture"));
    }
    if infinite > 0 {
        parts.push(format!("{infinite} of {all} draws are no finite numbers"));
    }
    match parts.is_empty() {
        true => String::new(),
        false => format!("{}\n", parts.join("; ")),
    }
}

/// How often each value occurs: bars over an axis, with marks at the 5 %, 50 % and 95 % quantiles.
pub fn histogram(title: &str, values: &[f64]) -> String {
    let ordered = sorted(values);
    if ordered.is_empty() {
        return format!("{title}: there is no finite number to draw\n");
    }
    let infinite = values.len() - ordered.len();
    let mut distinct = ordered.clone();
    distinct.dedup();
    let is_discrete = ordered.iter().all(|v| v.fract() == 0.0) && distinct.len() <= MOST_VALUES;
    if is_discrete {
        return counts(title, &ordered, &distinct) + &left_out(infinite, 0, values.len());
    }
    let axis = Axis::of(&ordered);
    let mut bars = vec![0_usize; BARS];
    for cell in ordered.iter().filter_map(|&value| axis.cell(value, BARS)) {
        bars[cell] += 1;
    }
    let highest = bars.iter().copied().max().unwrap_or(1).max(1);
    let mut text = format!("{title}\n");
    for line in (0..BAR_LINES).rev() {
        let block = |&count: &usize| {
            let eighths = (count * BAR_LINES * 8).div_ceil(highest);
            BLOCKS[eighths.saturating_sub(line * 8).min(8)]
        };
        let row: String = bars.iter().map(block).collect();
        text.push_str(&format!("  {}\n", row.trim_end()));
    }
    let marks = MARKS.map(|p| quantile(&ordered, p));
    text.push_str(&format!("  {}\n", rule(&axis, &marks)));
    text.push_str(&format!("  {}\n", ends(&axis, BARS)));
    let [low, middle, high] = marks.map(|mark| axis.label(mark));
    text.push_str(&format!("  ┴ 5 %: {low}, 50 %: {middle}, 95 %: {high}\n"));
    text + &left_out(infinite, axis.hidden, values.len())
}

/// The line under a histogram, with its marks.
fn rule(axis: &Axis, marks: &[f64]) -> String {
    let mut rule = vec!['─'; BARS];
    for cell in marks.iter().filter_map(|&mark| axis.cell(mark, BARS)) {
        rule[cell] = '┴';
    }
    rule.into_iter().collect()
}

/// The numbers at both ends and in the middle of an axis.
fn ends(axis: &Axis, width: usize) -> String {
    let labels = [axis.low, f64::midpoint(axis.low, axis.high), axis.high];
    let [low, middle, high] = labels.map(|value| axis.label(value));
    let used = low.chars().count() + middle.chars().count() + high.chars().count();
    let gap = width.saturating_sub(used);
    let before = (width / 2)
        .saturating_sub(low.chars().count() + middle.chars().count() / 2)
        .min(gap);
    let after = gap - before;
    format!(
        "{low}{}{middle}{}{high}",
        " ".repeat(before),
        " ".repeat(after)
    )
}

/// A line for each value of a whole number.
fn counts(title: &str, ordered: &[f64], distinct: &[f64]) -> String {
    let count = |value: f64| ordered.iter().filter(|&&other| other == value).count();
    let highest = distinct
        .iter()
        .map(|&value| count(value))
        .max()
        .unwrap_or(1);
    let width = distinct.iter().map(|v| format!("{v:.0}").len()).max();
    let width = width.unwrap_or(1);
    let room = WIDTH - width - 12;
    let mut text = format!("{title}\n");
    for &value in distinct {
        let share = count(value) as f64 / ordered.len() as f64;
        let eighths = (count(value) * room * 8).div_ceil(highest);
        text.push_str(&format!(
            "  {value:>width$.0} {share:.3} {}\n",
            bar(eighths)
        ));
    }
    text
}

/// A horizontal bar of so many eighths of a character.
fn bar(eighths: usize) -> String {
    const PARTS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    format!("{}{}", "█".repeat(eighths / 8), PARTS[eighths % 8])
}

/// Dots of Braille characters: two columns and four rows each.
struct Canvas {
    columns: usize,
    lines: usize,
    cells: Vec<u8>,
}

impl Canvas {
    fn new(columns: usize, lines: usize) -> Self {
        Self {
            columns,
            lines,
            cells: vec![0; columns * lines],
        }
    }

    /// Sets the dot in a column from the left and a row from the bottom.
    fn dot(&mut self, column: usize, row: usize) {
        const DOTS: [[u8; 4]; 2] = [[0x40, 0x04, 0x02, 0x01], [0x80, 0x20, 0x10, 0x08]];
        let line = self.lines - 1 - (row / 4).min(self.lines - 1);
        let cell = line * self.columns + (column / 2).min(self.columns - 1);
        self.cells[cell] |= DOTS[column % 2][row % 4];
    }

    fn line(&self, line: usize) -> String {
        let cells = &self.cells[line * self.columns..(line + 1) * self.columns];
        let draw = |&dots: &u8| char::from_u32(0x2800 + u32::from(dots)).unwrap_or(' ');
        cells.iter().map(draw).collect()
    }

    /// The picture with the numbers of its vertical axis to the left.
    fn framed(&self, axis: &Axis) -> (String, usize) {
        let (top, bottom) = (axis.label(axis.high), axis.label(axis.low));
        let width = top.chars().count().max(bottom.chars().count());
        let mut text = String::new();
        for line in 0..self.lines {
            let label = match line {
                0 => top.as_str(),
                line if line + 1 == self.lines => &bottom,
                _ => "",
            };
            let drawn = self.line(line);
            let drawn = drawn.trim_end_matches('\u{2800}');
            text.push_str(format!("  {label:>width$} ┤{drawn}").trim_end());
            text.push('\n');
        }
        (text, width + 4)
    }

    /// The columns that are left beside the numbers of an axis.
    fn columns_beside(axis: &Axis) -> usize {
        let width = |value| axis.label(value).chars().count();
        WIDTH - 5 - width(axis.low).max(width(axis.high))
    }
}

/// The values of all chains one after another in time, laid over each other.
pub fn trace(title: &str, chains: &[Vec<f64>]) -> String {
    let all = chains.concat();
    let ordered = sorted(&all);
    let length = chains.iter().map(Vec::len).max().unwrap_or(0);
    if ordered.is_empty() || length < 2 {
        return format!("{title}: there are too few finite numbers to draw\n");
    }
    let axis = Axis::of(&ordered);
    let columns = Canvas::columns_beside(&axis);
    let mut canvas = Canvas::new(columns, TRACE_LINES);
    for chain in chains {
        for (draw, &value) in chain.iter().enumerate() {
            if let Some(row) = axis.cell(value, TRACE_LINES * 4) {
                canvas.dot(draw * (columns * 2 - 1) / (length - 1), row);
            }
        }
    }
    let (drawn, indent) = canvas.framed(&axis);
    let bottom = WIDTH - indent - 1;
    let last = length.to_string();
    let gap = bottom.saturating_sub(last.len() + 1);
    let hidden = left_out(all.len() - ordered.len(), axis.hidden, all.len());
    format!(
        "{title}\n{drawn}{}1{}{last}\n{hidden}",
        " ".repeat(indent + 1),
        " ".repeat(gap)
    )
}

/// Two quantities against each other, a dot for each draw.
pub fn scatter(x_name: &str, y_name: &str, x: &[f64], y: &[f64]) -> String {
    let is_finite = |(x, y): &(&f64, &f64)| x.is_finite() && y.is_finite();
    let pairs: Vec<(f64, f64)> = x
        .iter()
        .zip(y)
        .filter(is_finite)
        .map(|(&x, &y)| (x, y))
        .collect();
    if pairs.is_empty() {
        return format!("{y_name} against {x_name}: there is no finite pair to draw\n");
    }
    let across = Axis::of(&sorted(
        &pairs.iter().map(|pair| pair.0).collect::<Vec<_>>(),
    ));
    let up = Axis::of(&sorted(
        &pairs.iter().map(|pair| pair.1).collect::<Vec<_>>(),
    ));
    let columns = Canvas::columns_beside(&up);
    let mut canvas = Canvas::new(columns, SCATTER_LINES);
    let mut hidden = 0;
    for &(x, y) in &pairs {
        match (across.cell(x, columns * 2), up.cell(y, SCATTER_LINES * 4)) {
            (Some(column), Some(row)) => canvas.dot(column, row),
            _ => hidden += 1,
        }
    }
    let (drawn, indent) = canvas.framed(&up);
    let margin = " ".repeat(indent);
    let correlation = match correlation(&pairs) {
        Some(r) => format!(", correlation {r:.2}"),
        None => String::new(),
    };
    format!(
        "{y_name} (up) against {x_name} (across){correlation}\n{drawn}{margin}└{}\n{margin} {}\n{}",
        "─".repeat(columns),
        ends(&across, columns),
        left_out(x.len() - pairs.len(), hidden, x.len())
    )
}

/// Pearson's correlation; `None` where one of the two is constant.
fn correlation(pairs: &[(f64, f64)]) -> Option<f64> {
    let count = pairs.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| pairs.iter().map(of).sum::<f64>() / count;
    let (mx, my) = (mean(|pair| pair.0), mean(|pair| pair.1));
    let (mut xx, mut xy, mut yy) = (0.0, 0.0, 0.0);
    for (x, y) in pairs {
        xx += (x - mx).powi(2);
        xy += (x - mx) * (y - my);
        yy += (y - my).powi(2);
    }
    let r = xy / (xx * yy).sqrt();
    r.is_finite().then_some(r)
}

/// One line for each of several quantities: its median and the interval from its 5 % to its 95 % quantile.
pub fn intervals(title: &str, rows: &[(String, [f64; 3])]) -> String {
    let ends: Vec<f64> = rows.iter().flat_map(|(_, quantiles)| *quantiles).collect();
    let ordered = sorted(&ends);
    if ordered.is_empty() {
        return format!("{title}: there is no finite number to draw\n");
    }
    let axis = Axis {
        low: ordered[0],
        high: ordered[ordered.len() - 1].max(ordered[0] + f64::MIN_POSITIVE),
        hidden: 0,
    };
    let names = rows.iter().map(|(name, _)| name.chars().count());
    let width = names.max().unwrap_or(0).min(30);
    let columns = WIDTH - width - 4;
    let mut text = format!("{title}: median and 90 % interval\n");
    for (name, quantiles) in rows {
        let cells: Vec<usize> = quantiles
            .iter()
            .filter_map(|&value| axis.cell(value, columns))
            .collect();
        let mut line = vec![' '; columns];
        if let [low, middle, high] = cells[..] {
            line[low..=high].fill('─');
            line[middle] = '●';
        }
        let drawn: String = line.into_iter().collect();
        text.push_str(&format!("  {name:<width$}  {}\n", drawn.trim_end()));
    }
    let margin = " ".repeat(width + 4);
    text.push_str(&format!("{margin}{}\n", self::ends(&axis, columns)));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The quantiles of a normal distribution, as good as draws.
    fn bell(count: usize) -> Vec<f64> {
        let u = (0..count).map(|i| (i as f64 + 0.5) / count as f64);
        u.map(|u| (u / (1.0 - u)).ln() / 1.702).collect()
    }

    fn fits(text: &str) -> bool {
        text.lines().all(|line| line.chars().count() <= WIDTH)
    }

    #[test]
    fn a_histogram_is_highest_where_most_values_are() {
        let text = histogram("x", &bell(4000));
        assert!(fits(&text), "{text}");
        let lines: Vec<&str> = text.lines().collect();
        let middle = lines[1]
            .chars()
            .position(|c| c != ' ')
            .expect("a highest bar");
        let width = lines[8].chars().count();
        assert!((width / 2 - 4..width / 2 + 4).contains(&middle), "{text}");
        assert_eq!(lines[9].matches('┴').count(), 3);
        assert!(text.contains("50 %: 0"), "{text}");
    }

    #[test]
    fn whole_numbers_have_a_bar_each_with_their_share() {
        let text = histogram("k", &[0.0, 1.0, 1.0, 3.0]);
        assert!(text.contains("  1 0.500 ████"), "{text}");
        assert!(text.contains("  3 0.250 "), "{text}");
        assert!(fits(&text));
    }

    #[test]
    fn long_tails_do_not_squeeze_the_rest() {
        let mut values = bell(4000);
        values.extend([1e9, f64::INFINITY, f64::NAN]);
        let text = histogram("x", &values);
        assert!(
            text.contains(
                "of 4003 draws lie beyond the picture; 2 of 4003 draws are no finite numbers"
            ),
            "{text}"
        );
        assert!(fits(&text));
    }

    #[test]
    fn dots_stand_where_the_values_are() {
        let line: Vec<f64> = (0..500).map(f64::from).collect();
        let text = scatter("x", "y", &line, &line);
        assert!(fits(&text), "{text}");
        assert!(text.contains("correlation 1.00"));
        let rows: Vec<&str> = text.lines().skip(1).take(SCATTER_LINES).collect();
        let first = |row: &str| {
            row.chars()
                .position(|c| ('\u{2801}'..='\u{28ff}').contains(&c))
        };
        let places: Vec<usize> = rows.iter().filter_map(|row| first(row)).collect();
        assert_eq!(places.len(), SCATTER_LINES);
        assert!(places.is_sorted_by(|a, b| a > b), "{text}");
    }

    #[test]
    fn constants_few_values_and_nothing_are_drawn_or_said() {
        assert!(fits(&histogram("x", &[2.5; 10])));
        assert!(histogram("x", &[f64::NAN]).contains("no finite number"));
        assert!(trace("x", &[vec![1.0]]).contains("too few"));
        assert!(fits(&trace("x", &[vec![1.0; 10], bell(1000)])));
        assert!(scatter("x", "y", &[1.0], &[1.0]).contains("y (up)"));
        assert!(scatter("x", "y", &[], &[]).contains("no finite pair"));
        let rows = [
            ("a".to_owned(), [0.0, 1.0, 2.0]),
            ("b".to_owned(), [1.0, 2.0, 4.0]),
        ];
        let text = intervals("x", &rows);
        assert!(fits(&text) && text.contains('●'), "{text}");
    }

    #[test]
    fn a_canvas_fills_whole_characters() {
        let mut canvas = Canvas::new(1, 1);
        for row in 0..4 {
            canvas.dot(0, row);
            canvas.dot(1, row);
        }
        assert_eq!(canvas.line(0), "⣿");
    }
}
