//! The expressions, types and laws of random programs.

use super::Programs;

impl Programs {
    fn arguments(&mut self) {
        self.open("(");
        let count = self.below(4);
        self.separated(count, Self::argument);
        if count > 0 && self.chance(0.1) {
            self.put(",");
        }
        self.close(")");
    }

    fn argument(&mut self) {
        match self.below(10) {
            0 | 1 => {
                self.plain_name();
                self.gap();
                self.put("=");
                self.gap();
                self.expression();
            }
            2 => {
                self.put("real");
                self.word("in");
                self.bounds();
            }
            _ => self.expression(),
        }
    }

    fn bounds(&mut self) {
        match self.chance(0.5) {
            true => {
                self.open("(");
                self.separated(2, Self::expression);
                self.close(")");
            }
            false => self.range(),
        }
    }

    pub(super) fn range(&mut self) {
        self.sum();
        self.put("..");
        self.sum();
    }

    pub(super) fn binder(&mut self) {
        self.plain_name();
        self.word("in");
        self.range();
    }

    pub(super) fn binders(&mut self) {
        self.word("for");
        let count = 1 + self.below(2);
        self.separated(count, Self::binder);
    }

    pub(super) fn call(&mut self) {
        self.plain_name();
        self.arguments();
    }

    pub(super) fn law(&mut self) {
        self.call();
        for _ in 0..self.below(3) {
            match self.below(3) {
                0 => self.put(" ordered"),
                which => {
                    self.put([" truncated", " censored"][which - 1]);
                    self.open("(");
                    self.separated(2, Self::expression);
                    self.close(")");
                }
            }
        }
    }

    pub(super) fn type_name(&mut self) {
        let name = ["real", "int", "positive", "simplex", "factor"][self.below(5)];
        self.put(name);
        if self.chance(0.5) {
            self.open("[");
            let count = 1 + self.below(2);
            self.separated(count, Self::expression);
            self.close("]");
        }
        if self.chance(0.2) {
            self.word("in");
            self.bounds();
        }
    }

    /// An expression as it may stand in a range. It does not end with a brace, behind which another statement may begin.
    fn sum(&mut self) {
        match self.below(4) {
            0 if self.depth < 3 => self.call(),
            1 => {
                self.simple();
                self.operator("-");
                self.simple();
            }
            _ => self.simple(),
        }
    }

    pub(super) fn expression(&mut self) {
        if self.depth > 2 {
            return self.simple();
        }
        self.depth += 1;
        match self.below(12) {
            0..=3 => {
                let signs = [
                    "+", "-", "*", "/", "@", "^", "<", "<=", ">", ">=", "==", "!=", " and ", " or ",
                ];
                let sign = signs[self.below(signs.len())];
                self.operand();
                self.operator(sign);
                self.operand();
            }
            4 => {
                self.one_of(&["-", "- -", "not "]);
                self.operand();
            }
            5 => {
                for sign in ["+", "-", "*", "+", "^-"] {
                    self.atom();
                    self.operator(sign);
                }
                self.atom();
            }
            _ => self.atom(),
        }
        self.depth -= 1;
    }

    /// What may stand beside any operator.
    pub(super) fn operand(&mut self) {
        match self.chance(0.3) {
            true => {
                self.open("(");
                self.expression();
                self.close(")");
            }
            false => self.atom(),
        }
    }

    pub(super) fn simple(&mut self) {
        match self.below(6) {
            0 => self.put("1_000"),
            1 => self.put("2.50e-3"),
            2 => self.one_of(&["inf", "pi", "true", "false"]),
            _ => self.plain_name(),
        }
    }

    fn atom(&mut self) {
        if self.depth > 2 {
            return self.simple();
        }
        self.depth += 1;
        match self.below(14) {
            0 => self.call(),
            1 => {
                self.plain_name();
                self.open("(");
                self.expression();
                self.gap();
                self.binders();
                self.close(")");
            }
            2 => {
                self.open("(");
                self.separated(2, Self::expression);
                self.close(")");
            }
            3 => {
                self.open("[");
                let count = self.below(5);
                self.separated(count, Self::expression);
                self.close("]");
            }
            4 => {
                self.open("[");
                let count = 2 + self.below(20);
                self.separated(count, |programs| {
                    programs.one_of(&["", "-"]);
                    programs.one_of(&["1.5", "2", "x"]);
                });
                self.close("]");
            }
            5 => {
                self.open("[");
                self.expression();
                self.binders();
                self.close("]");
            }
            6 => self.choice(),
            7 => {
                self.plain_name();
                self.selectors();
                if self.chance(0.3) {
                    self.put("'");
                }
            }
            8 => {
                self.call();
                self.put(".log_density");
                self.open("(");
                self.expression();
                self.close(")");
            }
            9 => {
                self.plain_name();
                self.put(".tau");
            }
            _ => self.simple(),
        }
        self.depth -= 1;
    }

    fn selectors(&mut self) {
        self.open("[");
        let count = 1 + self.below(3);
        self.separated(count, |programs| match programs.below(5) {
            0 => {}
            1 => programs.range(),
            2 => programs.put("\"a  label\""),
            _ => programs.expression(),
        });
        self.close("]");
    }

    /// Ends of lines inside the braces of a choice are those of a block.
    pub(super) fn choice(&mut self) {
        self.put("if ");
        self.expression();
        self.braced();
        self.put(" else ");
        match self.chance(0.3) {
            true => {
                self.put("if ");
                self.expression();
                self.braced();
                self.put(" else");
                self.braced();
            }
            false => self.braced(),
        }
    }

    fn braced(&mut self) {
        let outside = std::mem::take(&mut self.brackets);
        let end = self.chance(0.2);
        self.put(" {");
        if end {
            self.line_end();
        }
        self.expression();
        if end {
            self.line_end();
        }
        self.put("}");
        self.brackets = outside;
    }
}
