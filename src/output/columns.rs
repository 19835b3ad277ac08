//! Plain tables: names to the left, figures to the right, two blanks between, and each column as wide as its widest cell. All
//! tables that need no more are set here, so that they look alike.

/// How far tables that stand by themselves are moved in.
pub(super) const INDENT: usize = 2;
/// How far those are that belong to a titled paragraph.
pub(super) const BELOW_TITLE: usize = 11;

/// Rows of cells, the first of them the headings, so many blanks in. Each line ends in a line break and no blank stands before.
pub(super) fn columns(rows: &[Vec<String>], indent: usize) -> String {
    let count = rows.first().map_or(0, Vec::len);
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..count).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = format!("{:indent$}{:<width$}", "", row[0], width = widths[0]);
        for (cell, width) in row.iter().zip(&widths).skip(1) {
            line.push_str(&format!("  {cell:>width$}"));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// A row of headings.
pub(super) fn head(cells: &[&str]) -> Vec<String> {
    cells.iter().map(|cell| (*cell).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_end_in_one_column() {
        let rows = [head(&["", "p", "ranks"]), head(&["log", "0.5", "▁█"])];
        assert_eq!(columns(&rows, 2), "         p  ranks\n  log  0.5     ▁█\n");
        assert_eq!(columns(&[head(&["", ""])], 3), "\n");
    }
}
