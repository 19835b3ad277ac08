//! The words of the language.

use logos::Logos;

/// A word.
#[derive(Logos, Debug, Clone, PartialEq)]
#[logos(skip r"[ \t\r\u{feff}]+")]
#[logos(skip(r"#[^#\n][^\n]*|#", allow_greedy = true))]
#[allow(missing_docs)]
pub enum Token {
    #[token("\n")]
    Newline,
    /// `## …`, without the signs.
    #[regex(r"##[^\n]*", |lex| doc_line(lex.slice()), allow_greedy = true)]
    Doc(String),
    /// The end of a statement; never typed, except as `;`.
    #[token(";")]
    End,
    #[regex(r"[0-9][0-9_]*(\.[0-9][0-9_]*([eE][+-]?[0-9]+)?|[eE][+-]?[0-9]+)", |lex| lex.slice().replace('_', "").parse().ok().filter(|value: &f64| value.is_finite()))]
    Real(f64),
    #[regex(r"[0-9][0-9_]*", |lex| lex.slice().replace('_', "").parse().ok())]
    Integer(i64),
    #[regex(r#""[^"\n]*""#, |lex| lex.slice().trim_matches('"').to_string())]
    Text(String),
    #[regex(r"[\p{L}_][\p{L}\p{N}_]*", |lex| lex.slice().to_string())]
    Name(String),
    #[token("given")]
    Given,
    #[token("let")]
    Let,
    #[token("observe")]
    Observe,
    #[token("soft")]
    Soft,
    #[token("require")]
    Require,
    #[token("factor")]
    Factor,
    #[token("report")]
    Report,
    #[token("for")]
    For,
    #[token("if")]
    If,
    #[token("else")]
    Else,
    #[token("fn")]
    Fn,
    #[token("model")]
    Model,
    #[token("dist")]
    Dist,
    #[token("import")]
    Import,
    #[token("var")]
    Var,
    #[token("return")]
    Return,
    #[token("in")]
    In,
    #[token("and")]
    And,
    #[token("or")]
    Or,
    #[token("not")]
    Not,
    #[token("true")]
    True,
    #[token("false")]
    False,
    #[token("~=")]
    Near,
    /// `on`, `from`, `truncated`, `censored`, `ordered`, and in soft constraints `within`, `tail`, `weight`, `penalty`,
    /// `implies`, `joint`, `normalised`, are names, except where they stand as words of the language.
    On,
    From,
    Truncated,
    Censored,
    Ordered,
    Within,
    Tail,
    Weight,
    Penalty,
    Implies,
    Joint,
    Normalised,
    #[token("(")]
    ParenOpen,
    #[token(")")]
    ParenClose,
    #[token("[")]
    BracketOpen,
    #[token("]")]
    BracketClose,
    #[token("{")]
    BraceOpen,
    #[token("}")]
    BraceClose,
    #[token(",")]
    Comma,
    #[token(":")]
    Colon,
    #[token("..")]
    DotDot,
    #[token(".")]
    Dot,
    #[token("->")]
    Arrow,
    #[token("~")]
    Tilde,
    #[token("=")]
    Assign,
    #[token("==")]
    Equal,
    #[token("!=")]
    NotEqual,
    #[token("<")]
    Less,
    #[token("<=")]
    LessEqual,
    #[token(">")]
    Greater,
    #[token(">=")]
    GreaterEqual,
    #[token("+")]
    Plus,
    #[token("-")]
    Minus,
    #[token("*")]
    Star,
    #[token("/")]
    Slash,
    #[token("@")]
    At,
    #[token("^")]
    Caret,
    #[token("'")]
    Prime,
}

/// A documentation line without its signs and the space after them.
fn doc_line(text: &str) -> String {
    let text = text.trim_start_matches('#');
    text.strip_prefix(' ')
        .unwrap_or(text)
        .trim_end()
        .to_string()
}

impl Token {
    /// Whether a line that ends with this word goes on, and a line that begins with it continues the one before.
    pub fn is_infix(&self) -> bool {
        use Token::*;
        matches!(
            self,
            And | Or
                | Implies
                | Tilde
                | Near
                | Assign
                | Equal
                | NotEqual
                | Less
                | LessEqual
                | Greater
                | GreaterEqual
                | Plus
                | Minus
                | Star
                | Slash
                | At
                | Caret
                | DotDot
                | Dot
                | Colon
                | Arrow
                | In
        )
    }

    /// Whether an expression may end with this word.
    pub fn ends_value(&self) -> bool {
        use Token::*;
        matches!(
            self,
            Name(_)
                | Integer(_)
                | Real(_)
                | True
                | False
                | ParenClose
                | BracketClose
                | BraceClose
                | Prime
        )
    }

    /// Whether only a statement begins with this word.
    pub fn begins_statement(&self) -> bool {
        use Token::*;
        matches!(
            self,
            Given
                | Let
                | Observe
                | Soft
                | Require
                | Report
                | Fn
                | Model
                | Dist
                | Import
                | Var
                | Return
        )
    }
}
