//! The only place that opens files. Reading insists on text; writing goes to a temporary file beside the target that is
//! renamed when complete, so that a reader never sees half a file and a failed run leaves an older one alone.

use std::fs::{self, File, TryLockError};
use std::io::{self, BufWriter, Write};
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use likelier::output::stan_csv::FIRST_WORDS;
use likelier::{Dataset, Error};

use crate::carried;

/// The bytes of a file, which this program may carry itself.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    match carried::file(path) {
        Some(bytes) => Ok(bytes.to_vec()),
        None => fs::read(path),
    }
}

/// The text of a file.
pub fn read_text(path: &Path) -> Result<String, Error> {
    let bytes = read(path).map_err(|error| failure("read", path, &error.to_string()))?;
    text_of(path, bytes)
}

/// The text in the bytes of a file.
pub fn text_of(path: &Path, bytes: Vec<u8>) -> Result<String, Error> {
    String::from_utf8(bytes).map_err(|error| {
        let first = error.utf8_error().valid_up_to() + 1;
        failure(
            "read",
            path,
            &format!("it is not a text file (byte {first} is not UTF-8)"),
        )
    })
}

/// What the name of a file ends in, in small letters; empty if it has no ending.
pub fn extension(path: &Path) -> String {
    let extension = path.extension().unwrap_or_default();
    extension.to_string_lossy().to_ascii_lowercase()
}

/// The text of a model's file; after the path a colon and one of its `model` items may stand.
pub fn read_model(path: &Path) -> Result<String, Error> {
    if let "json" | "csv" = extension(path).as_str() {
        let reason = "this looks like data, and a model is wanted here; the model comes first, then its data: `likelier run model.ppl data.json`";
        return Err(failure("read", path, reason));
    }
    let name = path.display().to_string();
    read_text(Path::new(likelier::split_entry(&name).0))
}

/// The text that a model imports, by a path that begins at the model's folder.
pub fn load_import(from: &str, path: &str) -> Result<(String, String), String> {
    let mut whole = PathBuf::from(from);
    whole.pop();
    for part in Path::new(path).components() {
        match part {
            Component::ParentDir if whole.file_name().is_some() => {
                whole.pop();
            }
            Component::CurDir => {}
            other => whole.push(other),
        }
    }
    match read(&whole).map(String::from_utf8) {
        Ok(Ok(text)) => Ok((whole.display().to_string(), text)),
        Ok(Err(_)) => Err("it is not a text file".to_string()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(format!("there is no file `{}`", whole.display()))
        }
        Err(error) => Err(error.to_string()),
    }
}

/// The data of all files, with `--set`s on top.
pub fn read_data(paths: &[PathBuf], sets: &[(String, String)]) -> Result<Dataset, Error> {
    let mut data = Dataset::default();
    for path in paths {
        let name = path.display().to_string();
        let part = match extension(path).as_str() {
            "json" => Dataset::from_json(&name, &read_text(path)?)?,
            "csv" => Dataset::from_csv(&name, &read_text(path)?)?,
            "ppl" => {
                let reason = "this is a model; the model comes first, then its data: `likelier run model.ppl data.json`";
                return Err(failure("read", path, reason));
            }
            _ => return Err(failure("read", path, "data files end in .json or .csv")),
        };
        data.merge(part)?;
    }
    for (name, value) in sets {
        data.set(name, value)?;
    }
    Ok(data)
}

/// Parses the argument of `--set`.
pub fn parse_set(argument: &str) -> Result<(String, String), String> {
    match argument.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() && !value.trim().is_empty() => {
            Ok((name.trim().to_owned(), value.trim().to_owned()))
        }
        _ => Err("write NAME=VALUE, for example tau=2.5 or x=[1,2,3]".to_owned()),
    }
}

/// Files that are being written, under the names that they have until they are complete.
static UNFINISHED: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

fn unfinished() -> MutexGuard<'static, Vec<PathBuf>> {
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Removes what was being written: for the end of the program in the midst of it.
pub fn remove_unfinished() {
    for path in unfinished().drain(..) {
        let _ = fs::remove_file(path);
    }
}

/// Writes a file as a whole or not at all. A file that is there keeps its permissions, a link leads where it led, and what
/// is no file (a terminal, a pipe) is written as it is.
pub fn write_whole(
    path: &Path,
    content: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), Error> {
    let mut batch = Batch::default();
    batch.write(path, content)?;
    batch.finish()
}

/// Files that belong together: all of them get their names when all are complete, so that a failure leaves no mixture of
/// results.
#[derive(Default)]
pub struct Batch {
    /// The name of each until the end, and the one it gets.
    parts: Vec<(PathBuf, PathBuf)>,
}

impl Batch {
    /// Writes one of them.
    pub fn write(
        &mut self,
        path: &Path,
        content: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), Error> {
        let failed = |error: io::Error| failure("write", path, &error.to_string());
        let before = fs::metadata(path).ok();
        if before.as_ref().is_some_and(|it| !it.is_file()) {
            let file = File::options().write(true).open(path).map_err(failed)?;
            return fill(file, content).map_err(failed);
        }
        check_permissions(path, before.as_ref())?;
        let target = identity(path);
        let temporary = temporary_name(&target);
        unfinished().push(temporary.clone());
        self.parts.push((temporary.clone(), target));
        File::create_new(&temporary)
            .and_then(|file| {
                if let Some(before) = &before {
                    file.set_permissions(before.permissions())?;
                }
                fill(file, content)
            })
            .map_err(failed)
    }

    /// Gives all of them their names.
    pub fn finish(mut self) -> Result<(), Error> {
        while let Some((temporary, target)) = self.parts.first() {
            fs::rename(temporary, target)
                .map_err(|error| failure("write", target, &error.to_string()))?;
            unfinished().retain(|one| one != temporary);
            self.parts.remove(0);
        }
        Ok(())
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        for (temporary, _) in &self.parts {
            // If it cannot be removed, the error that brought us here counts.
            let _ = fs::remove_file(temporary);
            unfinished().retain(|one| one != temporary);
        }
    }
}

fn check_permissions(path: &Path, before: Option<&fs::Metadata>) -> Result<(), Error> {
    match before {
        Some(before) if before.permissions().readonly() => {
            Err(failure("write", path, "it is write-protected"))
        }
        _ => Ok(()),
    }
}

fn fill(file: File, content: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let mut writer = BufWriter::with_capacity(1 << 16, file);
    content(&mut writer)?;
    writer.flush()
}

/// Where a path leads, whatever links are on the way.
fn identity(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

/// A name beside the file that two programs, or two threads of one, do not share. It does not end as the file does: nobody
/// who reads all files of a kind takes it for one.
fn temporary_name(target: &Path) -> PathBuf {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let mut name = target.as_os_str().to_owned();
    name.push(format!(".{}.{count}.tmp", std::process::id()));
    PathBuf::from(name)
}

/// The files that a command is going to write: nobody else writes them while this lives. What says so to others is a
/// locked file beside each, which the system unlocks however the program ends.
#[must_use = "the files are free again when this is dropped"]
#[derive(Default)]
pub struct Claim {
    locks: Vec<(PathBuf, File)>,
}

impl Drop for Claim {
    fn drop(&mut self) {
        for (path, _) in &self.locks {
            let _ = fs::remove_file(path);
            unfinished().retain(|one| one != path);
        }
    }
}

/// Before a long run: refuses to write over what it reads, and claims what it writes.
///
/// # Errors
/// As [`check_distinct`] and [`claim`].
pub fn claim_beside(read: &[&Path], written: &[PathBuf]) -> Result<Claim, Error> {
    check_distinct(read, written)?;
    claim(written)
}

/// Finds out before a long run whether these files can be written after it, and keeps others from writing them.
///
/// # Errors
/// [`Error::File`] if one of them cannot be written, or another run is about to.
pub fn claim<'a>(paths: impl IntoIterator<Item = &'a PathBuf>) -> Result<Claim, Error> {
    let mut claim = Claim::default();
    for path in paths {
        claim.locks.extend(lock(path)?);
    }
    Ok(claim)
}

fn lock(path: &Path) -> Result<Option<(PathBuf, File)>, Error> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    if path.is_dir() {
        return Err(failure("write", path, "it is a folder"));
    }
    if !folder.is_dir() {
        let reason = format!("there is no folder {}", folder.display());
        return Err(failure("write", path, &reason));
    }
    let before = fs::metadata(path).ok();
    if before.as_ref().is_some_and(|it| !it.is_file()) {
        return Ok(None);
    }
    check_permissions(path, before.as_ref())?;
    let mut name = identity(path).into_os_string();
    name.push(".lock");
    let name = PathBuf::from(name);
    // Who made the file before us may remove it between our opening and our locking it.
    for _ in 0..LOCK_ATTEMPTS {
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&name)
            .map_err(|error| failure("write", path, &error.to_string()))?;
        match file.try_lock() {
            Ok(()) if !name.exists() => {}
            // Some file systems know no locks.
            Ok(()) | Err(TryLockError::Error(_)) => {
                unfinished().push(name.clone());
                return Ok(Some((name, file)));
            }
            Err(TryLockError::WouldBlock) => break,
        }
    }
    let reason =
        "another likelier is about to write it; wait for that, or give the result another name";
    Err(failure("write", path, reason))
}

/// How often a lock is tried for whose file was removed.
const LOCK_ATTEMPTS: usize = 5;

/// Refuses to write over what is read, and two results to one file.
pub fn check_distinct(read: &[&Path], written: &[PathBuf]) -> Result<(), Error> {
    let read: Vec<PathBuf> = read.iter().map(|path| identity(path)).collect();
    for (rank, path) in written.iter().enumerate() {
        if read.contains(&identity(path)) {
            let reason = "it is read by this very command; give the result another name";
            return Err(failure("write", path, reason));
        }
        if written[..rank].contains(path) {
            let reason = "two results would go there; give one of them another name";
            return Err(failure("write", path, reason));
        }
    }
    Ok(())
}

/// Removes files of chains that an earlier, longer run left under this name: read together with the new ones they would
/// mix two posteriors. A file that is not ours stays; it is returned.
pub fn remove_stale_chains(path: &Path, written: &[PathBuf], most: usize) -> Vec<PathBuf> {
    let mut strange = Vec::new();
    for chain in 1.. {
        let candidate = chain_path(path, chain);
        if written.contains(&candidate) {
            continue;
        }
        if !candidate.exists() {
            if chain > most {
                return strange;
            }
            continue;
        }
        let is_ours = read_text(&candidate).is_ok_and(|text| text.starts_with(FIRST_WORDS));
        if !is_ours || fs::remove_file(&candidate).is_err() {
            strange.push(candidate);
        }
    }
    strange
}

/// `draws.csv` of chain 2 is `draws_2.csv`.
pub fn chain_path(path: &Path, chain: usize) -> PathBuf {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let extension = path
        .extension()
        .map_or_else(|| "csv".into(), |e| e.to_string_lossy());
    path.with_file_name(format!("{stem}_{chain}.{extension}"))
}

/// An error of a file.
pub fn failure(action: &'static str, path: &Path, reason: &str) -> Error {
    Error::File {
        action,
        path: path.to_owned(),
        reason: without_number(reason).to_owned(),
    }
}

/// What the system says without its "(os error 2)", which tells a user nothing.
pub fn without_number(said: &str) -> &str {
    said.split(" (os error").next().unwrap_or(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_chain_has_a_file() {
        assert_eq!(
            chain_path(Path::new("out/draws.csv"), 2),
            Path::new("out/draws_2.csv")
        );
        assert_eq!(chain_path(Path::new("draws"), 1), Path::new("draws_1.csv"));
    }

    #[test]
    fn nothing_is_written_over_what_is_read() {
        let read = [Path::new("Cargo.toml"), Path::new("a.json")];
        let of = |path: &str| check_distinct(&read, &[PathBuf::from(path)]);
        assert!(
            of("./Cargo.toml")
                .unwrap_err()
                .to_string()
                .contains("read by this very command")
        );
        assert!(of("b.json").is_ok());
        let twice = [PathBuf::from("c"), PathBuf::from("c")];
        assert!(check_distinct(&read, &twice).is_err());
    }

    #[test]
    fn files_of_an_earlier_run_go_and_others_stay() {
        let folder = std::env::temp_dir().join(format!("likelier-stale-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("o.csv");
        let ours = format!("{FIRST_WORDS}0.1.0\n");
        for (chain, text) in [
            (1, ours.as_str()),
            (2, &ours),
            (3, &ours),
            (4, "a,b\n1,2\n"),
        ] {
            fs::write(chain_path(&path, chain), text).unwrap();
        }
        let strange = remove_stale_chains(&path, &[chain_path(&path, 1)], 2);
        assert_eq!(strange, [chain_path(&path, 4)]);
        let left: Vec<usize> = (1..=4)
            .filter(|&chain| chain_path(&path, chain).exists())
            .collect();
        assert_eq!(left, [1, 4]);
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_file_is_claimed_by_one() {
        let folder = std::env::temp_dir().join(format!("likelier-claim-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("a.csv");
        let first = claim([&path]).unwrap();
        let Err(second) = claim([&path]) else {
            panic!("claimed twice")
        };
        assert!(second.to_string().contains("another likelier"));
        drop(first);
        drop(claim([&path]).unwrap());
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_set_has_a_name_and_a_value() {
        assert_eq!(
            parse_set("s = 1.5").unwrap(),
            ("s".to_owned(), "1.5".to_owned())
        );
        assert!(parse_set("s").is_err() && parse_set("=1").is_err() && parse_set("s=").is_err());
    }

    #[test]
    fn a_failed_write_leaves_the_old_file() {
        let folder = std::env::temp_dir().join(format!("likelier-files-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("a.txt");
        write_whole(&path, |out| out.write_all(b"old")).unwrap();
        let failed = write_whole(&path, |out| {
            out.write_all(b"half")?;
            Err(io::Error::other("disk full"))
        });
        assert!(failed.unwrap_err().to_string().contains("disk full"));
        assert_eq!(read_text(&path).unwrap(), "old");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        let mut batch = Batch::default();
        batch.write(&path, |out| out.write_all(b"new")).unwrap();
        batch
            .write(&folder.join("b.txt"), |_| {
                Err(io::Error::other("disk full"))
            })
            .unwrap_err();
        drop(batch);
        assert_eq!(read_text(&path).unwrap(), "old");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        fs::remove_dir_all(&folder).unwrap();
    }
}
