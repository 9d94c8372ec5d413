//! What a request of the protocol is to this server: a name, what is promised for it at the start, and a function
//! from its parameters to its answer.

use gen_lsp_types::ServerCapabilities;
use lsp_server::{ErrorCode, ResponseError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::lsp::client::Client;
use crate::lsp::workspace::Workspace;

/// Something that an editor can ask for; a unit struct in a file of its own, and a line in [`crate::lsp::REQUESTS`].
pub trait Feature {
    type Request: gen_lsp_types::Request;

    /// Says at the start that it can be asked for.
    fn offer(client: &Client, capabilities: &mut ServerCapabilities);

    fn answer(workspace: &mut Workspace, params: Params<Self>) -> Answer<Self>;
}

pub type Params<F> = <<F as Feature>::Request as gen_lsp_types::Request>::Params;
pub type Answer<F> = Result<<<F as Feature>::Request as gen_lsp_types::Request>::Result, Refusal>;

/// Why a request has no answer.
#[derive(Debug)]
pub struct Refusal {
    pub code: ErrorCode,
    pub message: String,
}

impl Refusal {
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Refusal {
        Refusal { code, message: message.into() }
    }

    /// A request in order that cannot be answered.
    pub fn failed(message: impl Into<String>) -> Refusal {
        Refusal::new(ErrorCode::RequestFailed, message)
    }
}

impl From<Refusal> for ResponseError {
    fn from(refusal: Refusal) -> ResponseError {
        ResponseError { code: refusal.code as i32, message: refusal.message, data: None }
    }
}

/// A [`Feature`] as the server's table has it.
pub struct Request {
    pub method: &'static str,
    pub offer: fn(&Client, &mut ServerCapabilities),
    pub answer: fn(&mut Workspace, Value) -> Result<Value, Refusal>,
}

pub const fn request<F: Feature>() -> Request {
    Request {
        method: <F::Request as gen_lsp_types::Request>::METHOD.as_str(),
        offer: F::offer,
        answer: answer::<F>,
    }
}

fn answer<F: Feature>(workspace: &mut Workspace, params: Value) -> Result<Value, Refusal> {
    written(F::answer(workspace, read(params)?)?)
}

/// Parameters from their JSON.
pub fn read<P: DeserializeOwned>(params: Value) -> Result<P, Refusal> {
    serde_json::from_value(params)
        .map_err(|e| Refusal::new(ErrorCode::InvalidParams, format!("these parameters cannot be read: {e}")))
}

/// JSON of an answer.
pub fn written(value: impl Serialize) -> Result<Value, Refusal> {
    serde_json::to_value(value).map_err(|e| Refusal::new(ErrorCode::InternalError, e.to_string()))
}
