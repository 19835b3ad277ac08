//! The only place that opens files. Reading insists on text; writing goes to a temporary file beside the target that is
//! renamed when complete, so that a reader never sees half a file and a failed run leaves an older one alone.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use likelier::{Dataset, Error};

/// The text of a file.
pub fn read_text(path: &Path) -> Result<String, Error> {
    let bytes = fs::read(path).map_err(|error| failure("read", path, &error.to_string()))?;
    String::from_utf8(bytes).map_err(|error| {
        let first = error.utf8_error().valid_up_to() + 1;
        failure(
            "read",
            path,
            &format!("it is not a text file (byte {first} is not UTF-8)"),
        )
    })
}

/// The data of all files, with `--set`s on top.
pub fn read_data(paths: &[PathBuf], sets: &[(String, String)]) -> Result<Dataset, Error> {
    let mut data = Dataset::default();
    for path in paths {
        let name = path.display().to_string();
        let extension = path
            .extension()
            .map(|e| e.to_string_lossy().to_ascii_lowercase());
        let part = match extension.as_deref() {
            Some("json") => Dataset::from_json(&name, &read_text(path)?)?,
            Some("csv") => Dataset::from_csv(&name, &read_text(path)?)?,
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

/// Writes a file as a whole or not at all.
pub fn write_whole(
    path: &Path,
    content: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), Error> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(format!(".{}.tmp", std::process::id()));
    let temporary = PathBuf::from(temporary);
    let written = File::create(&temporary).and_then(|file| {
        let mut writer = BufWriter::with_capacity(1 << 16, file);
        content(&mut writer)?;
        writer.flush()?;
        fs::rename(&temporary, path)
    });
    written.map_err(|error| {
        // What could not be renamed or finished is of no use; if it cannot be removed either, the first error counts.
        let _ = fs::remove_file(&temporary);
        failure("write", path, &error.to_string())
    })
}

/// Finds out before a long run whether a file can be written after it.
pub fn check_writable(path: &Path) -> Result<(), Error> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    if path.is_dir() {
        return Err(failure("write", path, "it is a folder"));
    }
    if !folder.is_dir() {
        return Err(failure(
            "write",
            path,
            &format!("there is no folder {}", folder.display()),
        ));
    }
    Ok(())
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
    // The system's "(os error 2)" tells a user nothing.
    let reason = reason
        .split(" (os error")
        .next()
        .unwrap_or(reason)
        .to_owned();
    Error::File {
        action,
        path: path.to_owned(),
        reason,
    }
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
        fs::remove_dir_all(&folder).unwrap();
    }
}
