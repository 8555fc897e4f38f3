//! Threads that answer the core's slow questions: Diffie-Hellman.

use std::io;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use kumihimo_core::ids::RequestId;
use kumihimo_core::server::{Answer, Request};

use crate::mailbox::Queue;

/// A bounded queue of questions and the threads that answer them.
#[derive(Debug)]
pub struct Offload {
    questions: Arc<Queue<(RequestId, Request)>>,
    workers: Vec<JoinHandle<()>>,
}

impl Offload {
    /// Starts `count` threads that hand each answer to `deliver`.
    ///
    /// # Errors
    /// What the system says: no more threads.
    pub fn start(
        count: usize,
        deliver: impl Fn(RequestId, Answer) + Clone + Send + 'static,
    ) -> io::Result<Self> {
        let questions = Arc::new(Queue::new(QUESTIONS));
        let mut workers = Vec::new();
        for _ in 0..count {
            let (questions, deliver) = (Arc::clone(&questions), deliver.clone());
            let work = move || {
                while let Some((id, request)) = questions.pop() {
                    deliver(id, answer(&request));
                }
            };
            workers.push(Builder::new().name("kumihimo-dh".into()).spawn(work)?);
        }
        Ok(Self { questions, workers })
    }

    /// Queues a question; `false` if too many wait, so that it will not be answered.
    pub fn ask(&self, id: RequestId, request: Request) -> bool {
        self.questions.push((id, request)).is_ok()
    }
}

impl Drop for Offload {
    fn drop(&mut self) {
        self.questions.close();
        for worker in self.workers.drain(..) {
            // A worker that panicked has already said so.
            let _ = worker.join();
        }
    }
}

fn answer(request: &Request) -> Answer {
    match request {
        Request::Dh(job) => Answer::Dh(job.run()),
    }
}

/// Questions that wait at most: with more, a client would give up before its turn.
const QUESTIONS: usize = 256;
