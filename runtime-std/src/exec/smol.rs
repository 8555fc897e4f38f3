//! The executor of the `smol` crate: the only file that names it.

use std::future::Future;
use std::io;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use smol::io::AsyncReadExt as _;

use super::Executor;

/// `smol`.
#[derive(Debug)]
pub struct Smol;

impl Executor for Smol {
    type Stream = smol::Async<UnixStream>;

    fn block_on<F: Future>(future: F) -> F::Output {
        smol::block_on(future)
    }

    fn stream(stream: UnixStream) -> io::Result<Self::Stream> {
        smol::Async::new(stream)
    }

    async fn read(stream: &mut Self::Stream) -> Option<u8> {
        let mut octet = [0];
        matches!(stream.read(&mut octet).await, Ok(1)).then_some(octet[0])
    }

    async fn sleep(span: Duration) {
        smol::Timer::after(span).await;
    }
}
