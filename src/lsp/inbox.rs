//! Messages in the order in which they came, with a look at those that wait.

use std::collections::VecDeque;
use std::time::Duration;

use lsp_server::{Connection, ErrorCode, Message, Notification, RequestId, Response};
use serde::Deserialize;
use serde::de::DeserializeOwned;

pub struct Inbox {
    connection: Connection,
    waiting: VecDeque<Message>,
}

/// Why there is no message.
pub enum Nothing {
    /// None came for some time.
    Silence,
    /// None will come.
    Closed,
}

impl Inbox {
    pub fn new(connection: Connection) -> Inbox {
        Inbox { connection, waiting: VecDeque::new() }
    }

    /// The next message, if one waits. Requests that were taken back are answered so and passed over.
    pub fn next(&mut self) -> Option<Message> {
        self.gather();
        loop {
            let message = self.waiting.pop_front()?;
            match &message {
                Message::Request(request) if self.taken_back(&request.id) => {
                    let (code, text) = (ErrorCode::RequestCanceled as i32, "taken back".to_owned());
                    self.send(Response::new_err(request.id.clone(), code, text));
                }
                Message::Request(_) | Message::Response(_) | Message::Notification(_) => {
                    return Some(message);
                }
            }
        }
    }

    /// Waits for a message, so long.
    pub fn wait(&mut self, time: Duration) -> Result<(), Nothing> {
        match self.connection.receiver.recv_timeout(time) {
            Ok(message) => {
                self.waiting.push_back(message);
                Ok(())
            }
            Err(e) if e.is_timeout() => Err(Nothing::Silence),
            Err(_) => Err(Nothing::Closed),
        }
    }

    /// Whether a notification of this method waits whose parameters satisfy a condition.
    pub fn waits<P: DeserializeOwned>(&mut self, method: &str, condition: impl Fn(&P) -> bool) -> bool {
        self.gather();
        self.waiting.iter().any(|message| match message {
            Message::Notification(Notification { method: own, params }) if own == method => {
                P::deserialize(params).is_ok_and(|params| condition(&params))
            }
            Message::Notification(_) | Message::Request(_) | Message::Response(_) => false,
        })
    }

    /// Sends a message. Where nobody listens any more nothing comes either, and the server ends by that.
    pub fn send(&self, message: impl Into<Message>) {
        let _ = self.connection.sender.send(message.into());
    }

    fn taken_back(&self, id: &RequestId) -> bool {
        self.waiting.iter().any(|message| match message {
            Message::Notification(Notification { method, params }) if method == "$/cancelRequest" => {
                params.get("id").is_some_and(|own| RequestId::deserialize(own).is_ok_and(|own| own == *id))
            }
            Message::Notification(_) | Message::Request(_) | Message::Response(_) => false,
        })
    }

    fn gather(&mut self) {
        self.waiting.extend(self.connection.receiver.try_iter());
    }
}
