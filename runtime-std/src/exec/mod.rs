//! What waits outside the packet path: signals today, the admin server later.
//!
//! An executor is one small adapter. `async_std.rs` is the one in use; `smol.rs` (feature
//! `smol`) proves that it can be exchanged in one file.

#[cfg(not(feature = "smol"))]
mod async_std;
#[cfg(feature = "smol")]
mod smol;

#[cfg(not(feature = "smol"))]
pub use self::async_std::AsyncStd as Chosen;
#[cfg(feature = "smol")]
pub use self::smol::Smol as Chosen;

use std::future::{Future, poll_fn};
use std::io;
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

/// Runs futures and waits for streams.
pub trait Executor {
    /// A stream that can be awaited.
    type Stream: 'static;

    /// Runs `future` to its end on this thread.
    fn block_on<F: Future>(future: F) -> F::Output;

    /// Makes `stream` one that can be awaited.
    ///
    /// # Errors
    /// What the system says.
    fn stream(stream: UnixStream) -> io::Result<Self::Stream>;

    /// Reads one octet; `None` when the other end is closed. Nothing is lost if the future is
    /// dropped before it is ready.
    fn read(stream: &mut Self::Stream) -> impl Future<Output = Option<u8>>;

    /// Is ready after `span`.
    fn sleep(span: Duration) -> impl Future<Output = ()>;
}

/// The result of the future that is ready first; the others are dropped.
///
/// Where several are ready, the first of the list counts.
pub async fn first<T>(mut futures: Vec<Pin<Box<dyn Future<Output = T> + '_>>>) -> T {
    poll_fn(|context| {
        for future in &mut futures {
            if let Poll::Ready(result) = future.as_mut().poll(context) {
                return Poll::Ready(result);
            }
        }
        Poll::Pending
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[test]
    fn the_first_stream_with_news_is_heard_and_a_closed_one_says_so() {
        let (mut near, far) = UnixStream::pair().unwrap();
        let (other, silent) = UnixStream::pair().unwrap();
        let mut far = Chosen::stream(far).unwrap();
        let mut silent = Chosen::stream(silent).unwrap();
        near.write_all(b"x").unwrap();
        let mut heard = || {
            Chosen::block_on(first(vec![
                Box::pin(async { ("silent", Chosen::read(&mut silent).await) }),
                Box::pin(async { ("far", Chosen::read(&mut far).await) }),
            ]))
        };
        assert_eq!(heard(), ("far", Some(b'x')));
        drop(other);
        Chosen::block_on(Chosen::sleep(Duration::from_millis(1)));
        assert_eq!(heard(), ("silent", None));
    }
}
