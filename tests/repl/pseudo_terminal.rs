//! The program on a pseudo-terminal, seen as a person would see it: keys go in, and what comes out is drawn on a screen of 100
//! columns that is long enough for everything.

use std::io::{Read, Write};
use std::num::NonZero;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

const ROWS: NonZero<u16> = NonZero::new(1000).unwrap();
const COLUMNS: NonZero<u16> = NonZero::new(100).unwrap();
const PROMPT: &str = "> ";
/// Longer than anything here may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// Nothing more is expected when nothing came for so long after a prompt.
const QUIET: Duration = Duration::from_millis(60);

/// A session on a terminal.
pub struct Terminal {
    child: Box<dyn Child + Send + Sync>,
    keyboard: Box<dyn Write + Send>,
    output: Receiver<Vec<u8>>,
    screen: vt100::Parser,
    /// Lines of the screen that were looked at.
    seen: usize,
    /// Kept open: the program's terminal is gone without it.
    _master: Box<dyn MasterPty + Send>,
}

impl Terminal {
    /// Starts the program in a folder, which keeps its history too, and waits for the prompt.
    pub fn start(folder: &Path, arguments: &[&str]) -> Self {
        let size = PtySize {
            rows: ROWS.get(),
            cols: COLUMNS.get(),
            ..PtySize::default()
        };
        let pair = native_pty_system()
            .openpty(size)
            .expect("a pseudo-terminal");
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_likelier"));
        command.args(arguments);
        command.cwd(folder);
        command.env("TERM", "xterm-256color");
        command.env("LIKELIER_HISTORY", folder.join("history"));
        command.env_remove("NO_COLOR");
        let child = pair.slave.spawn_command(command).expect("the program");
        let keyboard = pair.master.take_writer().expect("a keyboard");
        let mut reader = pair.master.try_clone_reader().expect("a reader");
        let (send, output) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count) = reader.read(&mut buffer) {
                if count == 0 || send.send(buffer[..count].to_vec()).is_err() {
                    break;
                }
            }
        });
        let mut terminal = Self {
            child,
            keyboard,
            output,
            screen: vt100::Parser::new(ROWS, COLUMNS, 0),
            seen: 0,
            _master: pair.master,
        };
        let greeting = terminal.answer();
        assert!(greeting[0].starts_with("Likelier "), "{greeting:?}");
        terminal
    }

    /// Presses keys.
    pub fn keys(&mut self, keys: &str) {
        self.keyboard
            .write_all(keys.as_bytes())
            .expect("a keyboard");
        self.keyboard.flush().expect("a keyboard");
    }

    /// Types a line, and gives the answer: the lines until the next prompt.
    pub fn say(&mut self, line: &str) -> Vec<String> {
        self.keys(line);
        self.wait_for(line);
        self.keys("\r");
        self.answer()
    }

    fn lines(&self) -> Vec<String> {
        let (row, _) = self.screen.screen().cursor_position();
        let lines = self.screen.screen().rows(0, COLUMNS.get());
        lines
            .take(row as usize + 1)
            .map(|line| line.trim_end().to_owned())
            .collect()
    }

    /// Takes what comes within a moment; whether anything did.
    fn take(&mut self, moment: Duration) -> bool {
        match self.output.recv_timeout(moment) {
            Ok(bytes) => {
                self.screen.process(&bytes);
                true
            }
            Err(RecvTimeoutError::Timeout) => false,
            Err(RecvTimeoutError::Disconnected) => {
                std::thread::sleep(moment);
                false
            }
        }
    }

    /// The lines that came since the last prompt, without those that were typed, once there is an empty prompt again.
    pub fn answer(&mut self) -> Vec<String> {
        let start = Instant::now();
        loop {
            let came = self.take(QUIET);
            let lines = self.lines();
            let (_, column) = self.screen.screen().cursor_position();
            let is_prompt = lines.last().is_some_and(|line| line == PROMPT.trim_end())
                && column as usize == PROMPT.len()
                && lines.len() > self.seen + 1 - usize::from(self.seen == 0);
            if is_prompt && !came {
                let mut answer = lines[self.seen..lines.len() - 1].to_vec();
                let is_typed = |line: &String| line.starts_with(PROMPT);
                let typed = answer.iter().rposition(is_typed).map_or(0, |last| last + 1);
                answer.drain(..typed);
                self.seen = lines.len() - 1;
                while answer.last().is_some_and(String::is_empty) {
                    answer.pop();
                }
                return answer;
            }
            assert!(
                start.elapsed() < PATIENCE,
                "no prompt:\n{}",
                lines.join("\n")
            );
        }
    }

    /// Waits until a text stands on the screen below the last prompt.
    pub fn wait_for(&mut self, text: &str) {
        let start = Instant::now();
        let wanted: String = text.split_whitespace().collect();
        loop {
            let new: String = self.lines()[self.seen..].concat();
            let new: String = new.split_whitespace().collect();
            if new.contains(&wanted) {
                return;
            }
            self.take(QUIET);
            assert!(
                start.elapsed() < PATIENCE,
                "no `{text}`:\n{}",
                self.lines().join("\n")
            );
        }
    }

    /// Ends the session with Ctrl-D.
    pub fn end(mut self) {
        self.keys("\x04");
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("a status") {
                assert!(status.success());
                return;
            }
            self.take(QUIET);
            assert!(start.elapsed() < PATIENCE, "the session does not end");
        }
    }
}
