//! Kind `webhook`: the notice as JSON, sent and signed as Standard Webhooks describes.
//!
//! **Invariant:** what a person configures as headers can neither replace what this module signs and
//! counts with, nor break out of its header.

mod headers;
mod sign;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::answer;
use super::flat::plain;
use super::{
    Call, CallContext, HOP_HEADER, Message, Part, Reply, Scope, SecretField, Target, USER_AGENT,
    Unsendable, Verdict, json, payload, refuse_loop,
};
use crate::domain::spec::{ReceiverSpec, TargetSpec};

/// Largest body, in bytes. The default body leaves out the notice's bulk, in the order of
/// [`LEFT_OUT`], until it fits, and lists that in `data.left_out`; a template's body is refused.
const BODY_BYTES_MAX: usize = 192 * 1_024;
/// Longest text of the default body once the notice's bulk had to go, in bytes.
const TEXT_BYTES_MAX: usize = 24 * 1_024;
/// What of a notice goes first when a body is too large.
const LEFT_OUT: [&str; 5] = ["items", "before", "after", "labels", "text"];

const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";

pub struct Webhook;

#[derive(Serialize, Deserialize)]
struct Payload {
    content_type: String,
    #[serde(default)]
    hops: u8,
}

/// The default body, in the contract's order.
#[derive(Serialize)]
struct Body<'a> {
    #[serde(rename = "type")]
    kind: String,
    timestamp: &'a str,
    data: Data<'a>,
}

#[derive(Serialize)]
struct Data<'a> {
    delivery_id: &'a str,
    title: String,
    text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    notice: Option<Value>,
    /// Of a digest, all it tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    notices: Option<Vec<Value>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    left_out: Vec<&'static str>,
}

impl Target for Webhook {
    fn kind(&self) -> &'static str {
        "webhook"
    }

    fn has_receivers(&self) -> bool {
        false
    }

    fn secret_fields(&self) -> &'static [SecretField] {
        &[
            SecretField {
                name: "url",
                required: true,
            },
            SecretField {
                name: "secret",
                required: false,
            },
            SecretField {
                name: "headers",
                required: false,
            },
        ]
    }

    fn option_fields(&self) -> &'static [&'static str] {
        &["method", "body"]
    }

    fn receiver_fields(&self) -> &'static [&'static str] {
        &[]
    }

    fn lane_depth(&self) -> u16 {
        64
    }

    fn format(&self) -> &'static str {
        "plain"
    }

    fn promise(&self) -> &'static str {
        "At least once: each try carries the same webhook-id, by which the receiving side can drop a repetition."
    }

    fn compose(
        &self,
        message: &Message,
        target: &TargetSpec,
        _to: &ReceiverSpec,
    ) -> Result<Vec<Part>, Unsendable> {
        refuse_loop(message.hops)?;
        method(target)?;
        let (text, content_type) = match &message.body {
            Some(body) => (body.clone(), content_type(body)),
            None => (default_body(message), JSON),
        };
        if text.len() > BODY_BYTES_MAX {
            return Err(Unsendable {
                reason: format!(
                    "the body is {} bytes long, at most {BODY_BYTES_MAX} are sent; shorten the template in `body`",
                    text.len()
                ),
            });
        }
        Ok(vec![Part {
            kind: "body".into(),
            text,
            payload: json(&Payload {
                content_type: content_type.into(),
                hops: message.hops,
            }),
        }])
    }

    fn call(&self, part: &Part, context: &CallContext<'_>) -> Result<Call, Unsendable> {
        let stored: Payload = payload(part)?;
        let url = answer::address("url", answer::secret(context.secrets, "url")?)?;
        let id = match context.part {
            0 => context.delivery_id.to_owned(),
            n => format!("{}.{n}", context.delivery_id),
        };
        let mut sent = vec![
            ("content-type".to_owned(), stored.content_type),
            ("user-agent".to_owned(), USER_AGENT.to_owned()),
        ];
        if let Some(text) = context.secrets.get("headers") {
            headers::add(text, &mut sent)?;
        }
        sent.push((
            HOP_HEADER.to_owned(),
            stored.hops.saturating_add(1).to_string(),
        ));
        let timestamp = context.now_seconds.to_string();
        if let Some(secret) = context.secrets.get("secret") {
            let signature = sign::signature(secret, &id, &timestamp, part.text.as_bytes())?;
            sent.push(("webhook-signature".to_owned(), signature));
        }
        sent.push(("webhook-id".to_owned(), id));
        sent.push(("webhook-timestamp".to_owned(), timestamp));
        Ok(Call {
            method: method(context.target)?,
            url: url.into(),
            headers: sent,
            body: part.text.clone().into_bytes(),
        })
    }

    fn judge(&self, _part: &Part, reply: &Reply) -> Verdict {
        let (status, body) = match answer::answered(reply) {
            Ok(answered) => answered,
            Err(verdict) => return verdict,
        };
        let said = answer::excerpt(&String::from_utf8_lossy(body));
        let reason = if said.is_empty() {
            format!("answered {status}")
        } else {
            format!("answered {status}: {said}")
        };
        match status {
            200..=299 => Verdict::Sent {
                ids: Vec::new(),
                pause: None,
            },
            300..=399 => answer::redirected(status, reply, "url"),
            410 => Verdict::Gone { reason },
            408 | 425 | 429 | 500..=599 => Verdict::Retry {
                after: answer::retry_after(reply),
                // Who cannot answer this one answers no other; what it has against this one is its own.
                scope: match status {
                    429 => Scope::Receiver,
                    500..=599 => Scope::Target,
                    _of_the_message => Scope::Message,
                },
                reason,
            },
            _other => Verdict::Rejected { reason },
        }
    }

    /// There is none: any request to the address would be a message.
    fn probe(&self, _context: &CallContext<'_>) -> Option<Result<Call, Unsendable>> {
        None
    }
}

fn method(target: &TargetSpec) -> Result<&'static str, Unsendable> {
    let Some(wanted) = target.method.as_deref() else {
        return Ok("POST");
    };
    ["POST", "PUT", "PATCH"]
        .into_iter()
        .find(|known| known.eq_ignore_ascii_case(wanted))
        .ok_or_else(|| Unsendable {
            reason: "`method` is none of POST, PUT and PATCH; set it to one of them".into(),
        })
}

fn content_type(body: &str) -> &'static str {
    match serde_json::from_str::<serde::de::IgnoredAny>(body) {
        Ok(_) => JSON,
        Err(_) => TEXT,
    }
}

fn default_body(message: &Message) -> String {
    let mut body = Body {
        kind: match &message.notices {
            Some(_) => message.kind.clone(),
            None => format!("notice.{}", message.kind),
        },
        timestamp: &message.received_at,
        data: Data {
            delivery_id: &message.delivery_id,
            title: plain(&message.title),
            text: plain(&message.text),
            notice: message.notices.is_none().then(|| message.notice.clone()),
            notices: message.notices.clone(),
            left_out: Vec::new(),
        },
    };
    let mut text = json(&body);
    for field in LEFT_OUT {
        if text.len() <= BODY_BYTES_MAX {
            break;
        }
        let data = &mut body.data;
        let all = data
            .notice
            .iter_mut()
            .chain(data.notices.iter_mut().flatten());
        let mut removed = false;
        for notice in all.filter_map(Value::as_object_mut) {
            removed |= notice.remove(field).is_some();
        }
        if removed {
            data.left_out.push(field);
            text = json(&body);
        }
    }
    if text.len() > BODY_BYTES_MAX && body.data.notices.take().is_some() {
        body.data.left_out.push("notices");
        text = json(&body);
    }
    if text.len() > BODY_BYTES_MAX {
        for long in [&mut body.data.title, &mut body.data.text] {
            crate::domain::notice::cut(long, TEXT_BYTES_MAX);
        }
        text = json(&body);
    }
    text
}
