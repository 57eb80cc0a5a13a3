//! Answers in gzip, for who accepts it.
//!
//! **Invariant:** only pages and their files are compressed: no stream is ever held back for it.
//!
//! **Invariant:** the length of a page tells nothing about the secrets in it. Tokens of forms are
//! masked anew in every answer (see [`super::session`]), and a page that another site asked for, with
//! words of its choice in the address, is not compressed at all.

use std::io::Write as _;
use std::sync::LazyLock;

use axum::body::{Body, Bytes, HttpBody as _};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use flate2::Compression;
use flate2::write::GzEncoder;
use notify_web::assets::{ALL, Asset};

use super::problem::Problem;

/// Smallest page that is worth it, in bytes: what is smaller fits into one packet as it is.
const PAGE_BYTES_MIN: u64 = 1024;
/// Largest page that is compressed, in bytes. It takes the processor about 5 ms.
const PAGE_BYTES_MAX: u64 = 1024 * 1024;

/// The files of the pages, compressed as well as can be, once.
static FILES: LazyLock<Vec<(&'static Asset, Option<Bytes>)>> = LazyLock::new(|| {
    let compress =
        |asset: &'static Asset| (asset, gzip(asset.body.as_bytes(), Compression::best()));
    ALL.iter().map(compress).collect()
});

/// A file as this client takes it.
pub fn asset(headers: &HeaderMap, asset: &'static Asset) -> Response {
    let mut files = FILES.iter().filter(|_| accepts_gzip(headers));
    let compressed = files
        .find(|(known, _)| known.hash == asset.hash)
        .and_then(|(_, compressed)| compressed.clone());
    let mut response = match compressed {
        Some(body) => in_gzip(body.into_response()),
        None => asset.body.into_response(),
    };
    vary(response.headers_mut());
    response
}

/// Compresses a page on its way out.
pub async fn compressed(request: Request, next: Next) -> Response {
    let wanted = accepts_gzip(request.headers()) && !is_of_another_site(request.headers());
    let mut response = next.run(request).await;
    if !is_page(response.headers()) {
        return response;
    }
    vary(response.headers_mut());
    // A body whose length is not known is still being made.
    let length = response.body().size_hint().exact();
    let is_worth_it =
        length.is_some_and(|bytes| (PAGE_BYTES_MIN..=PAGE_BYTES_MAX).contains(&bytes));
    if !wanted || !is_worth_it || response.headers().contains_key(header::CONTENT_ENCODING) {
        return response;
    }
    let (mut head, body) = response.into_parts();
    let Ok(page) = axum::body::to_bytes(body, PAGE_BYTES_MAX as usize).await else {
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        return Problem::new(status, "the page broke off while it was made").into_response();
    };
    let Some(small) = gzip(&page, Compression::default()) else {
        return Response::from_parts(head, Body::from(page));
    };
    head.headers.remove(header::CONTENT_LENGTH);
    in_gzip(Response::from_parts(head, Body::from(small)))
}

fn in_gzip(mut response: Response) -> Response {
    let gzip = HeaderValue::from_static("gzip");
    response
        .headers_mut()
        .insert(header::CONTENT_ENCODING, gzip);
    response
}

/// Says that the answer depends on what the client accepts.
fn vary(headers: &mut HeaderMap) {
    headers.append(header::VARY, HeaderValue::from_static("accept-encoding"));
}

fn is_page(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.starts_with("text/html"))
}

/// `None` when it cannot be compressed, which memory does not do.
fn gzip(bytes: &[u8], level: Compression) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 4), level);
    encoder.write_all(bytes).ok()?;
    encoder.finish().ok().map(Bytes::from)
}

/// Whether another site led here. What browsers say of it cannot be said by a page.
fn is_of_another_site(headers: &HeaderMap) -> bool {
    headers
        .get("sec-fetch-site")
        .is_some_and(|site| site != "same-origin" && site != "none")
}

/// Whether the client takes gzip: named, or meant by `*`, and not with a weight of 0.
fn accepts_gzip(headers: &HeaderMap) -> bool {
    let mut any = false;
    let codings = headers
        .get_all(header::ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    for coding in codings {
        let (name, parameters) = coding.split_once(';').unwrap_or((coding, ""));
        let weight = parameters
            .split(';')
            .find_map(|parameter| parameter.trim().strip_prefix("q="));
        let taken = weight.is_none_or(|weight| weight.parse::<f32>().is_ok_and(|q| q > 0.0));
        match name.trim() {
            name if name.eq_ignore_ascii_case("gzip") => return taken,
            "*" => any = taken,
            _ => {}
        }
    }
    any
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_sent_to_who_takes_it() {
        for (said, expected) in [
            (&["gzip"][..], true),
            (&["gzip, deflate, br, zstd"], true),
            (&["br;q=1.0, GZip;q=0.5"], true),
            (&["br", "gzip"], true),
            (&["*"], true),
            (&["*;q=0.1"], true),
            (&["gzip;q=0, *"], false),
            (&["gzip; q=0.000"], false),
            (&["gzip;q=much"], false),
            (&["*;q=0"], false),
            (&["identity"], false),
            (&["br"], false),
            (&["gzippy"], false),
            (&[""], false),
            (&[], false),
        ] {
            let mut headers = HeaderMap::new();
            for value in said {
                headers.append(header::ACCEPT_ENCODING, HeaderValue::from_static(value));
            }
            assert_eq!(accepts_gzip(&headers), expected, "{said:?}");
        }
    }
}
