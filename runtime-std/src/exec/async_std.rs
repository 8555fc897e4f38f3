//! The executor of the `async-std` crate: the only file that names it.

use std::future::Future;
use std::io;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use async_std::io::ReadExt as _;

use super::Executor;

/// `async-std`.
#[derive(Debug)]
pub struct AsyncStd;

impl Executor for AsyncStd {
    type Stream = async_std::os::unix::net::UnixStream;

    fn block_on<F: Future>(future: F) -> F::Output {
        async_std::task::block_on(future)
    }

    fn stream(stream: UnixStream) -> io::Result<Self::Stream> {
        stream.set_nonblocking(true)?;
        Ok(stream.into())
    }

    async fn read(stream: &mut Self::Stream) -> Option<u8> {
        let mut octet = [0];
        matches!(stream.read(&mut octet).await, Ok(1)).then_some(octet[0])
    }

    async fn sleep(span: Duration) {
        async_std::task::sleep(span).await;
    }
}
