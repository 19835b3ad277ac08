//! Statements, blocks and items as documents. A block that was written on one line with one statement in it stays on one
//! line if it fits; every other statement has its own.

use super::super::token::Token;
use super::expressions::{Expression, Printer};
use super::layout::{Doc, concat};

/// Lines below each other, of which at most one blank line keeps neighbours apart.
#[derive(Default)]
pub struct Lines {
    parts: Vec<Doc>,
}

impl Lines {
    /// One more, perhaps after a blank line.
    pub fn push(&mut self, after_blank: bool, line: Doc) {
        if !self.parts.is_empty() {
            self.parts.push(Doc::Hard);
            if after_blank {
                self.parts.push(Doc::Hard);
            }
        }
        self.parts.push(line);
    }

    /// All of them.
    pub fn finish(self) -> Doc {
        Doc::Concat(self.parts)
    }
}

impl Printer {
    /// The statements of the text, or those up to the end of a block. `members` are what a `dist` holds.
    pub fn statements(&mut self, in_block: bool, members: bool) -> Lines {
        let mut lines = Lines::default();
        while let Some(word) = self.words.get_mut(self.at) {
            let after_blank = word.after_blank;
            for comment in std::mem::take(&mut word.above) {
                lines.push(comment.after_blank, Doc::text(comment.text));
            }
            if self.is_confused || (in_block && self.is(Token::BraceClose)) {
                break;
            }
            let statement = if members {
                self.member()
            } else {
                self.statement()
            };
            let behind = self.waiting();
            lines.push(after_blank, concat([statement, behind]));
            let is_over = self.is_over() || (in_block && self.is(Token::BraceClose));
            self.is_confused |= !is_over;
        }
        lines
    }

    /// Whether the last word was the end of a statement.
    fn is_over(&self) -> bool {
        self.words[..self.at].last().is_some_and(|word| word.ends)
    }

    fn statement(&mut self) -> Doc {
        let space = || Doc::text(" ");
        match self.peek() {
            Some(Token::Given) => self.given(),
            Some(Token::Let) => {
                let word = self.take();
                let target = match self.is(Token::ParenOpen) {
                    true => self.expression(0).nested(),
                    false => concat([self.take(), self.indices()]),
                };
                let head = concat([word, space(), target]);
                self.assignment(head)
            }
            Some(Token::Observe) => {
                let head = concat([self.take(), space(), self.expression(0).nested()]);
                self.assignment(head)
            }
            Some(Token::Factor | Token::Require | Token::Return) => {
                concat([self.take(), space(), self.expression(0).nested()])
            }
            Some(Token::Soft) => self.soft(),
            Some(Token::Report) => {
                let head = concat([self.take(), space(), self.take()]);
                self.perhaps_assignment(head)
            }
            Some(Token::Var) => {
                let mut head = vec![self.take(), space(), self.take()];
                if self.is(Token::Colon) {
                    head.extend([self.take(), space(), self.type_name()]);
                }
                self.perhaps_assignment(Doc::Concat(head))
            }
            Some(Token::For) => {
                let head = concat([self.take(), space(), self.binder(), space()]);
                concat([head, self.block(false).group()])
            }
            Some(Token::If) => self.branches().group(),
            Some(Token::Fn) => {
                let mut head = vec![self.take(), space(), self.take(), self.parameters()];
                head.extend([space(), self.expect(Token::Arrow), space()]);
                head.push(self.result());
                self.body(Doc::Concat(head), false)
            }
            Some(Token::Model) => {
                let mut head = vec![self.take(), space(), self.take(), self.parameters()];
                if self.is(Token::Arrow) {
                    head.extend([space(), self.take(), space(), self.type_name()]);
                }
                self.body(Doc::Concat(head), false)
            }
            Some(Token::Dist) => {
                let mut head = vec![self.take(), space(), self.take(), self.parameters()];
                head.extend([space(), self.expect(Token::On), space(), self.type_name()]);
                self.body(Doc::Concat(head), true)
            }
            Some(Token::Import) => {
                let mut parts = vec![self.take(), space(), self.take()];
                while self.is(Token::Dot) {
                    parts.extend([self.take(), self.take()]);
                }
                Doc::Concat(parts)
            }
            _ => {
                let head = concat([self.take(), self.indices()]);
                self.assignment(head)
            }
        }
    }

    /// `given x: real[N] levels g from "column" = default`
    fn given(&mut self) -> Doc {
        let space = || Doc::text(" ");
        let mut head = vec![self.take(), space(), self.take(), self.expect(Token::Colon)];
        head.extend([space(), self.type_name()]);
        while let Some(Token::Name(_) | Token::From) = self.peek()
            && !self.is_over()
        {
            head.extend([space(), self.take(), space(), self.take()]);
        }
        self.perhaps_assignment(Doc::Concat(head))
    }

    /// `soft NAME: formula weight w for i in a..b`
    fn soft(&mut self) -> Doc {
        let head = [self.take(), Doc::text(" "), self.take()];
        let colon = self.expect(Token::Colon);
        let mut rest = vec![Doc::Line, self.expression(0).level()];
        if self.is(Token::Weight) {
            let word = self.take();
            let value = self.expression(super::expressions::SUM).nested();
            rest.extend([Doc::text(" "), word, Doc::text(" "), value]);
            if self.is(Token::Joint) {
                rest.extend([Doc::text(" "), self.take()]);
            }
        }
        if self.is(Token::For) && !self.is_over() {
            rest.extend([Doc::text(" "), self.binders()]);
        }
        concat([Doc::Concat(head.into()), colon, Doc::Concat(rest).indent()]).group()
    }

    /// `= e` or `~ d`; what does not fit on one line, nor alone on the next, is broken at its operators or brackets.
    fn assignment(&mut self, head: Doc) -> Doc {
        let value = match self.peek() {
            Some(Token::Tilde) => None,
            Some(Token::Assign) => Some(()),
            _ => {
                self.is_confused = true;
                return head;
            }
        };
        let sign = self.take();
        let value = match value {
            None => Expression::Other(self.law()),
            Some(()) => self.expression(0),
        };
        match value {
            chain @ Expression::Chain(..) => {
                let value = concat([Doc::Line, chain.level()]).indent();
                concat([head, Doc::text(" "), sign, value]).group()
            }
            other => concat([head, Doc::text(" "), sign, other.nested().below()]),
        }
    }

    fn perhaps_assignment(&mut self, head: Doc) -> Doc {
        match self.is(Token::Assign) {
            true => self.assignment(head),
            false => head,
        }
    }

    /// The parameters of an item; what stands behind `;` has to be named in calls.
    fn parameters(&mut self) -> Doc {
        let open = self.expect(Token::ParenOpen);
        let mut inside = vec![Doc::Soft];
        while self.peek().is_some() && !self.is(Token::ParenClose) && !self.is_confused {
            if self.is(Token::End) {
                let semicolon = self.take();
                let space = match inside.len() {
                    1 => Doc::text(" "),
                    _ => Doc::Line,
                };
                inside.push(concat([semicolon, space]));
                continue;
            }
            if self.is(Token::Comma) {
                let is_last = matches!(self.peek_after(1), Some(Token::ParenClose | Token::End));
                inside.push(match is_last {
                    true => self.drop_word(),
                    false => concat([self.take(), Doc::Line]),
                });
                continue;
            }
            let name = self.take();
            let colon = self.expect(Token::Colon);
            inside.push(concat([name, colon, Doc::text(" "), self.type_name()]));
            if self.is(Token::Assign) {
                let sign = self.take();
                let value = self.expression(0).nested();
                inside.push(concat([Doc::text(" "), sign, Doc::text(" "), value]));
            }
        }
        let close = self.expect(Token::ParenClose);
        if inside.len() == 1 {
            return concat([open, close]);
        }
        concat([open, Doc::Concat(inside).indent(), Doc::Soft, close]).group()
    }

    /// What a function returns: a type, or several in brackets.
    fn result(&mut self) -> Doc {
        if !self.is(Token::ParenOpen) {
            return self.type_name();
        }
        let mut parts = vec![self.take(), self.type_name()];
        while self.is(Token::Comma) {
            parts.extend([self.take(), Doc::text(" "), self.type_name()]);
        }
        parts.push(self.expect(Token::ParenClose));
        Doc::Concat(parts)
    }

    /// What an item or a member is: `= e` or a block.
    fn body(&mut self, head: Doc, is_law: bool) -> Doc {
        if self.is(Token::BraceOpen) {
            return concat([head, Doc::text(" "), self.block(is_law).group()]);
        }
        match is_law {
            true => {
                let sign = self.expect(Token::Assign);
                concat([head, Doc::text(" "), sign, self.law().below()])
            }
            false => self.assignment(head),
        }
    }

    /// `log_density(x) = e`
    fn member(&mut self) -> Doc {
        let mut head = vec![self.take(), self.expect(Token::ParenOpen)];
        while let Some(Token::Name(_)) = self.peek() {
            head.push(self.take());
            if self.is(Token::Comma) {
                match self.peek_after(1) {
                    Some(Token::ParenClose) => head.push(self.drop_word()),
                    _ => head.extend([self.take(), Doc::text(" ")]),
                }
            }
        }
        head.push(self.expect(Token::ParenClose));
        self.body(Doc::Concat(head), false)
    }

    /// `if c { … } else { … }` as a statement, without a group of its own.
    fn branches(&mut self) -> Doc {
        let mut parts = vec![self.take(), Doc::text(" "), self.expression(0).nested()];
        parts.extend([Doc::text(" "), self.block(false)]);
        if self.is(Token::Else) {
            parts.push(self.otherwise());
            match self.is(Token::If) {
                true => parts.push(self.branches()),
                false => parts.push(self.block(false)),
            }
        }
        Doc::Concat(parts)
    }

    /// `{ … }`
    fn block(&mut self, members: bool) -> Doc {
        let end = if self.is_on_one_line() {
            Doc::Line
        } else {
            Doc::Hard
        };
        let open = self.expect(Token::BraceOpen);
        let lines = self.statements(true, members).finish();
        let close = self.expect(Token::BraceClose);
        match &lines {
            Doc::Concat(parts) if parts.is_empty() => concat([open, close]),
            _ => concat([open, concat([end.clone(), lines]).indent(), end, close]),
        }
    }

    /// Whether the block that begins here was written on one line and holds one statement.
    fn is_on_one_line(&self) -> bool {
        let mut depth = 0;
        for word in &self.words[self.at..] {
            match word.token {
                Token::BraceOpen => depth += 1,
                Token::BraceClose => depth -= 1,
                _ => {}
            }
            let is_first = depth == 1 && word.token == Token::BraceOpen;
            if word.starts_line && !is_first {
                return false;
            }
            if depth == 0 {
                return true;
            }
            if word.ends {
                return false;
            }
        }
        false
    }
}
