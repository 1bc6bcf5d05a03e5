//! What can go wrong, said so that the reader knows what to change.

use std::path::PathBuf;

/// The crate's only error type. Every message names the thing, what it is, and the way out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A layer, a tensor or a batch whose shape does not fit. `op` is the layer ("linear", "conv2d").
    #[error("{op}: {detail}")]
    Shape {
        /// The layer.
        op: String,
        /// What does not fit.
        detail: String,
    },

    /// A setting outside what it can be (`steps`, `from`, `batch`, ...).
    #[error("{name}: {detail}")]
    Argument {
        /// The setting.
        name: String,
        /// Its value, and what it can be.
        detail: String,
    },

    /// A dataset, in memory or in a file, that is not what it should be.
    #[error("{source_name}: {detail}")]
    Data {
        /// The dataset or the file.
        source_name: String,
        /// What is wrong with it, and where.
        detail: String,
    },

    /// A file that could not be opened, read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },

    /// No GPU and no software driver was found, or none by the name asked for.
    #[error("no GPU adapter: {detail}")]
    NoAdapter {
        /// What was looked for, and how to get one.
        detail: String,
    },

    /// The device has less of something than the model or the run needs.
    #[error("{what}: needs {needed}, the device allows {limit}; {hint}")]
    Limit {
        /// What there is too little of.
        what: String,
        /// How much the model or the run needs.
        needed: u64,
        /// How much there may be.
        limit: u64,
        /// What to change.
        hint: String,
    },

    /// The device ran out of memory.
    #[error("out of GPU memory: {detail}; use a smaller batch, model or dataset")]
    OutOfMemory {
        /// What the driver said.
        detail: String,
    },

    /// The device was lost: its driver was restarted, or another program took it. Everything on it is gone.
    #[error("the GPU was lost: {reason}; open it again, and compile the model anew")]
    Lost {
        /// What the driver said.
        reason: String,
    },

    /// The device refused a command.
    #[error("GPU device: {detail}")]
    Device {
        /// What the device said.
        detail: String,
    },

    /// The caller asked to stop. The model was restored first.
    #[error("cancelled; the model is as it was before")]
    Cancelled,
}

/// `Result` with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub(crate) fn shape(op: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::Shape { op: op.into(), detail: detail.into() }
    }

    pub(crate) fn argument(name: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::Argument { name: name.into(), detail: detail.into() }
    }

    pub(crate) fn data(source_name: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::Data { source_name: source_name.into(), detail: detail.into() }
    }

    pub(crate) fn io(path: impl Into<PathBuf>, source: std::io::Error) -> Self {
        Self::Io { path: path.into(), source }
    }
}
