//! A macro that expands to the kernels which `likelier compile` links to models: all functions of `likelier_kernels` that native
//! code calls, as one relocatable object, compressed.
//!
//! Cargo compiles the crate of the kernels once, to a library and, beside it, an archive that is complete in itself. No
//! setting tells a program where that archive lies, but the compiler that compiles the program is told where the library
//! lies, and a macro runs within it. So this build's own kernels are found, whatever the profile and the folder, and
//! nothing is compiled twice. What is made of the archive (the linker picks what the kernels need, 64 MB become 6) is kept
//! beside it until the archive changes.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

use proc_macro::TokenStream;

/// Expands to a `Result<&[u8], &str>`: the compressed object, or why there is none, as when a program is only checked.
#[proc_macro]
pub fn kernels(_: TokenStream) -> TokenStream {
    let arguments: Vec<String> = std::env::args().collect();
    let expanded = match prepare(&arguments) {
        Ok(path) => format!(
            "Ok::<&[u8], &str>(include_bytes!({:?}))",
            path.display().to_string()
        ),
        Err(reason) => format!("Err::<&[u8], &str>({reason:?})"),
    };
    expanded.parse().expect("an expression")
}

/// Makes the file; `arguments` are those of the Rust compiler.
fn prepare(arguments: &[String]) -> Result<PathBuf, String> {
    let library = library(arguments).ok_or("the library of kernels is not known")?;
    if library
        .extension()
        .is_none_or(|extension| extension != "rlib")
    {
        return Err("this program was only checked".to_owned());
    }
    let archive = fs::canonicalize(library.with_extension("a"))
        .map_err(|_| "this platform has no static archives".to_owned())?;
    // What another version of this file made is not taken for what this one makes.
    let mut version = DefaultHasher::new();
    include_str!("lib.rs").hash(&mut version);
    let made = archive.with_extension(format!("{:016x}.kernels", version.finish()));
    let time = |path: &Path| fs::metadata(path).and_then(|found| found.modified());
    if let (Ok(made_at), Ok(archived_at)) = (time(&made), time(&archive))
        && made_at >= archived_at
    {
        return Ok(made);
    }
    let own = |name: &str| made.with_extension(format!("{}.{name}", std::process::id()));
    let (script, object, compressed) = (own("ld"), own("o"), own("z"));
    let result = merge(arguments, &archive, &script, &object).and_then(|()| {
        let bytes = fs::read(&object).map_err(|error| error.to_string())?;
        let bytes = miniz_oxide::deflate::compress_to_vec(&bytes, 6);
        fs::write(&compressed, bytes)
            .and_then(|()| fs::rename(&compressed, &made))
            .map_err(|error| error.to_string())
    });
    // Left behind, they would only cost room.
    for path in [&script, &object, &compressed] {
        let _ = fs::remove_file(path);
    }
    result.map(|()| made)
}

/// Where the library lies: `--extern likelier_kernels=PATH`, perhaps with options before the name.
fn library(arguments: &[String]) -> Option<PathBuf> {
    let named = |argument: &String| {
        let (name, path) = argument.split_once('=')?;
        let name = name.rsplit(':').next()?;
        (name == "likelier_kernels").then(|| PathBuf::from(path))
    };
    arguments.iter().find_map(named)
}

/// What the standard library's object files hold for compilers only.
const SCRIPT: &str = "SECTIONS { /DISCARD/ : { *(.llvmbc) *(.llvmcmd) *(.comment) } }\n";

/// Links what the kernels need to one object, without debug information.
fn merge(arguments: &[String], archive: &Path, script: &Path, object: &Path) -> Result<(), String> {
    let bytes = fs::read(archive).map_err(|error| error.to_string())?;
    let kernels = symbols(&bytes).ok_or("the archive of kernels has no list of symbols")?;
    let linker = arguments
        .iter()
        .find_map(|argument| argument.strip_prefix("linker="))
        .unwrap_or("cc");
    let mut command = Command::new(linker);
    command.args(["-r", "-nostdlib"]);
    fs::write(script, SCRIPT).map_err(|error| error.to_string())?;
    // Passed by themselves, since -Wl would cut a path at a comma.
    command.args(["-Xlinker", "-T", "-Xlinker"]).arg(script);
    command.arg("-Wl,--gc-sections,--strip-debug,--force-group-allocation");
    let kernels = kernels.iter().filter(|name| name.starts_with("likelier_"));
    command.args(kernels.map(|name| format!("-Wl,-u,{name}")));
    let output = command.arg(archive).arg("-o").arg(object).output();
    let output = output.map_err(|error| format!("the linker `{linker}` did not run: {error}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!(
            "the linker `{linker}` could not merge the kernels: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        )),
    }
}

/// The names in the symbol table of an archive, its first member: a count, so many offsets, so many names ended by zeros.
fn symbols(archive: &[u8]) -> Option<Vec<String>> {
    let member = archive.strip_prefix(b"!<arch>\n")?;
    let (header, content) = member.split_at_checked(60)?;
    if !header.starts_with(b"/ ") {
        return None;
    }
    let size: usize = std::str::from_utf8(&header[48..58])
        .ok()?
        .trim()
        .parse()
        .ok()?;
    let content = content.get(..size)?;
    let count = u32::from_be_bytes(content.get(..4)?.try_into().ok()?) as usize;
    let names = content.get(4 + 4 * count..)?;
    let names = names.split(|byte| *byte == 0).take(count);
    Some(
        names
            .map(|name| String::from_utf8_lossy(name).into_owned())
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_library_is_found_among_arguments() {
        let arguments = [
            "--extern",
            "serde=/a/libserde.rlib",
            "--extern",
            "priv:likelier_kernels=/b=c/lib.rlib",
        ];
        let arguments = arguments.map(String::from);
        assert_eq!(library(&arguments), Some(PathBuf::from("/b=c/lib.rlib")));
        assert_eq!(library(&arguments[..2]), None);
    }

    #[test]
    fn the_symbols_of_an_archive_are_listed() {
        let mut archive =
            b"!<arch>\n/               0           0     0     0       18        `\n".to_vec();
        archive.extend([0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0]);
        archive.extend(b"ab\0cd\0");
        assert_eq!(
            symbols(&archive),
            Some(vec!["ab".to_owned(), "cd".to_owned()])
        );
        assert_eq!(symbols(&archive[..70]), None);
        assert_eq!(symbols(b"no archive"), None);
    }
}
