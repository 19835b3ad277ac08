//! Documents that know where they may be broken, and how they are set in lines of a width (Wadler's scheme): a group
//! stands on one line if it fits, else all of its own breaks become ends of lines. What libraries of this kind lack is a
//! comment that waits for the end of whatever line it falls on, so that no layout lets it swallow code.

/// Something to be set.
#[derive(Debug, Clone, Default)]
pub enum Doc {
    /// Nothing.
    #[default]
    Nothing,
    /// Words without an end of line.
    Text(String),
    /// A space, or the end of a line.
    Line,
    /// Nothing, or the end of a line.
    Soft,
    /// The end of a line.
    Hard,
    /// A comment on a line of its own.
    Own(String),
    /// A comment that stands at the end of the line it falls on.
    Trailing(String),
    /// One after the other.
    Concat(Vec<Doc>),
    /// Lines that begin inside stand two columns further right.
    Indent(Box<Doc>),
    /// On one line if that fits and nothing inside ends a line.
    Group(Box<Doc>, Ends),
    /// What stands behind a sign: on its line if that fits, else alone on the next if that fits, else broken behind the sign.
    Below(Box<Doc>, Ends),
    /// As many of these texts on a line as fit.
    Fill(Vec<String>),
}

/// Whether a document ends lines by itself.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ends {
    /// Somewhere before its end.
    inside: bool,
    /// Anywhere: a comment behind it does not break it, but whatever it stands in.
    anywhere: bool,
}

/// Columns by which what stands inside brackets is moved.
const STEP: usize = 2;

impl Doc {
    /// Words.
    pub fn text(text: impl Into<String>) -> Doc {
        Doc::Text(text.into())
    }

    /// A group, which is broken if something in it ends a line by itself.
    pub fn group(self) -> Doc {
        let ends = self.ends();
        Doc::Group(Box::new(self), ends)
    }

    /// What stands behind `=` or `~`.
    pub fn below(self) -> Doc {
        let ends = self.ends();
        Doc::Below(Box::new(self), ends)
    }

    /// Moved to the right.
    pub fn indent(self) -> Doc {
        Doc::Indent(Box::new(self))
    }

    fn ends(&self) -> Ends {
        match self {
            Doc::Hard | Doc::Own(_) => Ends {
                inside: true,
                anywhere: true,
            },
            Doc::Trailing(_) => Ends {
                inside: false,
                anywhere: true,
            },
            Doc::Concat(parts) => {
                let ends = |doc: &Doc| doc.ends().anywhere;
                let Some((last, before)) = parts.split_last() else {
                    return Ends::default();
                };
                let before = before.iter().any(ends);
                let last = last.ends();
                Ends {
                    inside: before || last.inside,
                    anywhere: before || last.anywhere,
                }
            }
            Doc::Indent(inner) => inner.ends(),
            Doc::Group(_, ends) | Doc::Below(_, ends) => *ends,
            Doc::Nothing | Doc::Text(_) | Doc::Line | Doc::Soft | Doc::Fill(_) => Ends::default(),
        }
    }
}

/// One after the other.
pub fn concat(parts: impl IntoIterator<Item = Doc>) -> Doc {
    Doc::Concat(parts.into_iter().collect())
}

/// The text of a document in lines of at most `width` columns where its breaks allow it. It ends without an end of line.
pub fn set(doc: &Doc, width: usize) -> String {
    let mut page = Page {
        width,
        ..Page::default()
    };
    let mut stack = vec![Piece {
        indent: 0,
        is_flat: false,
        doc,
    }];
    while let Some(piece) = stack.pop() {
        page.put(piece, &mut stack);
    }
    page.end_line();
    page.text
}

#[derive(Clone, Copy)]
struct Piece<'a> {
    indent: usize,
    is_flat: bool,
    doc: &'a Doc,
}

#[derive(Default)]
struct Page<'a> {
    width: usize,
    text: String,
    /// Where the current line begins in `text`.
    start: usize,
    column: usize,
    waiting: Vec<&'a str>,
}

impl<'a> Page<'a> {
    fn put(&mut self, piece: Piece<'a>, stack: &mut Vec<Piece<'a>>) {
        let Piece {
            indent, is_flat, ..
        } = piece;
        match piece.doc {
            Doc::Nothing => {}
            Doc::Text(text) => self.write(text),
            Doc::Line if is_flat => self.write(" "),
            Doc::Soft if is_flat => {}
            Doc::Line | Doc::Soft | Doc::Hard => self.new_line(indent),
            Doc::Own(comment) if self.is_blank() => {
                self.write(comment);
                self.new_line(indent);
            }
            Doc::Own(comment) | Doc::Trailing(comment) => self.waiting.push(comment),
            Doc::Concat(parts) => {
                stack.extend(parts.iter().rev().map(|doc| Piece { doc, ..piece }));
            }
            Doc::Indent(doc) => stack.push(Piece {
                indent: indent + STEP,
                is_flat,
                doc,
            }),
            Doc::Group(doc, ends) => {
                let inner = Piece {
                    indent,
                    is_flat: true,
                    doc,
                };
                let is_flat = is_flat || (!ends.inside && self.fits(self.column, inner, stack));
                stack.push(Piece { is_flat, ..inner });
            }
            Doc::Below(doc, ends) => {
                let flat = Piece {
                    indent,
                    is_flat: true,
                    doc,
                };
                let fits_at = |column| !ends.inside && self.fits(column, flat, stack);
                if is_flat || fits_at(self.column + 1) {
                    self.write(" ");
                    stack.push(flat);
                } else if fits_at(indent + STEP) {
                    self.new_line(indent + STEP);
                    stack.push(flat);
                } else {
                    self.write(" ");
                    stack.push(Piece {
                        is_flat: false,
                        ..flat
                    });
                }
            }
            Doc::Fill(items) => {
                for (rank, item) in items.iter().enumerate() {
                    let length = item.chars().count();
                    if rank > 0 && !is_flat && self.column + 1 + length > self.width {
                        self.new_line(indent);
                    } else if rank > 0 {
                        self.write(" ");
                    }
                    self.write(item);
                }
            }
        }
    }

    fn write(&mut self, text: &str) {
        self.text.push_str(text);
        self.column += text.chars().count();
    }

    fn is_blank(&self) -> bool {
        self.text[self.start..].trim().is_empty()
    }

    fn end_line(&mut self) {
        let length = self.text.trim_end_matches(' ').len();
        self.text.truncate(length.max(self.start));
        for comment in std::mem::take(&mut self.waiting) {
            self.text.push_str(if self.is_blank() { "" } else { "  " });
            self.text.push_str(comment);
        }
    }

    fn new_line(&mut self, indent: usize) {
        self.end_line();
        self.text.push('\n');
        self.start = self.text.len();
        self.column = indent;
        self.text.extend(std::iter::repeat_n(' ', indent));
    }

    /// Whether `first` on one line from this column on, and what follows it up to the next place where a line may end, fit.
    fn fits(&self, column: usize, first: Piece<'a>, rest: &[Piece<'a>]) -> bool {
        let Some(mut left) = self.width.checked_sub(column) else {
            return false;
        };
        let mut rest = rest.iter().rev();
        let mut stack = vec![first];
        loop {
            let Some(piece) = stack.pop().or_else(|| rest.next().copied()) else {
                return true;
            };
            let length = match piece.doc {
                Doc::Nothing | Doc::Trailing(_) => 0,
                Doc::Text(text) => text.chars().count(),
                Doc::Line if piece.is_flat => 1,
                Doc::Soft if piece.is_flat => 0,
                Doc::Line | Doc::Soft | Doc::Hard | Doc::Own(_) => return true,
                Doc::Fill(items) if piece.is_flat => {
                    items.iter().map(|item| item.chars().count() + 1).sum()
                }
                Doc::Fill(items) => items.first().map_or(0, |item| item.chars().count()),
                Doc::Concat(parts) => {
                    stack.extend(parts.iter().rev().map(|doc| Piece { doc, ..piece }));
                    0
                }
                Doc::Indent(doc) => {
                    stack.push(Piece { doc, ..piece });
                    0
                }
                Doc::Below(doc, _) if piece.is_flat => {
                    stack.push(Piece { doc, ..piece });
                    1
                }
                Doc::Below(..) => return true,
                Doc::Group(doc, ends) => {
                    let is_flat = piece.is_flat && !ends.inside;
                    stack.push(Piece {
                        is_flat,
                        doc,
                        ..piece
                    });
                    0
                }
            };
            match left.checked_sub(length) {
                Some(less) => left = less,
                None => return false,
            }
        }
    }
}
