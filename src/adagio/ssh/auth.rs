//! Authentication: keys, passwords and prompts, in the order of the inventory.

use super::{SshAuth, SshError, SshTarget, Verifier};
use russh::client::{self, AuthResult, KeyboardInteractiveAuthResponse};
use russh::keys::{PrivateKey, PrivateKeyWithHashAlg, decode_secret_key};
use russh::{MethodKind, MethodSet};
use secrecy::{ExposeSecret, SecretString};
use std::path::PathBuf;
use std::sync::Arc;

/// Tries each way until one is accepted.
pub(super) async fn authenticate(handle: &mut client::Handle<Verifier>, target: &SshTarget) -> Result<(), SshError> {
    let broken = |e| SshError::AuthBroken { address: target.address.clone(), source: Box::new(e) };
    let mut tried: Vec<&'static str> = Vec::new();
    let mut offered: Option<MethodSet> = None;
    for auth in &target.auth {
        match auth {
            SshAuth::PrivateKey(path) => {
                let key = load_private_key(path).await?;
                let hash = handle.best_supported_rsa_hash().await.map_err(broken)?.flatten();
                tried.push("publickey");
                let key = PrivateKeyWithHashAlg::new(Arc::new(key), hash);
                match handle.authenticate_publickey(&target.username, key).await.map_err(broken)? {
                    AuthResult::Success => return Ok(()),
                    AuthResult::Failure { remaining_methods, .. } => offered = Some(remaining_methods),
                }
            }
            SshAuth::Password(password) => {
                let takes = |m| offered.as_ref().is_none_or(|o| o.contains(&m));
                if takes(MethodKind::Password) {
                    tried.push("password");
                    let secret = password.expose_secret();
                    match handle.authenticate_password(&target.username, secret).await.map_err(broken)? {
                        AuthResult::Success => return Ok(()),
                        AuthResult::Failure { remaining_methods, .. } => offered = Some(remaining_methods),
                    }
                }
                if offered.as_ref().is_none_or(|o| o.contains(&MethodKind::KeyboardInteractive)) {
                    tried.push("keyboard-interactive");
                    match keyboard_interactive(handle, &target.username, password).await.map_err(broken)? {
                        None => return Ok(()),
                        Some(remaining) => offered = Some(remaining),
                    }
                }
            }
        }
    }
    let offered = offered.map(|o| o.iter().map(<&'static str>::from).collect::<Vec<_>>().join(", "));
    Err(SshError::AuthRefused {
        address: target.address.clone(),
        username: target.username.clone(),
        tried: if tried.is_empty() { "nothing".into() } else { tried.join(", ") },
        offered: offered.filter(|o| !o.is_empty()).unwrap_or_else(|| "nothing else".into()),
    })
}

/// Answers each hidden prompt with the password; `None` is success. A visible prompt is not a place for a password:
/// it gets an empty answer.
async fn keyboard_interactive(
    handle: &mut client::Handle<Verifier>,
    username: &str,
    password: &SecretString,
) -> Result<Option<MethodSet>, russh::Error> {
    let mut answer = handle.authenticate_keyboard_interactive_start(username, None).await?;
    for _ in 0..MAX_INTERACTIVE_ROUNDS {
        match answer {
            KeyboardInteractiveAuthResponse::Success => return Ok(None),
            KeyboardInteractiveAuthResponse::Failure { remaining_methods, .. } => return Ok(Some(remaining_methods)),
            KeyboardInteractiveAuthResponse::InfoRequest { prompts, .. } => {
                let reply = |echo: bool| if echo { String::new() } else { password.expose_secret().to_owned() };
                let responses = prompts.iter().map(|p| reply(p.echo)).collect();
                answer = handle.authenticate_keyboard_interactive_respond(responses).await?;
            }
        }
    }
    Ok(Some(MethodSet::empty()))
}

async fn load_private_key(path: &PathBuf) -> Result<PrivateKey, SshError> {
    let failed = |e| SshError::PrivateKey { path: path.clone(), source: Box::new(e) };
    let text = tokio::fs::read_to_string(path).await.map_err(|e| failed(e.into()))?;
    let text = zeroize::Zeroizing::new(text);
    decode_secret_key(&text, None).map_err(failed)
}

/// Rounds of keyboard-interactive before an element that only asks is given up.
const MAX_INTERACTIVE_ROUNDS: usize = 5;
