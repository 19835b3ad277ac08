//! From a model's object file to what C programs use: the kernels are added by the system's C linker, which also leaves out
//! all that the model does not call. The kernels come with this program (`likelier_embed`), so that a model's file is
//! complete: whoever uses it needs nothing else of ours.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use likelier::ObjectFile;
use object::build::elf::Builder;
use object::elf::STB_LOCAL;

use crate::files::without_number;

/// The kernels, or why this program has none.
const KERNELS: Result<&[u8], &str> = likelier_embed::kernels!();

/// What a model is linked to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Product {
    /// A shared library.
    Library,
    /// A relocatable object file.
    Object,
}

/// Links a model; the bytes of the file, or a sentence on why there is none.
pub fn link(model: &ObjectFile, product: Product) -> Result<Vec<u8>, String> {
    if !cfg!(target_os = "linux") {
        return Err(
            "libraries and object files are made on Linux only so far; a program (`-o model`) is made everywhere"
                .to_owned(),
        );
    }
    let kernels =
        KERNELS.map_err(|reason| format!("this likelier has no kernels to add: {reason}"))?;
    let kernels = miniz_oxide::inflate::decompress_to_vec(kernels)
        .map_err(|error| format!("the kernels in this program are damaged: {error}"))?;
    let folder = Folder::new()?;
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.0.join(name);
        fs::write(&path, bytes).map(|()| path).map_err(|error| {
            let error = words(&error);
            format!(
                "its parts cannot be written to {}: {error}",
                folder.0.display()
            )
        })
    };
    let model_path = write("model.o", &model.bytes)?;
    let kernels_path = write("kernels.o", &kernels)?;
    let exports: Vec<String> = model
        .symbols
        .iter()
        .map(|name| format!("{name};"))
        .collect();
    let exports = format!("{{ global: {} local: *; }};\n", exports.join(" "));
    let exports_path = write("exports", exports.as_bytes())?;
    let output = folder.0.join("linked");
    let mut arguments: Vec<String> = Vec::new();
    match product {
        Product::Library => {
            arguments.push("-shared".to_owned());
            // Passed by itself, since -Wl would cut a path at a comma.
            let script = format!("--version-script={}", exports_path.display());
            arguments.extend(["-Xlinker".to_owned(), script]);
            arguments.push("-Wl,--gc-sections,--no-undefined,--strip-all".to_owned());
        }
        Product::Object => {
            arguments.extend(["-r", "-nostdlib", "-Wl,--gc-sections"].map(str::to_owned));
            arguments.extend(model.symbols.iter().map(|name| format!("-Wl,-u,{name}")));
        }
    }
    arguments.extend([&model_path, &kernels_path].map(|path| path.display().to_string()));
    arguments.extend(["-o".to_owned(), output.display().to_string()]);
    if product == Product::Library {
        arguments.push("-lm".to_owned());
    }
    run_linker(&arguments)?;
    let linked = fs::read(&output)
        .map_err(|error| format!("what was linked cannot be read: {}", words(&error)))?;
    match product {
        Product::Library => Ok(linked),
        Product::Object => keep_only(&linked, &model.symbols)
            .map_err(|error| format!("its symbols cannot be hidden: {error}")),
    }
}

/// Runs the first C compiler there is, as linkers are run.
fn run_linker(arguments: &[String]) -> Result<(), String> {
    let named = std::env::var("CC")
        .ok()
        .filter(|name| !name.trim().is_empty());
    let candidates = match &named {
        Some(name) => vec![name.as_str()],
        None => vec!["cc", "gcc", "clang"],
    };
    for candidate in &candidates {
        let mut parts = candidate.split_whitespace();
        let mut command = Command::new(parts.next().unwrap_or("cc"));
        let output = match command.args(parts).args(arguments).output() {
            Ok(output) => output,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => {
                let error = words(&error);
                return Err(format!("the C linker `{candidate}` did not run: {error}"));
            }
        };
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let said: Vec<&str> = said.lines().take(12).collect();
        return Err(format!(
            "the C linker `{candidate}` failed:\n{}",
            said.join("\n")
        ));
    }
    let what = match &named {
        Some(name) => format!("`{name}`, which the variable CC names,"),
        None => format!("`{}`", candidates.join("`, `")),
    };
    Err(format!(
        "it takes a C linker, and {what} is not on this machine\n  help: install a C compiler (on Debian and Ubuntu: \
         apt install gcc), or make a program, which needs none: `-o model` without an ending"
    ))
}

/// Makes all symbols but these private to an object file, so that several can be linked to one program.
fn keep_only(bytes: &[u8], symbols: &[String]) -> Result<Vec<u8>, object::build::Error> {
    let mut builder = Builder::read(bytes)?;
    for symbol in &mut builder.symbols {
        let is_kept = symbols
            .iter()
            .any(|kept| kept.as_bytes() == symbol.name.as_slice());
        if symbol.section.is_some() && !is_kept {
            symbol.set_st_info(STB_LOCAL, symbol.st_type());
        }
    }
    let mut written = Vec::new();
    builder.write(&mut written)?;
    Ok(written)
}

/// What the system says, without its number.
fn words(error: &std::io::Error) -> String {
    without_number(&error.to_string()).to_owned()
}

/// Where linking is under way.
static FOLDER: Mutex<Option<PathBuf>> = Mutex::new(None);

/// Removes what linking has left: for the end of the program in the midst of it.
pub fn clean_up() {
    let folder = FOLDER.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some(folder) = folder else {
        return;
    };
    // The work that is interrupted may write one more file while the folder is being emptied.
    for _ in 0..TRIES {
        if fs::remove_dir_all(&folder).is_ok() || !folder.exists() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// How often it is tried to remove a folder that is still written to.
const TRIES: usize = 100;

/// A folder for a moment.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Result<Folder, String> {
        let folder = std::env::temp_dir();
        let unused =
            (0..).map(|count: u32| folder.join(format!("likelier-{}-{count}", std::process::id())));
        for path in unused {
            let mut known = FOLDER.lock().unwrap_or_else(PoisonError::into_inner);
            match fs::create_dir(&path) {
                Ok(()) => {
                    *known = Some(path.clone());
                    return Ok(Folder(path));
                }
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => {
                    let error = words(&error);
                    return Err(format!(
                        "linking needs a temporary folder, and there can be none in {}: {error}\n  help: the variable \
                         TMPDIR names another place",
                        folder.display()
                    ));
                }
            }
        }
        unreachable!("numbers do not end")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        clean_up();
    }
}

/// What the name of a file asks for: a library for `.so`, an object file for `.o`, a program (`None`) without an ending.
pub fn product(path: &Path) -> Result<Option<Product>, String> {
    let ending = path.extension().map(|ending| ending.to_string_lossy());
    match ending.as_deref() {
        Some("so") => Ok(Some(Product::Library)),
        Some("o") => Ok(Some(Product::Object)),
        None => Ok(None),
        Some(std::env::consts::EXE_EXTENSION) => Ok(None),
        Some(other) => Err(format!(
            "`.{other}` is no ending of what compile makes: .so is a shared library, .o an object file, no ending a program"
        )),
    }
}
