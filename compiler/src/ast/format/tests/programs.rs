//! Random programs of the whole grammar. They mean nothing, but all of them parse; between their words stand spaces, ends
//! of lines and comments wherever the language takes them.

mod expressions;

use std::fmt::Write;

use likelier_runtime::random::Stream;

/// Makes programs.
pub struct Programs {
    random: Stream,
    text: String,
    comments: usize,
    /// How many brackets, in which lines end freely, are open.
    brackets: usize,
    depth: usize,
}

const NAMES: [&str; 10] = [
    "x",
    "mu",
    "tau_of_group",
    "N",
    "a_rather_long_name_of_a_variable",
    "β",
    "on",
    "tail",
    "joint",
    "levels",
];

impl Programs {
    /// With these random numbers.
    pub fn new(random: Stream) -> Self {
        Self {
            random,
            text: String::new(),
            comments: 0,
            brackets: 0,
            depth: 0,
        }
    }

    /// A program.
    pub fn program(&mut self) -> String {
        if self.chance(0.3) {
            self.text
                .push_str("## What the file is.\n##\n## More of it.\n\n");
        }
        for _ in 0..1 + self.below(6) {
            if self.chance(0.2) {
                self.comment_line();
            }
            if self.chance(0.2) {
                self.text.push_str("## Documents what follows.\n");
            }
            match self.below(5) {
                0 => self.item(),
                _ => self.statement(),
            }
            self.end();
        }
        std::mem::take(&mut self.text)
    }

    fn below(&mut self, count: usize) -> usize {
        (self.random.uniform() * count as f64) as usize
    }

    fn chance(&mut self, probability: f64) -> bool {
        self.random.uniform() < probability
    }

    fn put(&mut self, words: &str) {
        self.text.push_str(words);
    }

    fn one_of(&mut self, choices: &[&str]) {
        let choice = choices[self.below(choices.len())];
        self.text.push_str(choice);
    }

    fn comment(&mut self) -> String {
        self.comments += 1;
        format!("# comment {}; with (brackets {{", self.comments)
    }

    fn comment_line(&mut self) {
        let comment = self.comment();
        let _ = writeln!(self.text, "  {comment}");
        if self.chance(0.3) {
            self.text.push_str("\n\n");
        }
    }

    /// The end of a statement.
    fn end(&mut self) {
        match self.below(6) {
            0 => self.put(" ;\n"),
            1 => {
                let comment = self.comment();
                let _ = writeln!(self.text, " {comment}");
            }
            2 => self.put("\n\n\n"),
            _ => self.put("\n"),
        }
    }

    /// A place at which lines may end while a bracket is open.
    fn gap(&mut self) {
        if self.brackets == 0 || self.chance(0.85) {
            let spaces = self.below(3);
            return self.put(&"  "[..spaces]);
        }
        self.line_end();
    }

    fn line_end(&mut self) {
        if self.chance(0.1) {
            let comment = self.comment();
            let _ = write!(self.text, " {comment}");
        }
        self.put("\n");
        if self.chance(0.1) {
            self.comment_line();
        }
    }

    /// An operator, beside which lines may end everywhere.
    fn operator(&mut self, sign: &str) {
        for part in ["", sign, ""] {
            self.put(part);
            if self.chance(0.05) {
                self.line_end();
            } else if part.is_empty() {
                self.put(" ");
            }
        }
    }

    /// Spaces that a word needs.
    fn word(&mut self, word: &str) {
        let _ = write!(self.text, " {word} ");
    }

    fn name(&mut self) {
        self.one_of(&NAMES);
    }

    /// A name that has no other meaning anywhere.
    fn plain_name(&mut self) {
        self.one_of(&NAMES[..6]);
    }

    fn open(&mut self, bracket: &str) {
        self.put(bracket);
        self.brackets += 1;
        self.gap();
    }

    fn close(&mut self, bracket: &str) {
        self.gap();
        self.brackets -= 1;
        self.put(bracket);
    }

    fn separated(&mut self, count: usize, one: fn(&mut Self)) {
        for rank in 0..count {
            if rank > 0 {
                self.gap();
                self.put(",");
                self.gap();
            }
            one(self);
        }
    }

    fn statement(&mut self) {
        let depth = std::mem::take(&mut self.depth);
        self.statement_at(depth);
        self.depth = depth;
    }

    fn statement_at(&mut self, depth: usize) {
        match self.below(if depth < 2 { 18 } else { 14 }) {
            0 | 1 => {
                self.plain_name();
                if self.chance(0.6) {
                    self.open("[");
                    let count = 1 + self.below(2);
                    self.separated(count, |programs| match programs.below(3) {
                        0 => programs.binder(),
                        1 => programs.range(),
                        _ => programs.expression(),
                    });
                    self.close("]");
                }
                self.operator("~");
                self.law();
            }
            2 => self.given(),
            3 => {
                self.put("let ");
                self.target();
                self.operator("=");
                self.expression();
            }
            4 => {
                self.put("let (x, tau)");
                self.operator("=");
                self.call();
            }
            5 => {
                self.put("observe ");
                self.expression();
                self.operator("~");
                self.law();
            }
            6 => {
                let word = ["factor ", "require ", "return "][self.below(3)];
                self.put(word);
                self.expression();
            }
            7 | 8 => self.soft(),
            9 => {
                self.put("report ");
                self.plain_name();
                if self.chance(0.7) {
                    self.operator("=");
                    self.expression();
                }
            }
            10 => {
                self.put("var x");
                if self.chance(0.5) {
                    self.put(":");
                    self.type_name();
                }
                self.operator("=");
                self.expression();
            }
            11 => {
                self.target();
                self.operator("=");
                self.expression();
            }
            12 => self.one_of(&["import std.kernels", "import \"a file.ppl\""]),
            13 => {
                self.put("let x");
                self.operator("=");
                self.choice();
            }
            14 | 15 => {
                self.put("for ");
                self.binder();
                self.block(depth);
            }
            _ => {
                self.put("if ");
                self.expression();
                self.block(depth);
                if self.chance(0.5) {
                    self.put(" else ");
                    if self.chance(0.3) {
                        self.put("if ");
                        self.expression();
                    }
                    self.block(depth);
                }
            }
        }
    }

    fn target(&mut self) {
        self.plain_name();
        if self.chance(0.4) {
            self.open("[");
            let count = 1 + self.below(2);
            self.separated(count, Self::expression);
            self.close("]");
        }
    }

    fn given(&mut self) {
        self.put("given ");
        self.name();
        self.operator(":");
        self.type_name();
        if self.chance(0.2) {
            self.put(" levels home");
        }
        if self.chance(0.3) {
            self.put(" from \"Sepal # Length\"");
        }
        if self.chance(0.3) {
            self.operator("=");
            self.expression();
        }
    }

    fn block(&mut self, depth: usize) {
        self.put(" {");
        if self.chance(0.3) {
            self.put(" ");
            self.depth = depth + 1;
            self.statement();
            self.put(" }");
        } else {
            self.line_end();
            for _ in 0..self.below(4) {
                if self.chance(0.2) {
                    self.comment_line();
                }
                self.depth = depth + 1;
                self.statement();
                self.end();
            }
            self.put("}");
        }
        self.depth = depth;
    }

    fn soft(&mut self) {
        self.put("soft rising");
        self.operator(":");
        self.formula();
        if self.chance(0.3) {
            self.put(" weight 2 * x");
            if self.chance(0.3) {
                self.put(" joint");
            }
        }
        if self.chance(0.3) {
            self.binders();
        }
    }

    fn formula(&mut self) {
        match self.below(6) {
            0 => {
                self.put("penalty ");
                self.call();
            }
            1 => {
                self.comparison();
                self.put(" implies ");
                self.comparison();
            }
            2 => {
                self.put("not ");
                self.comparison();
                self.operator(" and ");
                self.comparison();
            }
            3 => {
                self.open("(");
                self.comparison();
                self.close(")");
                self.operator(" or ");
                self.comparison();
            }
            _ => self.comparison(),
        }
    }

    fn comparison(&mut self) {
        let sign = ["~=", "<", ">="][self.below(3)];
        self.operand();
        for _ in 0..1 + self.below(2) {
            self.operator(sign);
            self.closed();
        }
        self.put(" within ");
        self.closed();
        self.one_of(&["", " joint", " normalised"]);
        self.one_of(&["", " tail laplace", " tail student(4)"]);
    }

    /// After the brace of a choice `within` and its kin would be names of a next statement.
    fn closed(&mut self) {
        match self.chance(0.4) {
            true => self.simple(),
            false => {
                self.open("(");
                self.expression();
                self.close(")");
            }
        }
    }

    fn parameters(&mut self) {
        self.open("(");
        let positional = self.below(3);
        self.separated(positional, Self::parameter);
        if self.chance(0.4) {
            self.put(";");
            self.gap();
            let keyword = 1 + self.below(3);
            self.separated(keyword, Self::parameter);
        }
        self.close(")");
    }

    fn parameter(&mut self) {
        self.plain_name();
        self.put(":");
        self.gap();
        self.type_name();
        if self.chance(0.2) {
            self.put("=");
            self.expression();
        }
    }

    fn item(&mut self) {
        match self.below(3) {
            0 => {
                self.put("fn f");
                self.parameters();
                self.operator("->");
                match self.chance(0.2) {
                    true => self.put("(real, real[K])"),
                    false => self.type_name(),
                }
                self.item_body();
            }
            1 => {
                self.put("model m");
                self.parameters();
                if self.chance(0.5) {
                    self.operator("->");
                    self.type_name();
                }
                self.block(1);
            }
            _ => {
                self.put("dist d");
                self.parameters();
                self.put(" on ");
                self.type_name();
                if self.chance(0.3) {
                    self.operator("=");
                    return self.law();
                }
                self.put(" {");
                for _ in 0..self.below(3) {
                    self.line_end();
                    self.put("log_density(x)");
                    self.item_body();
                }
                self.line_end();
                self.put("}");
            }
        }
    }

    fn item_body(&mut self) {
        match self.chance(0.5) {
            true => {
                self.operator("=");
                self.expression();
            }
            false => self.block(1),
        }
    }
}
