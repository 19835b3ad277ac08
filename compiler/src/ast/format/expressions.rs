//! Expressions, types, calls and laws as documents. The words are those of a text that the grammar has accepted, so that
//! only what decides about spaces and breaks has to be understood here.

use super::super::token::Token;
use super::layout::{Doc, concat, set};
use super::words::Word;

/// Turns words into documents, one after the other.
pub struct Printer {
    /// All words.
    pub words: Vec<Word>,
    /// The next one.
    pub at: usize,
    /// Comments behind the last word of a statement, which belong behind the statement.
    pub waiting: Vec<String>,
    /// Whether words came in an order that no grammar has: a mistake of this module.
    pub is_confused: bool,
}

/// An expression, by how it may be broken.
pub enum Expression {
    /// Operands with operators of one precedence between them.
    Chain(Doc, Vec<Doc>),
    /// An array, whose brackets may stand at the ends of lines.
    Brackets(Doc),
    /// Everything else.
    Other(Doc),
}

/// How tightly operators bind, from `implies` on.
const IMPLICATION: u8 = 0;
const CONJUNCTION: u8 = 2;
const COMPARISON: u8 = 3;
/// Indices and sizes of at most so many letters stay on one line.
const SHORT: usize = 30;
/// The level of `a + b`; ranges and bounds begin here.
pub const SUM: u8 = 4;
const PRODUCT: u8 = 5;

fn level(token: &Token) -> Option<u8> {
    use Token::*;
    Some(match token {
        Implies => IMPLICATION,
        Or => 1,
        And => CONJUNCTION,
        Near | Less | LessEqual | Greater | GreaterEqual | Equal | NotEqual => COMPARISON,
        Plus | Minus => SUM,
        Star | Slash | At => PRODUCT,
        _ => return None,
    })
}

impl Expression {
    /// Further lines of a chain stand further right than its first.
    pub fn nested(self) -> Doc {
        match self {
            Expression::Chain(first, rest) => concat([first, Doc::Concat(rest).indent()]).group(),
            Expression::Brackets(doc) | Expression::Other(doc) => doc,
        }
    }

    /// All lines of a chain stand below each other.
    pub fn level(self) -> Doc {
        match self {
            Expression::Chain(first, rest) => concat([first, Doc::Concat(rest)]).group(),
            other => other.nested(),
        }
    }

    /// More words behind it.
    fn and(self, more: Doc) -> Expression {
        match self {
            Expression::Chain(first, mut rest) => {
                rest.push(more);
                Expression::Chain(first, rest)
            }
            other => Expression::Other(concat([other.nested(), more])),
        }
    }
}

impl Printer {
    /// The next word.
    pub fn peek(&self) -> Option<&Token> {
        self.peek_after(0)
    }

    /// The word after so many others.
    pub fn peek_after(&self, count: usize) -> Option<&Token> {
        self.words.get(self.at + count).map(|word| &word.token)
    }

    /// Whether the next word is this one.
    pub fn is(&self, token: Token) -> bool {
        self.peek() == Some(&token)
    }

    /// The next word with its comments.
    pub fn take(&mut self) -> Doc {
        let Some(word) = self.words.get_mut(self.at) else {
            self.is_confused = true;
            return Doc::Nothing;
        };
        let above = std::mem::take(&mut word.above);
        let behind = word.behind.take();
        let ends = word.ends;
        let text = Doc::text(&word.text);
        self.at += 1;
        if above.is_empty() && behind.is_none() {
            return text;
        }
        let mut parts: Vec<Doc> = above.into_iter().map(|one| Doc::Own(one.text)).collect();
        parts.push(text);
        match behind {
            Some(comment) if ends || self.is(Token::BraceClose) => self.waiting.push(comment),
            Some(comment) => parts.push(Doc::Trailing(comment)),
            None => {}
        }
        Doc::Concat(parts)
    }

    /// The next word, which has to be this one.
    pub fn expect(&mut self, token: Token) -> Doc {
        if !self.is(token) {
            self.is_confused = true;
            return Doc::Nothing;
        }
        self.take()
    }

    /// The comments of the next word without the word.
    pub fn drop_word(&mut self) -> Doc {
        if let Some(word) = self.words.get_mut(self.at) {
            word.text.clear();
        }
        self.take()
    }

    /// Comments that wait for the end of a statement.
    pub fn waiting(&mut self) -> Doc {
        Doc::Concat(self.waiting.drain(..).map(Doc::Trailing).collect())
    }

    /// An expression whose operators bind at least this tightly.
    pub fn expression(&mut self, least: u8) -> Expression {
        let mut left = match self.peek() {
            Some(Token::Not) => {
                let sign = self.take();
                let operand = self.expression(COMPARISON).nested();
                Expression::Other(concat([sign, Doc::text(" "), operand]))
            }
            Some(Token::Penalty) => {
                let word = self.take();
                let value = self.expression(SUM).nested();
                Expression::Other(concat([word, Doc::text(" "), value]))
            }
            _ => self.signed(),
        };
        while let Some(level) = self.peek().and_then(level)
            && level >= least
        {
            let mut first = left.nested();
            let mut rest: Vec<Doc> = Vec::new();
            while self.peek().and_then(self::level) == Some(level) {
                // `implies` is a word of the language behind a value only, and so cannot begin a line.
                let leads = level != IMPLICATION;
                let behind = if leads {
                    self.settle_comments()
                } else {
                    Doc::Nothing
                };
                let last = rest.last_mut().unwrap_or(&mut first);
                *last = concat([std::mem::take(last), behind]);
                let operator = self.take();
                let operand = self.expression(level + 1).nested();
                let (before, after) = match leads {
                    true => (Doc::Line, Doc::text(" ")),
                    false => (Doc::text(" "), Doc::Line),
                };
                rest.push(concat([before, operator, after, operand]));
            }
            left = Expression::Chain(first, rest);
            if level == COMPARISON && self.is(Token::Within) {
                let strength = self.strength();
                left = left.and(strength);
            }
        }
        left
    }

    /// An operator begins its line when a chain is broken: a comment behind it goes behind the operand before it, which is
    /// returned, and comments above its second operand go above it.
    fn settle_comments(&mut self) -> Doc {
        let behind = self.words[self.at].behind.take();
        if let Some(operand) = self.words.get_mut(self.at + 1) {
            let above = std::mem::take(&mut operand.above);
            self.words[self.at].above.extend(above);
        }
        behind.map_or(Doc::Nothing, Doc::Trailing)
    }

    /// `within s joint tail student(4)`
    fn strength(&mut self) -> Doc {
        let mut parts = vec![Doc::text(" "), self.take(), Doc::text(" ")];
        parts.push(self.expression(SUM).nested());
        while let Some(Token::Joint | Token::Normalised) = self.peek() {
            parts.extend([Doc::text(" "), self.take()]);
        }
        if self.is(Token::Tail) {
            parts.extend([Doc::text(" "), self.take(), Doc::text(" "), self.take()]);
            if self.is(Token::ParenOpen) {
                parts.push(self.list(Token::ParenClose, |printer| printer.expression(0)));
            }
        }
        Doc::Concat(parts)
    }

    fn signed(&mut self) -> Expression {
        let mut signs = Vec::new();
        while self.is(Token::Minus) {
            signs.push(self.take());
        }
        let base = self.postfix();
        let base = match self.is(Token::Caret) {
            true => {
                let sign = self.take();
                let exponent = self.signed().nested();
                Expression::Other(concat([base.nested(), sign, exponent]))
            }
            false => base,
        };
        match signs.is_empty() {
            true => base,
            false => Expression::Other(concat([Doc::Concat(signs), base.nested()])),
        }
    }

    fn postfix(&mut self) -> Expression {
        let mut base = self.atom();
        loop {
            let more = match self.peek() {
                Some(Token::BracketOpen) => self.selectors(),
                Some(Token::Prime) => self.take(),
                Some(Token::Dot) => {
                    let name = concat([self.take(), self.take()]);
                    match self.is(Token::ParenOpen) {
                        true => concat([name, self.arguments()]),
                        false => name,
                    }
                }
                _ => return base,
            };
            base = Expression::Other(concat([base.nested(), more]));
        }
    }

    fn atom(&mut self) -> Expression {
        match (self.peek(), self.peek_after(1)) {
            (Some(Token::ParenOpen), _) => {
                Expression::Other(self.list(Token::ParenClose, |printer| printer.expression(0)))
            }
            (Some(Token::BracketOpen), _) => Expression::Brackets(self.array()),
            (Some(Token::If), _) => {
                let choice = self.choice();
                Expression::Other(choice.group())
            }
            (Some(Token::Name(_)), Some(Token::ParenOpen)) => Expression::Other(self.call()),
            (
                Some(
                    Token::Name(_)
                    | Token::Text(_)
                    | Token::Integer(_)
                    | Token::Real(_)
                    | Token::True
                    | Token::False
                    | Token::Factor,
                ),
                _,
            ) => Expression::Other(self.take()),
            _ => {
                self.is_confused = true;
                Expression::Other(self.take())
            }
        }
    }

    /// `f(…)`
    fn call(&mut self) -> Doc {
        let name = self.take();
        concat([name, self.arguments()])
    }

    /// `normal(0, 1) truncated(0, inf)`
    pub fn law(&mut self) -> Doc {
        let mut parts = vec![self.call()];
        loop {
            match self.peek() {
                Some(Token::Truncated | Token::Censored) => {
                    parts.extend([Doc::text(" "), self.call()]);
                }
                Some(Token::Ordered) => parts.extend([Doc::text(" "), self.take()]),
                _ => return Doc::Concat(parts),
            }
        }
    }

    /// `(a, k=b)` or `(e for i in 1..N)`
    fn arguments(&mut self) -> Doc {
        self.list(Token::ParenClose, Printer::argument)
    }

    fn argument(&mut self) -> Expression {
        if let (Some(Token::Name(_)), Some(Token::Assign)) = (self.peek(), self.peek_after(1)) {
            let name = concat([self.take(), self.take()]);
            return Expression::Other(concat([name, self.expression(0).nested()]));
        }
        let value = self.expression(0);
        if self.is(Token::In) {
            let bounds = self.bounds();
            return value.and(bounds);
        }
        value
    }

    /// Items in brackets, or one with `for` behind it.
    fn list(&mut self, close: Token, item: impl Fn(&mut Self) -> Expression) -> Doc {
        let open = self.take();
        let mut items: Vec<Expression> = Vec::new();
        let mut separators = Vec::new();
        while self.peek().is_some() && !self.is(close.clone()) && !self.is_confused {
            items.push(item(self));
            if self.is(Token::For) {
                let binders = self.binders();
                let body = items.pop().map_or(Doc::Nothing, Expression::nested);
                let inside = concat([Doc::Soft, body, Doc::Line, binders]);
                let close = self.expect(close);
                return concat([open, inside.indent(), Doc::Soft, close]).group();
            }
            if !self.is(Token::Comma) {
                break;
            }
            separators.push(match self.peek_after(1) == Some(&close) {
                true => self.drop_word(),
                false => concat([self.take(), Doc::Line]),
            });
        }
        let close = self.expect(close);
        if items.len() == 1 {
            let after = separators.pop().unwrap_or_default();
            return match items.remove(0) {
                Expression::Brackets(doc) => concat([open, doc, after, close]),
                other => {
                    let inside = concat([Doc::Soft, other.level(), after]);
                    concat([open, inside.indent(), Doc::Soft, close]).group()
                }
            };
        }
        if items.is_empty() {
            return concat([open, close]);
        }
        let mut inside = vec![Doc::Soft];
        let mut separators = separators.into_iter();
        for item in items {
            inside.push(item.nested());
            inside.extend(separators.next());
        }
        concat([open, Doc::Concat(inside).indent(), Doc::Soft, close]).group()
    }

    /// `[1, 2, 3]` or `[e for i in 1..N]`; numbers fill their lines.
    fn array(&mut self) -> Doc {
        let mut end = self.at + 1;
        let is_plain = |word: &Word| {
            let is_number = matches!(
                word.token,
                Token::Integer(_) | Token::Real(_) | Token::Minus | Token::Name(_) | Token::Comma
            );
            is_number && word.above.is_empty() && word.behind.is_none()
        };
        while self.words.get(end).is_some_and(is_plain) {
            end += 1;
        }
        let closes = self
            .words
            .get(end)
            .is_some_and(|word| word.token == Token::BracketClose && word.above.is_empty());
        let is_sum = self.words[self.at + 1..end].windows(2).any(|pair| {
            pair[1].token == Token::Minus && !matches!(pair[0].token, Token::Comma | Token::Minus)
        });
        if !closes || is_sum || end < self.at + 4 || self.words[self.at].behind.is_some() {
            return self.list(Token::BracketClose, |printer| printer.expression(0));
        }
        let open = self.take();
        let mut items = vec![String::new()];
        while self.at < end {
            let word = &self.words[self.at];
            if word.token == Token::Comma {
                if self.at + 1 < end {
                    items.last_mut().expect("one item at least").push(',');
                    items.push(String::new());
                }
            } else {
                items
                    .last_mut()
                    .expect("one item at least")
                    .push_str(&word.text);
            }
            self.at += 1;
        }
        let close = self.take();
        let inside = concat([Doc::Soft, Doc::Fill(items)]);
        concat([open, inside.indent(), Doc::Soft, close]).group()
    }

    /// `[i, , 2..N]`, where nothing at all stands for everything. What is short is never broken: there are better places.
    fn selectors(&mut self) -> Doc {
        let is_short = self.is_short();
        let brackets = self.selectors_that_break();
        match is_short {
            true => Doc::Text(set(&brackets, usize::MAX)),
            false => brackets,
        }
    }

    /// Whether the bracket that opens here holds few letters and no comments.
    fn is_short(&self) -> bool {
        let (mut depth, mut length) = (0, 0);
        for word in &self.words[self.at..] {
            match word.token {
                Token::BracketOpen | Token::ParenOpen | Token::BraceOpen => depth += 1,
                Token::BracketClose | Token::ParenClose | Token::BraceClose => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return word.above.is_empty() && word.behind.is_none();
            }
            length += word.text.len();
            if length > SHORT || !word.above.is_empty() || word.behind.is_some() {
                return false;
            }
        }
        false
    }

    fn selectors_that_break(&mut self) -> Doc {
        let open = self.take();
        let mut inside = vec![Doc::Soft];
        let mut has_empty = false;
        loop {
            if matches!(self.peek(), Some(Token::Comma | Token::BracketClose)) {
                has_empty = true;
            } else {
                inside.push(self.index());
            }
            if !self.is(Token::Comma) {
                break;
            }
            let comma = self.take();
            let is_last = self.is(Token::BracketClose);
            inside.push(concat([
                comma,
                if is_last { Doc::Nothing } else { Doc::Line },
            ]));
        }
        let close = self.expect(Token::BracketClose);
        if has_empty {
            // On one line: a position that is left out should be seen between its commas.
            for part in &mut inside {
                flatten(part);
            }
            return concat([open, Doc::Concat(inside), close]);
        }
        concat([open, Doc::Concat(inside).indent(), Doc::Soft, close]).group()
    }

    /// One position: `i`, `a..b` or `i in a..b`.
    fn index(&mut self) -> Doc {
        if let (Some(Token::Name(_)), Some(Token::In)) = (self.peek(), self.peek_after(1)) {
            return self.binder();
        }
        self.range()
    }

    /// `a..b`, or an expression alone.
    fn range(&mut self) -> Doc {
        let lower = self.expression(0).nested();
        if !self.is(Token::DotDot) {
            return lower;
        }
        let dots = self.take();
        concat([lower, dots, self.expression(SUM).nested()])
    }

    /// `[…]` with indices or sizes, if it stands here.
    pub fn indices(&mut self) -> Doc {
        match self.is(Token::BracketOpen) {
            true => self.selectors(),
            false => Doc::Nothing,
        }
    }

    /// `i in a..b`
    pub fn binder(&mut self) -> Doc {
        let name = self.take();
        let within = self.expect(Token::In);
        let lower = self.expression(SUM).nested();
        let dots = self.expect(Token::DotDot);
        let upper = self.expression(SUM).nested();
        let space = || Doc::text(" ");
        concat([name, space(), within, space(), lower, dots, upper])
    }

    /// `for i in a..b, j in c..d`
    pub fn binders(&mut self) -> Doc {
        let mut parts = vec![self.take(), Doc::text(" "), self.binder()];
        let mut more = Vec::new();
        while self.is(Token::Comma) {
            more.extend([self.take(), Doc::Line, self.binder()]);
        }
        parts.push(Doc::Concat(more).indent());
        Doc::Concat(parts).group()
    }

    /// `real[N] in (a, b)`
    pub fn type_name(&mut self) -> Doc {
        let name = self.take();
        let sizes = self.indices();
        match self.is(Token::In) {
            true => concat([name, sizes, self.bounds()]),
            false => concat([name, sizes]),
        }
    }

    /// ` in (a, b)` or ` in a..b`
    fn bounds(&mut self) -> Doc {
        let word = self.take();
        concat([Doc::text(" "), word, Doc::text(" "), self.range()])
    }

    /// `if c { a } else { b }` as a value, without a group of its own, so that all its braces are broken or none.
    fn choice(&mut self) -> Doc {
        let mut parts = vec![self.take(), Doc::text(" "), self.expression(0).nested()];
        parts.extend([Doc::text(" "), self.braced()]);
        parts.extend([self.otherwise()]);
        match self.is(Token::If) {
            true => parts.push(self.choice()),
            false => parts.push(self.braced()),
        }
        Doc::Concat(parts)
    }

    /// ` else `, on a line of its own if comments stand above it.
    pub fn otherwise(&mut self) -> Doc {
        let is_commented = self
            .words
            .get(self.at)
            .is_some_and(|word| !word.above.is_empty());
        let before = if is_commented {
            Doc::Hard
        } else {
            Doc::text(" ")
        };
        let word = self.expect(Token::Else);
        concat([before, word, Doc::text(" ")])
    }

    fn braced(&mut self) -> Doc {
        let open = self.expect(Token::BraceOpen);
        let value = self.expression(0).level();
        let behind = self.waiting();
        let close = self.expect(Token::BraceClose);
        let inside = concat([Doc::Line, value, behind]);
        concat([open, inside.indent(), Doc::Line, close])
    }
}

/// Turns the breaks of the outermost level into spaces.
fn flatten(doc: &mut Doc) {
    match doc {
        Doc::Line => *doc = Doc::text(" "),
        Doc::Soft => *doc = Doc::Nothing,
        Doc::Concat(parts) => parts.iter_mut().for_each(flatten),
        _ => {}
    }
}
