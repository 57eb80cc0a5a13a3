//! Asking a running program over its API.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Method, StatusCode};
use serde_json::Value;
use url::Url;

use super::args::Place;
use super::failure::Failure;
use super::printer::escaped;
use super::{secret, trust};
use crate::shell::client::{SystemResolver, is_of_unknown_issuer};

/// Longest time to connect, in seconds.
const CONNECT_SECONDS_MAX: u64 = 5;
/// Longest time for a whole call, in seconds.
const CALL_SECONDS_MAX: u64 = 60;
/// Longest time for a backup to arrive: a day.
const DOWNLOAD_MAX: Duration = Duration::from_secs(86_400);
/// Largest answer that is read, in bytes.
const ANSWER_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Items asked for at a time, as many as the API gives.
const PAGE_ITEMS_MAX: u32 = 500;

/// A running program.
pub struct Remote {
    base: Url,
    http: reqwest::Client,
    token: Option<HeaderValue>,
}

/// What came back, whatever it says.
pub struct Answer {
    pub status: StatusCode,
    pub body: Value,
}

impl Remote {
    pub fn new(place: &Place) -> Result<Remote, Failure> {
        let token = match (&place.token, &place.token_file) {
            (Some(token), _) => Some(zeroize::Zeroizing::new(token.clone())),
            (None, Some(file)) => Some(secret::of_file("--token-file", file)?),
            (None, None) => None,
        };
        let token = token
            .map(|token| {
                let mut value = HeaderValue::from_str(&format!("Bearer {}", token.trim()))
                    .map_err(|_| {
                        Failure::Input("--token holds characters a token never has".to_owned())
                    })?;
                value.set_sensitive(true);
                Ok::<_, Failure>(value)
            })
            .transpose()?;
        Ok(Remote {
            token,
            ..Remote::open(&place.url, &place.ca_file)?
        })
    }

    /// Without a token.
    pub fn open(url: &str, ca_files: &[PathBuf]) -> Result<Remote, Failure> {
        let mut base = Url::parse(url)
            .ok()
            .filter(|base| matches!(base.scheme(), "http" | "https") && base.has_host())
            .ok_or_else(|| Failure::Input(format!("--url {url} is not an address of a program")))?;
        base.set_query(None);
        base.set_fragment(None);
        Ok(Remote {
            base,
            http: client(ca_files)?,
            token: None,
        })
    }

    /// Calls below `/api`, and gives the answer as it is.
    pub async fn ask(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, String)],
        body: Option<&Value>,
    ) -> Result<Answer, Failure> {
        let path: Vec<&str> = std::iter::once("api").chain(path.iter().copied()).collect();
        let mut url = self.url(&path)?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let mut request = self.http.request(method, url);
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, token.clone());
        }
        if let Some(body) = body {
            request = request
                .header(CONTENT_TYPE, "application/json")
                .body(body.to_string());
        }
        self.answer(request).await
    }

    /// Posts below `/api/v1` and writes the answer into a temporary file beside `file`, however long
    /// that takes. Gives the file and its size.
    pub async fn download(
        &self,
        path: &[&str],
        body: &Value,
        file: &Path,
        progress: &dyn Fn(u64),
    ) -> Result<(tempfile::NamedTempFile, u64), Failure> {
        let cannot = |error: std::io::Error| {
            Failure::caused(format!("{} cannot be written", file.display()), error)
        };
        if file.exists() {
            return Err(Failure::Failed(format!(
                "{} exists already; choose another name",
                file.display()
            )));
        }
        let folder = match file.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            Some(_) | None => Path::new("."),
        };
        let mut out = tempfile::Builder::new()
            .prefix(".backup-")
            .suffix(".part")
            .tempfile_in(folder)
            .map_err(cannot)?;
        let path: Vec<&str> = ["api", "v1"]
            .into_iter()
            .chain(path.iter().copied())
            .collect();
        let mut request = self
            .http
            .post(self.url(&path)?)
            .timeout(DOWNLOAD_MAX)
            .header(CONTENT_TYPE, "application/json")
            .body(body.to_string());
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, token.clone());
        }
        let broken = |error: reqwest::Error| {
            Failure::caused(
                format!("the download from {} broke off", self.base()),
                error,
            )
        };
        let mut response = request.send().await.map_err(broken)?;
        if !response.status().is_success() {
            let status = response.status();
            let bytes = response.bytes().await.map_err(broken)?;
            let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
            return Err(refusal(&Answer { status, body }, self.token.is_some()));
        }
        let mut bytes = 0;
        while let Some(chunk) = response.chunk().await.map_err(broken)? {
            out.write_all(&chunk).map_err(cannot)?;
            bytes += chunk.len() as u64;
            progress(bytes);
        }
        out.as_file().sync_all().map_err(cannot)?;
        Ok((out, bytes))
    }

    /// Where it is, without a slash at the end.
    pub fn base(&self) -> String {
        self.base.as_str().trim_end_matches('/').to_owned()
    }

    /// Gives a webhook to the intake, as its sender would.
    pub async fn hook(
        &self,
        provider: &str,
        headers: &[(&'static str, String)],
        body: &'static str,
    ) -> Result<Answer, Failure> {
        let url = self.url(&["hooks", provider])?;
        let mut request = self.http.post(url).body(body);
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        self.answer(request).await
    }

    fn url(&self, path: &[&str]) -> Result<Url, Failure> {
        let mut url = self.base.clone();
        url.path_segments_mut()
            .map_err(|()| Failure::Input("--url cannot have a path".to_owned()))?
            .pop_if_empty()
            .extend(path);
        Ok(url)
    }

    async fn answer(&self, request: reqwest::RequestBuilder) -> Result<Answer, Failure> {
        let unreachable = |error: reqwest::Error| {
            let base = self.base();
            let doing = if is_of_unknown_issuer(&error) {
                format!(
                    "{base} shows a certificate of an issuer that is not known here; if the CA is your own, give --ca-file"
                )
            } else {
                format!("{base} does not answer; is the program running there?")
            };
            Failure::caused(doing, error.without_url())
        };
        let mut response = request.send().await.map_err(unreachable)?;
        let status = response.status();
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            if bytes.len() + chunk.len() > ANSWER_BYTES_MAX {
                return Err(Failure::Failed(format!(
                    "the answer has more than {ANSWER_BYTES_MAX} bytes; ask for less"
                )));
            }
            bytes.extend_from_slice(&chunk);
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let body = if text.is_empty() {
            Value::Null
        } else {
            serde_json::from_str(&text).unwrap_or(Value::String(text))
        };
        Ok(Answer { status, body })
    }

    /// Calls below `/api/v1` and wants success.
    pub async fn call(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, String)],
        body: Option<&Value>,
    ) -> Result<Value, Failure> {
        let path: Vec<&str> = std::iter::once("v1").chain(path.iter().copied()).collect();
        let answer = self.ask(method, &path, query, body).await?;
        if answer.status.is_success() {
            return Ok(answer.body);
        }
        Err(refusal(&answer, self.token.is_some()))
    }

    /// As [`Remote::get`]; `None` when there is no such thing.
    pub async fn found(
        &self,
        path: &[&str],
        query: &[(&str, String)],
    ) -> Result<Option<Value>, Failure> {
        let path: Vec<&str> = std::iter::once("v1").chain(path.iter().copied()).collect();
        let answer = self.ask(Method::GET, &path, query, None).await?;
        match answer.status {
            StatusCode::NOT_FOUND => Ok(None),
            status if status.is_success() => Ok(Some(answer.body)),
            _ => Err(refusal(&answer, self.token.is_some())),
        }
    }

    /// An answer that is text and not JSON.
    pub async fn text(&self, path: &[&str], query: &[(&str, String)]) -> Result<String, Failure> {
        match self.get(path, query).await? {
            Value::String(text) => Ok(text),
            other => Ok(other.to_string()),
        }
    }

    pub async fn get(&self, path: &[&str], query: &[(&str, String)]) -> Result<Value, Failure> {
        self.call(Method::GET, path, query, None).await
    }

    /// Items of a list, page by page, at most `limit`.
    pub async fn list(
        &self,
        path: &[&str],
        query: &[(&str, String)],
        limit: u32,
        mut each: impl FnMut(Vec<Value>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let mut left = limit;
        let mut cursor: Option<String> = None;
        while left > 0 {
            let mut query = query.to_vec();
            query.push(("limit", left.min(PAGE_ITEMS_MAX).to_string()));
            if let Some(cursor) = cursor.take() {
                query.push(("cursor", cursor));
            }
            let mut page = self.get(path, &query).await?;
            let mut items = match page.get_mut("items").map(Value::take) {
                Some(Value::Array(items)) => items,
                Some(_) | None => Vec::new(),
            };
            items.truncate(left as usize);
            left -= items.len() as u32;
            cursor = match &page["next"] {
                Value::String(next) if !items.is_empty() => Some(next.clone()),
                _ => None,
            };
            each(items)?;
            if cursor.is_none() {
                break;
            }
        }
        Ok(())
    }
}

/// What a refusing answer means, for the person.
fn refusal(answer: &Answer, had_token: bool) -> Failure {
    let detail = match answer.body["detail"].as_str() {
        Some(detail) => detail.to_owned(),
        None => format!("the program answered {}", answer.status),
    };
    let mut lines = vec![escaped(&detail)];
    if let Some(errors) = answer.body["errors"].as_array() {
        for error in errors {
            let field = error["field"].as_str().unwrap_or("");
            let message = error["message"].as_str().unwrap_or("");
            let line = escaped(&format!("{field}: {message}"));
            if !lines[0].contains(message) {
                lines.push(format!("  {line}"));
            }
        }
    }
    if answer.status == StatusCode::UNAUTHORIZED && !had_token {
        lines.push("  give an API token: --token, --token-file or NOTIFY_BRIDGE_TOKEN".to_owned());
    }
    // Each line was escaped by itself, and a failure is one line: print the rest here.
    if lines.len() > 1 {
        for line in &lines {
            super::printer::complain(line);
        }
        return Failure::Said(code(answer.status));
    }
    match code(answer.status) {
        2 => Failure::Input(detail),
        _ => Failure::Failed(detail),
    }
}

fn code(status: StatusCode) -> u8 {
    match status {
        StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY => 2,
        _ => 1,
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the person at the command line chose the address, and answers are shown to nobody else"
)]
/// Connections of the person's own: no proxy of the environment, no redirect that would carry the
/// token elsewhere.
fn client(ca_files: &[PathBuf]) -> Result<reqwest::Client, Failure> {
    let cannot = |error: Box<dyn std::error::Error + Send + Sync>| {
        Failure::caused("the HTTP client cannot be set up", error)
    };
    let tls = trust::roots(ca_files)?
        .tls()
        .map_err(|error| cannot(error.into()))?;
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .http1_only()
        .dns_resolver(SystemResolver::default())
        .connect_timeout(Duration::from_secs(CONNECT_SECONDS_MAX))
        .timeout(Duration::from_secs(CALL_SECONDS_MAX))
        .user_agent(crate::targets::USER_AGENT)
        .build()
        .map_err(|error| cannot(error.into()))
}
