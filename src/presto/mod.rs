//! presto
#![allow(missing_docs)]
pub struct ServerSettings {
    pub listen: std::net::SocketAddr,
    pub socket: Option<std::path::PathBuf>,
    pub sync_timeout: std::time::Duration,
    pub body_limit: usize,
    pub nso_compatible: bool,
}
pub struct Server;
impl Server {
    pub fn address(&self) -> std::net::SocketAddr {
        std::net::SocketAddr::from(([127, 0, 0, 1], 0))
    }
    pub async fn finished(self) {}
}
pub async fn serve(
    _: std::sync::Arc<crate::controller::Controller>,
    _: ServerSettings,
    _: tokio_util::sync::CancellationToken,
) -> Result<Server, std::io::Error> {
    Err(std::io::Error::other("not there yet"))
}
