//! Connections that can be cut in the middle of a request.
//!
//! A reply that was worked for and never arrives, or arrives in part, cannot be told with a status code. So every accepted
//! connection carries a `Cut`; once it is pulled nothing more is written and the peer sees the connection end. It also
//! knows when a reply went out as a whole, which an audit wants to know.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
};

use axum::{
    extract::connect_info::Connected,
    serve::{IncomingStream, Listener},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
};

/// Ends its connection before anything more is written, or halfway through.
#[derive(Clone, Default)]
pub(super) struct Cut(Arc<Mutex<Fate>>);

/// What becomes of the next write.
#[derive(Default)]
enum Fate {
    #[default]
    Written,
    /// Written, and somebody is told.
    Told(Box<dyn FnOnce() + Send>),
    Halved,
    Cut,
}

impl Cut {
    pub(super) fn pull(&self) {
        *self.fate() = Fate::Cut;
    }

    /// The next write gets halfway.
    pub(super) fn halve(&self) {
        *self.fate() = Fate::Halved;
    }

    /// Calls back when the next write is out as a whole.
    pub(super) fn when_written(&self, tell: impl FnOnce() + Send + 'static) {
        *self.fate() = Fate::Told(Box::new(tell));
    }

    /// How many of the next `length` bytes may be written.
    fn allowed(&self, length: usize) -> io::Result<usize> {
        match *self.fate() {
            Fate::Cut => Err(io::ErrorKind::ConnectionReset.into()),
            Fate::Halved => Ok(length.div_ceil(2)),
            Fate::Written | Fate::Told(_) => Ok(length),
        }
    }

    /// A response of ours is one write, whole or not.
    fn written(&self, count: usize, length: usize) {
        let told = {
            let mut fate = self.fate();
            if matches!(*fate, Fate::Halved) {
                *fate = Fate::Cut;
            }
            if count == length && matches!(*fate, Fate::Told(_)) { std::mem::take(&mut *fate) } else { Fate::Written }
        };
        if let Fate::Told(tell) = told {
            tell();
        }
    }

    fn fate(&self) -> MutexGuard<'_, Fate> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Accepts connections that can be cut.
pub(super) struct Door(pub(super) TcpListener);

/// One such connection.
pub(super) struct Wire {
    stream: TcpStream,
    cut: Cut,
}

impl Listener for Door {
    type Io = Wire;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Wire, SocketAddr) {
        let (stream, peer) = Listener::accept(&mut self.0).await;
        (Wire { stream, cut: Cut::default() }, peer)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

impl Connected<IncomingStream<'_, Door>> for Cut {
    fn connect_info(stream: IncomingStream<'_, Door>) -> Self {
        stream.io().cut.clone()
    }
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let allowed = self.cut.allowed(bytes.len())?;
        let count = ready!(Pin::new(&mut self.stream).poll_write(cx, &bytes[..allowed]))?;
        self.cut.written(count, bytes.len());
        Poll::Ready(Ok(count))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
