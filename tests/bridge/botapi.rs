//! A Bot API that enforces what the real one does: sizes, groups, what stands together, names of
//! fields. It keeps every message it took.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, Uri};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;

/// Bytes by which a picture is known to be broken: it begins well and cannot be read.
pub const BROKEN: &[u8] = b"this picture is broken";

/// One message that was taken.
#[derive(Debug, Clone)]
pub struct Taken {
    pub id: i64,
    /// `text`, `photo`, `video`, …
    pub form: String,
    /// Text or caption.
    pub words: String,
    /// The name of the file, or the `file_id` it was sent by.
    pub file: String,
    pub by_id: bool,
    /// Which call it came with.
    pub call: usize,
    pub fields: BTreeMap<String, String>,
}

#[derive(Default)]
struct Inside {
    taken: Vec<Taken>,
    calls: Vec<(String, Vec<String>)>,
    files: HashSet<String>,
    /// Answers given instead of the next ones: (status, body).
    script: VecDeque<(u16, Value)>,
    /// The call that is taken and never answered.
    hangs_at: Option<usize>,
}

pub struct BotApi {
    pub address: String,
    inside: Arc<Mutex<Inside>>,
    count: watch::Receiver<usize>,
    _task: tokio::task::JoinHandle<()>,
}

impl BotApi {
    pub async fn start() -> Self {
        let inside = Arc::new(Mutex::new(Inside::default()));
        let (counted, count) = watch::channel(0);
        let shared = Arc::clone(&inside);
        let answer = move |uri: Uri, headers: HeaderMap, body: Bytes| {
            let (shared, counted) = (Arc::clone(&shared), counted.clone());
            async move {
                let method = uri.path().rsplit('/').next().unwrap_or("").to_owned();
                let (hangs, (status, answer)) = {
                    let mut inside = shared.lock().expect("no panic while held");
                    let nth = inside.calls.len();
                    let hangs = method != "sendChatAction" && inside.hangs_at == Some(nth);
                    (hangs, inside.answer(&method, &headers, &body))
                };
                counted.send_modify(|count| *count += 1);
                if hangs {
                    std::future::pending::<()>().await;
                }
                (
                    StatusCode::from_u16(status).expect("a status"),
                    axum::Json(answer),
                )
            }
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let router = Router::new()
            .fallback(answer)
            .layer(axum::extract::DefaultBodyLimit::disable());
        let task = tokio::spawn(async move {
            axum::serve(listener, router).await.expect("it serves");
        });
        BotApi {
            address: format!("http://127.0.0.1:{port}"),
            inside,
            count,
            _task: task,
        }
    }

    fn inside<T>(&self, see: impl FnOnce(&mut Inside) -> T) -> T {
        see(&mut self.inside.lock().expect("no panic while held"))
    }

    pub fn taken(&self) -> Vec<Taken> {
        self.inside(|inside| inside.taken.clone())
    }

    /// Methods called, without chat actions.
    pub fn methods(&self) -> Vec<String> {
        self.inside(|inside| {
            inside
                .calls
                .iter()
                .map(|(method, _)| method.clone())
                .collect()
        })
    }

    /// Every call with the names of its fields.
    pub fn calls(&self) -> Vec<(String, Vec<String>)> {
        self.inside(|inside| inside.calls.clone())
    }

    pub fn script(&self, status: u16, answer: Value) {
        self.inside(|inside| inside.script.push_back((status, answer)));
    }

    /// The call of this number is taken, and its answer never comes.
    pub fn hang_at(&self, call: Option<usize>) {
        self.inside(|inside| inside.hangs_at = call);
    }

    /// It has no file any more that it ever took.
    pub fn forget_files(&self) {
        self.inside(|inside| inside.files.clear());
    }

    pub async fn until(&self, what: &str, enough: impl Fn(&[Taken]) -> bool) {
        let mut count = self.count.clone();
        let waited = tokio::time::timeout(std::time::Duration::from_secs(60), async {
            while !enough(&self.taken()) {
                count.changed().await.expect("it serves");
            }
        });
        assert!(waited.await.is_ok(), "waited in vain until {what}");
    }
}

impl Inside {
    fn answer(&mut self, method: &str, headers: &HeaderMap, body: &[u8]) -> (u16, Value) {
        if method == "sendChatAction" {
            return (200, json!({"ok": true, "result": true}));
        }
        let (fields, files) = read(headers, body);
        let mut names: Vec<String> = fields.keys().cloned().collect();
        let attached = |name: &&String| {
            !fields
                .get("media")
                .is_some_and(|media| media.contains(&format!("attach://{name}")))
        };
        names.extend(files.keys().filter(attached).cloned());
        self.calls.push((method.to_owned(), names));
        if let Some(scripted) = self.script.pop_front() {
            return scripted;
        }
        if body.len() > 50_500_000 {
            return (
                413,
                json!({"ok": false, "error_code": 413, "description": "Request Entity Too Large"}),
            );
        }
        match self.take(method, &fields, &files) {
            Ok(result) => (200, json!({"ok": true, "result": result})),
            Err(why) => (
                400,
                json!({"ok": false, "error_code": 400, "description": format!("Bad Request: {why}")}),
            ),
        }
    }

    fn take(
        &mut self,
        method: &str,
        fields: &BTreeMap<String, String>,
        files: &BTreeMap<String, (String, Vec<u8>)>,
    ) -> Result<Value, String> {
        if !fields.contains_key("chat_id") {
            return Err("chat_id is empty".into());
        }
        let field = |name: &str| fields.get(name).cloned().unwrap_or_default();
        let form = match method {
            "sendMessage" => {
                let text = field("text");
                if text.is_empty() || text.chars().count() > 4_096 {
                    return Err("message text is empty or too long".into());
                }
                return Ok(self.keep("text", text, None, fields));
            }
            "sendMediaGroup" => return self.take_group(fields, files),
            "sendPhoto" => "photo",
            "sendVideo" => "video",
            "sendAnimation" => "animation",
            "sendAudio" => "audio",
            "sendDocument" => "document",
            other => return Err(format!("method {other} not found")),
        };
        let file = match files.get(form) {
            Some((name, bytes)) => {
                check(form, bytes)?;
                (name.clone(), false)
            }
            None => (self.known(&field(form))?, true),
        };
        check_caption(&field("caption"))?;
        Ok(self.keep(form, field("caption"), Some(file), fields))
    }

    fn take_group(
        &mut self,
        fields: &BTreeMap<String, String>,
        files: &BTreeMap<String, (String, Vec<u8>)>,
    ) -> Result<Value, String> {
        let media: Vec<Value> = fields
            .get("media")
            .and_then(|media| serde_json::from_str(media).ok())
            .ok_or("media is not a list")?;
        if !(2..=10).contains(&media.len()) {
            return Err(format!("there must be 2-10 items, not {}", media.len()));
        }
        if fields.contains_key("reply_markup") {
            return Err("a group has no reply_markup".into());
        }
        let forms: Vec<&str> = media
            .iter()
            .map(|entry| entry["type"].as_str().unwrap_or(""))
            .collect();
        let visual = |form: &&str| matches!(*form, "photo" | "video");
        if !forms.iter().all(visual) && forms.iter().any(|form| *form != forms[0]) {
            return Err("documents and audio stand with their like".into());
        }
        let mut kept = Vec::new();
        for (entry, form) in media.iter().zip(&forms) {
            let named = entry["media"].as_str().unwrap_or("");
            let file = match named.strip_prefix("attach://") {
                Some(name) => {
                    let (label, bytes) = files.get(name).ok_or("no such attachment")?;
                    check(form, bytes)?;
                    (label.clone(), false)
                }
                None => (self.known(named)?, true),
            };
            check_caption(entry["caption"].as_str().unwrap_or(""))?;
            kept.push((
                (*form).to_owned(),
                entry["caption"].as_str().unwrap_or("").to_owned(),
                file,
            ));
        }
        let kept: Vec<Value> = kept
            .into_iter()
            .map(|(form, words, file)| self.keep(&form, words, Some(file), fields))
            .collect();
        Ok(kept.into())
    }

    fn known(&self, id: &str) -> Result<String, String> {
        if self.files.contains(id) {
            Ok(id.to_owned())
        } else {
            Err("wrong file identifier/HTTP URL specified".into())
        }
    }

    fn keep(
        &mut self,
        form: &str,
        words: String,
        file: Option<(String, bool)>,
        fields: &BTreeMap<String, String>,
    ) -> Value {
        let id = 1_000 + self.taken.len() as i64;
        let (file, by_id) = file.unwrap_or_default();
        let mut result = json!({"message_id": id, "date": 1, "chat": {"id": 1}});
        if form != "text" {
            let file_id = if by_id {
                file.clone()
            } else {
                format!("F{id}")
            };
            self.files.insert(file_id.clone());
            result[form] = match form {
                "photo" => json!([{"file_id": "small"}, {"file_id": file_id}]),
                _ => json!({"file_id": file_id}),
            };
        }
        self.taken.push(Taken {
            id,
            form: form.to_owned(),
            words,
            file,
            by_id,
            call: self.calls.len() - 1,
            fields: fields.clone(),
        });
        result
    }
}

fn check_caption(caption: &str) -> Result<(), String> {
    if caption.encode_utf16().count() > 1_100 {
        return Err("message caption is too long".into());
    }
    Ok(())
}

fn check(form: &str, bytes: &[u8]) -> Result<(), String> {
    let bytes_max = if form == "photo" {
        10_000_000
    } else {
        50_000_000
    };
    if bytes.len() > bytes_max {
        return Err("file is too big".into());
    }
    if form == "photo" {
        if !bytes.starts_with(&[0xFF, 0xD8, 0xFF])
            || bytes.windows(BROKEN.len()).any(|w| w == BROKEN)
        {
            return Err("IMAGE_PROCESS_FAILED".into());
        }
        let size = imagesize::blob_size(bytes).map_err(|_| "IMAGE_PROCESS_FAILED")?;
        if size.width + size.height > 10_000 {
            return Err("PHOTO_INVALID_DIMENSIONS".into());
        }
    }
    Ok(())
}

type Files = BTreeMap<String, (String, Vec<u8>)>;

/// Fields and files of a call, a form or JSON.
fn read(headers: &HeaderMap, body: &[u8]) -> (BTreeMap<String, String>, Files) {
    let content_type = headers["content-type"].to_str().expect("a type");
    let mut fields = BTreeMap::new();
    let mut files = Files::new();
    let Some((_, boundary)) = content_type.split_once("boundary=") else {
        let body: Value = serde_json::from_slice(body).expect("JSON");
        for (name, value) in body.as_object().expect("an object") {
            let text = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            fields.insert(name.clone(), text);
        }
        return (fields, files);
    };
    assert!(headers.contains_key("content-length"), "its length is told");
    let mark = format!("--{boundary}");
    let mut rest = body;
    while let Some(start) = find(rest, mark.as_bytes()) {
        rest = &rest[start + mark.len()..];
        let Some(head) = find(rest, b"\r\n\r\n") else {
            break;
        };
        let text = String::from_utf8_lossy(&rest[..head]).into_owned();
        let content = &rest[head + 4..];
        let end = find(content, format!("\r\n{mark}").as_bytes()).expect("it ends");
        let quoted = |name: &str| {
            let (_, after) = text.split_once(&format!("; {name}=\""))?;
            after.split('"').next().map(str::to_owned)
        };
        let name = quoted("name").expect("a name");
        match quoted("filename") {
            Some(file) => {
                files.insert(name, (file, content[..end].to_vec()));
            }
            None => {
                fields.insert(name, String::from_utf8_lossy(&content[..end]).into_owned());
            }
        }
        rest = &content[end + 2..];
    }
    (fields, files)
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    memchr::memmem::find(bytes, wanted)
}

/// A JPEG of this size in pixels and bytes: what a reader of headers takes for one.
pub fn jpeg(width: u16, height: u16, bytes: usize, filling: &[u8]) -> Vec<u8> {
    let mut jpeg = vec![0xFF, 0xD8, 0xFF, 0xE0, 0, 16];
    jpeg.extend_from_slice(b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0");
    jpeg.extend_from_slice(&[0xFF, 0xC0, 0, 11, 8]);
    jpeg.extend_from_slice(&height.to_be_bytes());
    jpeg.extend_from_slice(&width.to_be_bytes());
    jpeg.extend_from_slice(&[1, 1, 0x11, 0, 0xFF, 0xDA]);
    jpeg.extend_from_slice(filling);
    jpeg.resize(jpeg.len().max(bytes), 0x20);
    jpeg
}
