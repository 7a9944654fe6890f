//! What the client library's errors mean, told without what they carry: addresses may hold signatures, answers may repeat them.

use std::fmt;

use azure_core::error::ErrorKind as SdkKind;

use crate::{BlobPath, Error, ErrorKind};

/// The longest text of a cause that is passed on.
const TEXT_MAX: usize = 400;

/// A failed request.
#[derive(Debug)]
pub(super) enum Failure {
    /// The service answered with an error.
    Answer {
        /// The HTTP status.
        status: u16,
        /// The service's own code, as `BlobNotFound`.
        code: Option<String>,
        /// What the service knows the request by.
        request: Option<String>,
    },
    /// There was no answer.
    Silence(String),
    /// No token could be had.
    Credential(String),
    /// Anything else.
    Other(String),
}

/// What `error` means.
pub(super) fn failure(error: azure_core::Error) -> Failure {
    match error.kind() {
        SdkKind::HttpResponse { status, error_code, raw_response } => Failure::Answer {
            status: u16::from(*status),
            code: error_code.clone().filter(|code| code.bytes().all(|byte| byte.is_ascii_alphanumeric())),
            request: raw_response.as_ref().and_then(|response| {
                let id = response.headers().get_optional_string(&"x-ms-request-id".into())?;
                id.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-').then_some(id)
            }),
        },
        SdkKind::Connection | SdkKind::Io => Failure::Silence(text(&error)),
        SdkKind::Credential => Failure::Credential(text(&error)),
        _ => Failure::Other(text(&error)),
    }
}

/// The chain of causes in one line. Addresses were taken out where the errors were made, by the transport.
fn text(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text.chars().take(TEXT_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

impl Failure {
    /// The same, about a container as a whole.
    pub(super) fn in_container(self, name: &str) -> Error {
        let error = Error::from(self);
        match error.source {
            Some(source) => Error::new(error.kind).because(format!("container `{name}`: {source}")),
            None => error,
        }
    }

    /// Something that went wrong here, not there.
    pub(super) fn said(text: &str) -> Self {
        Self::Other(text.to_owned())
    }

    /// The HTTP status, when there was an answer.
    pub(super) fn status(&self) -> Option<u16> {
        match self {
            Self::Answer { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// The service's code for it.
    pub(super) fn code(&self) -> Option<&str> {
        match self {
            Self::Answer { code, .. } => code.as_deref(),
            _ => None,
        }
    }

    /// What it means to a caller.
    pub(super) fn kind(&self) -> ErrorKind {
        match self {
            // Blob service error codes, https://learn.microsoft.com/rest/api/storageservices/blob-service-error-codes
            Self::Answer { status, code, .. } => match (*status, code.as_deref().unwrap_or_default()) {
                (_, "BlobAlreadyExists") => ErrorKind::AlreadyExists,
                (_, "BlobArchived" | "BlobBeingRehydrated") => ErrorKind::Archived,
                (_, code) if code.starts_with("BlobImmutableDueTo") => ErrorKind::Held,
                (_, code) if code.starts_with("Lease") => ErrorKind::Leased,
                (404, _) => ErrorKind::NotFound,
                (412, _) => ErrorKind::Changed,
                (416, _) => ErrorKind::OutOfRange,
                (401 | 403, _) => ErrorKind::AccessDenied,
                (408 | 429 | 500..=599, _) => ErrorKind::Unavailable,
                _ => ErrorKind::Other,
            },
            Self::Silence(_) => ErrorKind::Unavailable,
            Self::Credential(_) => ErrorKind::AccessDenied,
            Self::Other(_) => ErrorKind::Other,
        }
    }

    /// The error, about the blob at `path`.
    pub(super) fn at(self, path: &BlobPath) -> Error {
        Error::from(self).at(path)
    }

    /// The error, of another kind than the failure's own.
    pub(super) fn into_error(self, kind: ErrorKind) -> Error {
        Error::new(kind).because(self)
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        let kind = failure.kind();
        failure.into_error(kind)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answer { status, code, request } => {
                write!(f, "the service answered {status}")?;
                if let Some(code) = code {
                    write!(f, " {code}")?;
                }
                if let Some(request) = request {
                    write!(f, " (request {request})")?;
                }
                Ok(())
            }
            Self::Silence(text) | Self::Other(text) => f.write_str(text),
            Self::Credential(text) => write!(f, "no token: {text}"),
        }
    }
}

impl std::error::Error for Failure {}
