//! A TCP socket that can be ended from outside, and that is read in large pieces: the library asks for four bytes and then
//! for the rest of each packet.

use bytes::BytesMut;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// The TCP socket with a switch: once the token is cancelled every read and write fails, which ends the library's task.
pub(super) struct Socket {
    tcp: TcpStream,
    /// Read from the stream and not asked for yet. It has no room while nothing is in it: most connections are idle.
    ahead: BytesMut,
    end: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Socket {
    pub fn new(tcp: TcpStream, end: CancellationToken) -> Self {
        Socket { tcp, ahead: BytesMut::new(), end: Box::pin(end.cancelled_owned()) }
    }

    fn ended(&mut self, cx: &mut Context<'_>) -> bool {
        self.end.as_mut().poll(cx).is_ready()
    }
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.ended(cx) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        if self.ahead.is_empty() {
            if buf.remaining() >= PIECE {
                return Pin::new(&mut self.tcp).poll_read(cx, buf);
            }
            self.ahead = loop {
                ready!(self.tcp.poll_read_ready(cx))?;
                let mut piece = BytesMut::with_capacity(PIECE);
                match self.tcp.try_read_buf(&mut piece) {
                    Ok(_) => break piece,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => return Poll::Ready(Err(error)),
                }
            };
        }
        let length = self.ahead.len().min(buf.remaining());
        let head = self.ahead.split_to(length);
        buf.put_slice(&head);
        if self.ahead.is_empty() {
            self.ahead = BytesMut::new();
        }
        Poll::Ready(Ok(()))
    }
}

/// Bytes read at once: two packets of SSH as most elements send them.
const PIECE: usize = 64 << 10;

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.ended(cx) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        Pin::new(&mut self.tcp).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}
