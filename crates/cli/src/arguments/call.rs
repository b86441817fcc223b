//! What `call` takes.

use std::path::PathBuf;

use clap::Args;

use super::parse_method;

#[derive(Args, Debug)]
pub(crate) struct Call {
    /// The API, by its name in the configuration
    pub(crate) api: String,

    /// The HTTP method
    #[arg(value_parser = parse_method, required_unless_present = "batch")]
    method: Option<http::Method>,

    /// The path below the base URL, with its query
    #[arg(required_unless_present = "batch")]
    path: Option<String>,

    /// A JSON body, as text or from a file (`-` is standard input)
    #[arg(long, value_name = "TEXT|@FILE")]
    pub(crate) body: Option<String>,

    /// A header to send, such as "ConsistencyLevel: eventual"; repeat for more
    #[arg(long = "header", short = 'H', value_name = "NAME: VALUE")]
    pub(crate) headers: Vec<Header>,

    /// Add what an advanced query of the directory needs: `ConsistencyLevel: eventual`, and `$count=true` for most
    #[arg(long)]
    pub(crate) advanced: bool,

    /// Follow the pages and print one item per line (NDJSON)
    #[arg(long, conflicts_with = "body")]
    pub(crate) all: bool,

    /// With `--all`, read a whole collection of the directory in parts, N pages at the same time, in no particular
    /// order. What changes meanwhile is printed at the end: the last line about an `id` counts
    #[arg(
        long,
        value_name = "N",
        requires = "all",
        num_args = 0..=1,
        default_missing_value = "64",
        value_parser = clap::value_parser!(u16).range(1..=256)
    )]
    pub(crate) parallel: Option<u16>,

    /// Print what has changed since the last call with this state file, one change per line; a new file begins with
    /// everything
    #[arg(long, value_name = "STATE-FILE", conflicts_with_all = ["all", "body"])]
    pub(crate) delta: Option<PathBuf>,

    /// Send the requests of a file, 20 in each `$batch`, and print one result per line, in their order. A line is an
    /// object with `method` and `url`, and perhaps `id`, `headers`, `body`, `dependsOn` and `idempotent`
    #[arg(
        long,
        value_name = "FILE.ndjson",
        conflicts_with_all = ["method", "path", "all", "body", "delta", "headers"]
    )]
    pub(crate) batch: Option<PathBuf>,

    /// Write the results of the batch into a file; the same command again goes on after the last line of it
    #[arg(long, value_name = "FILE.ndjson", requires = "batch")]
    pub(crate) to: Option<PathBuf>,

    /// How many batches may be under way at once; then only `dependsOn` says what comes after what
    #[arg(long, value_name = "N", requires = "batch", default_value_t = 1,
        value_parser = clap::value_parser!(u8).range(1..=32))]
    pub(crate) batches: u8,

    /// Send a file: with PUT in one request, with POST in slices to an upload session (`.../createUploadSession`)
    #[arg(long, value_name = "FILE", conflicts_with_all = ["all", "delta", "batch"])]
    pub(crate) upload: Option<PathBuf>,

    /// Write what the API sends into a file, in slices, from where it redirects to; the file is whole or not there
    #[arg(long, value_name = "FILE", conflicts_with_all = ["all", "delta", "batch", "upload"])]
    pub(crate) download: Option<PathBuf>,

    /// Remember the upload session in a file, encrypted; the same command again goes on where it stopped
    #[arg(long, value_name = "STATE-FILE", requires = "upload")]
    pub(crate) state: Option<PathBuf>,

    /// How much of the file goes in one request, in KiB, 10240 by default; for an upload a multiple of 320 below 61440
    #[arg(long, value_name = "KIB", value_parser = clap::value_parser!(u32).range(1..61_440))]
    pub(crate) slice_kib: Option<u32>,
}

impl Call {
    pub(crate) fn method(&self) -> http::Method {
        self.method.clone().unwrap_or_default()
    }

    pub(crate) fn path(&self) -> &str {
        self.path.as_deref().unwrap_or_default()
    }
}

/// A header of a call. Never `Authorization`: that one is the program's own.
#[derive(Clone, Debug)]
pub(crate) struct Header {
    pub(crate) name: String,
    pub(crate) value: String,
}

impl std::str::FromStr for Header {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':').map(|(name, value)| (name.trim(), value.trim())) {
            Some((name, _)) if name.eq_ignore_ascii_case("authorization") => {
                Err("the token is attached by the program itself".to_owned())
            }
            Some((name, value)) if !name.is_empty() && !value.is_empty() => {
                Ok(Self { name: name.to_owned(), value: value.to_owned() })
            }
            _ => Err("not of the form NAME: VALUE, such as \"ConsistencyLevel: eventual\"".to_owned()),
        }
    }
}
