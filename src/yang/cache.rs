//! Schema indexes on disk, by content id: a daemon that starts again, or meets a platform again, compiles nothing.
//!
//! One file per module set, `<content id>.index`: a line that says what it is, the BLAKE3 of the rest, the modules that were
//! left out, and the stored form of the tables as the worker sent it.
//!
//! Guarantees: a file is written beside its place and renamed, so nobody sees half of one; a file that is broken, of
//! another version of this program or of another set is not used, said so in the log once, and written anew; number and
//! size of the files are bounded, the oldest go first. A cache that cannot be written is a line in the log, never an error:
//! everything in it can be made again.

use super::protocol::LeftOut;
use super::worker::EXPORT;
use crate::tree::SchemaIndex;
use crate::tree::schema::{Tables, stored};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// A folder of schema indexes.
#[derive(Clone, Debug)]
pub(super) struct Cache {
    folder: PathBuf,
}

/// Most files, and most bytes of all of them.
const MAX_FILES: usize = 64;
const MAX_BYTES: u64 = 512 << 20;
const ENDING: &str = "index";

impl Cache {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The index of a set and what was left out of it. `None`: it has to be compiled.
    pub(super) fn read(&self, id: &str) -> Option<(SchemaIndex, Vec<LeftOut>)> {
        let file = self.file(id);
        let bytes = match fs::read(&file) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                tracing::warn!(file = %file.display(), %error, "a cached schema cannot be read; it is compiled anew");
                return None;
            }
        };
        match unpacked(&bytes, id) {
            Ok((tables, left_out)) => Some((SchemaIndex::from(tables), left_out)),
            Err(why) => {
                tracing::warn!(file = %file.display(), why, "a cached schema is not used; it is compiled anew");
                None
            }
        }
    }

    /// Keeps what the worker has sent.
    pub(super) fn write(&self, id: &str, left_out: &[LeftOut], tables: &[u8]) {
        let file = self.file(id);
        if let Err(error) = self.replace(&file, &packed(left_out, tables)) {
            tracing::warn!(file = %file.display(), %error, "a schema cannot be cached; it is compiled again next time");
        }
        self.prune(&file);
    }

    fn replace(&self, file: &Path, bytes: &[u8]) -> io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        let beside = file.with_extension(format!("{}.new", std::process::id()));
        let written = fs::File::create(&beside).and_then(|mut new| new.write_all(bytes));
        let done = written.and_then(|()| fs::rename(&beside, file));
        if done.is_err() {
            let _ = fs::remove_file(&beside);
        }
        done
    }

    /// Removes the oldest files while there are too many; the new one stays.
    fn prune(&self, new: &Path) {
        let Ok(entries) = fs::read_dir(&self.folder) else { return };
        let mut files: Vec<(SystemTime, u64, PathBuf)> = entries
            .flatten()
            .filter(|entry| entry.path().extension().is_some_and(|ending| ending == ENDING))
            .filter_map(|entry| {
                let about = entry.metadata().ok()?;
                Some((about.modified().ok()?, about.len(), entry.path()))
            })
            .collect();
        files.sort();
        let (mut count, mut bytes) = (files.len(), files.iter().map(|(_, size, _)| size).sum::<u64>());
        for (_, size, file) in files.iter().filter(|(_, _, file)| file != new) {
            if count <= MAX_FILES && bytes <= MAX_BYTES {
                break;
            }
            if fs::remove_file(file).is_ok() {
                count -= 1;
                bytes -= size;
            }
        }
    }

    fn file(&self, id: &str) -> PathBuf {
        self.folder.join(id).with_extension(ENDING)
    }
}

/// What must be the same for a file to be of use.
fn title() -> String {
    format!(
        "andante schema index {} {} {EXPORT} {}\n",
        env!("CARGO_PKG_VERSION"),
        stored::VERSION,
        super::worker::LIBYANG
    )
}

fn packed(left_out: &[LeftOut], tables: &[u8]) -> Vec<u8> {
    let left_out = serde_json::to_vec(left_out).unwrap_or_default();
    let mut rest = (left_out.len() as u64).to_be_bytes().to_vec();
    rest.extend_from_slice(&left_out);
    rest.extend_from_slice(tables);
    let mut bytes = title().into_bytes();
    bytes.extend_from_slice(blake3::hash(&rest).as_bytes());
    bytes.append(&mut rest);
    bytes
}

fn unpacked(bytes: &[u8], id: &str) -> Result<(Tables, Vec<LeftOut>), String> {
    let title = title();
    let rest = bytes.strip_prefix(title.as_bytes()).ok_or("it is of another version of this program, or no index")?;
    let (sum, rest) = rest.split_at_checked(blake3::OUT_LEN).ok_or("it ends too early")?;
    if blake3::hash(rest).as_bytes() != sum {
        return Err("its checksum is wrong".into());
    }
    let (length, rest) = rest.split_first_chunk::<8>().ok_or("it ends too early")?;
    let length = usize::try_from(u64::from_be_bytes(*length)).map_err(|_| "it ends too early")?;
    let (left_out, tables) = rest.split_at_checked(length).ok_or("it ends too early")?;
    let left_out = serde_json::from_slice(left_out).map_err(|error| error.to_string())?;
    let tables = Tables::decode(tables)?;
    if tables.content_id != id {
        return Err(format!("it is of another module set, {}", tables.content_id));
    }
    Ok((tables, left_out))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{QName, SchemaId, SchemaKind, SchemaNode};

    fn sample(id: &str) -> Tables {
        let node = SchemaNode::new(QName::new("m", "top"), SchemaKind::Leaf);
        Tables { content_id: id.into(), nodes: vec![node], top: vec![SchemaId(0)], ..Tables::default() }
    }

    /// Another libyang may compile otherwise: its files have another title.
    #[test]
    fn the_title_names_the_libyang_that_is_built_in() {
        let (name, version) = super::super::worker::LIBYANG.split_once(' ').unwrap();
        let lock = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.lock"));
        assert!(lock.contains(&format!("name = \"{name}\"\nversion = \"{version}\"\n")), "{name} {version}");
    }

    fn out() -> Vec<LeftOut> {
        vec![LeftOut { module: "bad".into(), reason: "because".into() }]
    }

    #[test]
    fn what_was_written_is_read_and_what_is_broken_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path().join("deep/er"));
        assert!(cache.read("id").is_none(), "nothing is there");
        cache.write("id", &out(), &sample("id").encode());
        let (index, left_out) = cache.read("id").unwrap();
        assert_eq!((index.content_id(), index.len(), left_out), ("id", 1, out()));

        let file = cache.file("id");
        let whole = fs::read(&file).unwrap();
        for at in 0..whole.len() {
            let mut broken = whole.clone();
            broken[at] ^= 1;
            fs::write(&file, &broken).unwrap();
            assert!(cache.read("id").is_none(), "byte {at} of {}", whole.len());
            fs::write(&file, &whole[..at]).unwrap();
            assert!(cache.read("id").is_none(), "cut at {at}");
        }
        cache.write("id", &[], &sample("other").encode());
        assert!(cache.read("id").is_none(), "a file of another set in its place");
        cache.write("id", &out(), &sample("id").encode());
        assert!(cache.read("id").is_some(), "written anew");
        let names: Vec<_> = fs::read_dir(&cache.folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["id.index"], "nothing half written stays");
    }

    #[test]
    fn the_oldest_go_when_there_are_too_many() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path().to_owned());
        for n in 0..MAX_FILES + 3 {
            let id = format!("{n:03}");
            cache.write(&id, &[], &sample(&id).encode());
            // Without a clock of our own: the order of age is written down.
            let age = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1000 + n as u64);
            fs::File::options().write(true).open(cache.file(&id)).unwrap().set_modified(age).unwrap();
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), MAX_FILES);
        assert!(cache.read("000").is_none() && cache.read("066").is_some());
    }

    #[test]
    fn a_cache_that_cannot_be_written_is_no_error() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let cache = Cache::new(file.join("below"));
        cache.write("id", &[], &sample("id").encode());
        assert!(cache.read("id").is_none());
    }
}
