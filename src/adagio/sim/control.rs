//! The control socket of a running simulator: the way to an element's console, behind the daemon's back.
//!
//! One request per connection: a first line `list`, `show ELEMENT` or `edit ELEMENT`, for `edit` followed by lines of the
//! CLI or by XML, then the end of the client's side. The answer is `ok` or `error TEXT` in the first line, then the text.
//! Only the user who started the simulator can reach the socket.

use super::{SimError, SimHandle};
use std::io::{Error, ErrorKind};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

/// Serves requests until the simulator stops or the future is dropped; the socket's file goes with it.
pub async fn serve(sim: &SimHandle, path: &Path) -> Result<(), SimError> {
    let failed = |source| SimError::Control { path: path.display().to_string(), source };
    let listener = bind(path).await.map_err(failed)?;
    let _gone = Unlink(path);
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
    loop {
        let stream = tokio::select! {
            () = sim.stop.cancelled() => return Ok(()),
            accepted = listener.accept() => accepted.map_err(failed)?.0,
        };
        if let Err(error) = one(sim, stream).await {
            tracing::debug!(%error, "a request on the control socket was not answered");
        }
    }
}

/// Binds the socket. A file that a dead simulator left is replaced; a living one is respected, and so is any other file.
async fn bind(path: &Path) -> std::io::Result<UnixListener> {
    if std::fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket()) {
        match UnixStream::connect(path).await {
            Ok(_) => return Err(Error::new(ErrorKind::AddrInUse, "another simulator listens there; end it first")),
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => std::fs::remove_file(path)?,
            Err(error) => return Err(error),
        }
    }
    UnixListener::bind(path)
}

/// Sends one request to a running simulator: `Ok` is its text, `Err` what it refuses.
pub async fn request(path: &Path, command: &str, body: &str) -> Result<String, SimError> {
    let failed = |source| SimError::Control { path: path.display().to_string(), source };
    let mut stream = UnixStream::connect(path).await.map_err(failed)?;
    stream.write_all(format!("{command}\n{body}").as_bytes()).await.map_err(failed)?;
    stream.shutdown().await.map_err(failed)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.map_err(failed)?;
    let (first, text) = answer.split_once('\n').unwrap_or((&answer, ""));
    match first.strip_prefix("error ") {
        None if first == "ok" => Ok(text.to_owned()),
        refused => Err(SimError::Refused(refused.unwrap_or("the simulator did not answer").to_owned())),
    }
}

async fn one(sim: &SimHandle, mut stream: UnixStream) -> std::io::Result<()> {
    let mut text = String::new();
    let mut limited = (&mut stream).take(MAX_REQUEST);
    tokio::time::timeout(PATIENCE, limited.read_to_string(&mut text)).await.map_err(std::io::Error::other)??;
    let answer = match answer(sim, &text) {
        Ok(text) => format!("ok\n{text}"),
        Err(error) => format!("error {}\n", error.to_string().replace('\n', " ")),
    };
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await
}

fn answer(sim: &SimHandle, request: &str) -> Result<String, SimError> {
    let (first, body) = request.split_once('\n').unwrap_or((request, ""));
    let mut words = first.split_whitespace();
    match (words.next(), words.next()) {
        (Some("list"), None) => {
            let lines = sim.names().into_iter().map(|name| described(sim, name));
            lines.collect::<Result<Vec<String>, _>>().map(|lines| lines.concat())
        }
        (Some("show"), Some(element)) => sim.text(element),
        (Some("edit"), Some(element)) => sim.hand_edit(element, body).map(|()| String::new()),
        _ => Err(SimError::Unknown(format!("{first:?}; known are list, show ELEMENT, edit ELEMENT"))),
    }
}

/// One line about an element: name, adapter, address, host key.
pub fn described(sim: &SimHandle, name: &str) -> Result<String, SimError> {
    Ok(format!("{name} {} {} {}\n", sim.adapter(name)?, sim.address(name)?, sim.fingerprint(name)?))
}

struct Unlink<'a>(&'a Path);

impl Drop for Unlink<'_> {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(self.0);
    }
}

const MAX_REQUEST: u64 = 1 << 20;
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_dead_socket_is_replaced_and_a_living_one_or_another_file_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control");
        // What kill -9 leaves: the file, and nobody behind it.
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        let living = bind(&path).await.unwrap();
        let refused = bind(&path).await.unwrap_err();
        assert!(refused.to_string().contains("another simulator listens there"), "{refused}");
        drop(living);
        let file = folder.path().join("precious");
        std::fs::write(&file, "x").unwrap();
        assert!(bind(&file).await.is_err());
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "x");
    }
}
