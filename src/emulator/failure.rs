//! A refusal: the name of a modelled error and a sentence. Turned into an HTTP answer in `reply`.

/// Why an operation was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// The shape name, as in the `x-amzn-ErrorType` header.
    pub(crate) name: String,
    pub(crate) message: String,
    /// The status, where the model does not have the error.
    pub(crate) status: Option<u16>,
}

impl Failure {
    pub(crate) fn new(name: &str, message: impl Into<String>) -> Self {
        Self { name: name.to_owned(), message: message.into(), status: None }
    }

    pub(crate) fn with_status(name: &str, status: u16, message: impl Into<String>) -> Self {
        Self { name: name.to_owned(), message: message.into(), status: Some(status) }
    }

    pub(crate) fn validation(message: impl Into<String>) -> Self {
        Self::new("ValidationException", message)
    }

    pub(crate) fn conflict(message: impl Into<String>) -> Self {
        Self::new("ConflictException", message)
    }

    pub(crate) fn quota(message: impl Into<String>) -> Self {
        Self::new("ServiceQuotaExceededException", message)
    }

    pub(crate) fn not_broadcasting(channel: &str) -> Self {
        Self::new("ChannelNotBroadcasting", format!("Channel {channel} is not broadcasting"))
    }
}
