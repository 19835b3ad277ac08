//! `likelier man`: the pages of the manual that `man` shows, made of the same texts as `--help`.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Command};
use clap_mangen::Man;
use likelier::Error;

use crate::files::{self, Batch};
use crate::terminal::Printer;

/// Print a page for `man`
#[derive(Args)]
#[command(
    allow_negative_numbers = true,
    after_help = "\
Example:
  likelier man run | man -l -               shows the page of a command
  likelier man -o ~/.local/share/man/man1   writes all pages"
)]
pub struct Options {
    /// A command [default: the program]
    #[arg(value_name = "COMMAND", conflicts_with = "output")]
    command: Option<String>,
    /// Write all pages into this folder
    #[arg(short, long, value_name = "FOLDER")]
    output: Option<PathBuf>,
}

/// What the exit codes mean, as roff.
const EXIT_STATUS: &str = r#".SH "EXIT STATUS"
.TP
0
success
.TP
1
a mistake in a model, in data or in a file, or a file that cannot be read or written
.TP
2
a mistake in the arguments or in likelier.toml
.TP
3
a result that is not to be trusted (\-\-strict), that is not calibrated, no mode, or files that are not formatted
.TP
130
stopped by Ctrl\-C; what was found until then is shown and written
"#;

/// Runs the command on the command line of the whole program.
pub fn execute(options: &Options, command: Command) -> Result<ExitCode, Error> {
    // The names of subcommands are only whole after this.
    let mut command = command;
    command.build();
    if let Some(folder) = &options.output {
        if !folder.is_dir() {
            return Err(files::failure(
                "write into",
                folder,
                "there is no such folder",
            ));
        }
        let mut batch = Batch::default();
        let pages = std::iter::once(&command).chain(command.get_subcommands());
        let mut names = Vec::new();
        for page in pages {
            let name = format!("{}.1", full_name(page));
            let text = roff(page);
            batch.write(&folder.join(&name), |out| out.write_all(text.as_bytes()))?;
            names.push(name);
        }
        batch.finish()?;
        Printer::new(false).print(&format!("Written    {}\n", names.join(", ")))?;
        return Ok(ExitCode::SUCCESS);
    }
    let page = match &options.command {
        None => &command,
        Some(name) => command
            .find_subcommand(name)
            .ok_or_else(|| Error::Unknown(format!("there is no command `{name}`")))?,
    };
    Printer::new(false).print(&roff(page))?;
    Ok(ExitCode::SUCCESS)
}

/// `likelier-run`
fn full_name(command: &Command) -> String {
    command
        .get_display_name()
        .unwrap_or_else(|| command.get_name())
        .to_owned()
}

fn roff(command: &Command) -> String {
    let page = Man::new(command.clone()).title(full_name(command).to_uppercase());
    let mut text = Vec::new();
    let written = render(&page, command, &mut text);
    debug_assert!(written.is_ok(), "memory can be written");
    let text = String::from_utf8_lossy(&text).into_owned();
    format!("{text}{EXIT_STATUS}")
}

fn render(page: &Man, command: &Command, text: &mut Vec<u8>) -> io::Result<()> {
    page.render_title(text)?;
    page.render_name_section(text)?;
    page.render_synopsis_section(text)?;
    page.render_description_section(text)?;
    page.render_options_section(text)?;
    if command.has_subcommands() {
        page.render_subcommands_section(text)?;
    }
    page.render_extra_section(text)
}
