//! Signals, as streams that an executor can await.

use std::io;
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};

use crate::exec::{Executor, first};

/// What the main thread waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// SIGTERM or SIGINT.
    Terminate,
    /// SIGHUP.
    Reload,
    /// SIGUSR1.
    Report,
    /// The packet thread is gone.
    Ended,
    /// The time is over.
    Late,
}

/// Where [`News`] come from.
pub struct Signals<E: Executor> {
    streams: Vec<(News, E::Stream)>,
}

impl<E: Executor> Signals<E> {
    /// Catches signals from here on; `ended` is closed when the packet thread is gone.
    ///
    /// # Errors
    /// What the system says.
    pub fn new(ended: UnixStream) -> io::Result<Self> {
        let terminate = caught::<E>(&[SIGTERM, SIGINT])?;
        let streams = vec![
            (News::Ended, E::stream(ended)?),
            (News::Terminate, terminate),
            (News::Reload, caught::<E>(&[SIGHUP])?),
            (News::Report, caught::<E>(&[SIGUSR1])?),
        ];
        Ok(Self { streams })
    }

    /// Waits for what happens next, at most for `patience`.
    pub fn wait(&mut self, patience: Option<Duration>) -> News {
        let streams = self.streams.iter_mut();
        let mut futures: Vec<Pin<Box<dyn Future<Output = News> + '_>>> = Vec::new();
        for (news, stream) in streams {
            futures.push(Box::pin(async move {
                E::read(stream).await;
                *news
            }));
        }
        if let Some(patience) = patience {
            futures.push(Box::pin(async move {
                E::sleep(patience).await;
                News::Late
            }));
        }
        E::block_on(first(futures))
    }
}

fn caught<E: Executor>(signals: &[i32]) -> io::Result<E::Stream> {
    let (catch, read) = UnixStream::pair()?;
    for &signal in signals {
        signal_hook::low_level::pipe::register(signal, catch.try_clone()?)?;
    }
    E::stream(read)
}
