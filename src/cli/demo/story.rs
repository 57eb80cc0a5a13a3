//! What the demo sends, and how each sender proves itself.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::config::Outside;
use crate::shell::entropy::{Entropy as _, SystemEntropy};

/// Random bytes of a secret of the demo.
const SECRET_BYTES: usize = 24;

/// The secrets that the demo's senders and its configuration share, new at each start.
pub struct Secrets {
    workshop: Zeroizing<String>,
    upstream: Zeroizing<String>,
    greenhouse: Zeroizing<String>,
    /// Address of the demo's own receiver.
    pager_url: String,
    /// Part of the ids of requests, so that no two rounds share one.
    round: u64,
}

fn random() -> Zeroizing<String> {
    let mut bytes = Zeroizing::new([0u8; SECRET_BYTES]);
    SystemEntropy.fill(bytes.as_mut_slice());
    Zeroizing::new(hex::encode(bytes.as_slice()))
}

impl Secrets {
    pub fn new(pager_url: String) -> Self {
        Secrets {
            workshop: random(),
            upstream: random(),
            greenhouse: random(),
            pager_url,
            round: SystemEntropy.next_u64(),
        }
    }
}

/// The surroundings of the demo's file: its own secrets and nothing of the machine.
impl Outside for Secrets {
    fn env(&self, name: &str) -> Option<String> {
        match name {
            "DEMO_WORKSHOP_SECRET" => Some(self.workshop.to_string()),
            "DEMO_UPSTREAM_SECRET" => Some(self.upstream.to_string()),
            "DEMO_GREENHOUSE_SECRET" => Some(self.greenhouse.to_string()),
            "DEMO_PAGER_URL" => Some(self.pager_url.clone()),
            _ => None,
        }
    }

    fn file(&self, _: &str) -> Result<String, String> {
        Err("the demo reads no files".to_owned())
    }
}

/// How a sender proves itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    Gitea,
    GitHub,
    Bearer,
    /// As Gitea does, by someone who does not know the secret.
    Forged,
}

/// One request and what is to be seen in it.
pub struct Scene {
    pub heading: &'static str,
    /// What to look at.
    pub about: &'static str,
    pub provider: &'static str,
    pub event: &'static str,
    pub body: &'static str,
    pub proof: Proof,
    /// Requests with the same number are one delivery of the sender.
    pub delivery: u8,
    /// Whether the commit message is shown as it came.
    pub is_quoted: bool,
}

const ISSUE: &str = include_str!("../../../fixtures/demo/issue.json");
const RELEASE: &str = include_str!("../../../fixtures/demo/release.json");

pub const STORY: &[Scene] = &[
    Scene {
        heading: "A push to main",
        about: "each tracker of the provider is asked, and says why",
        provider: "workshop",
        event: "push",
        body: include_str!("../../../fixtures/demo/push.json"),
        proof: Proof::Gitea,
        delivery: 1,
        is_quoted: false,
    },
    Scene {
        heading: "A release",
        about: "another tracker wants this one; the words are the built-in ones",
        provider: "workshop",
        event: "release",
        body: RELEASE,
        proof: Proof::Gitea,
        delivery: 2,
        is_quoted: false,
    },
    Scene {
        heading: "An issue",
        about: "the words come from the template short",
        provider: "workshop",
        event: "issues",
        body: ISSUE,
        proof: Proof::Gitea,
        delivery: 3,
        is_quoted: false,
    },
    Scene {
        heading: "The same issue, delivered again",
        about: "a redelivery is known by its id and says nothing twice",
        provider: "workshop",
        event: "issues",
        body: ISSUE,
        proof: Proof::Gitea,
        delivery: 3,
        is_quoted: false,
    },
    Scene {
        heading: "A push to a side branch",
        about: "a filter refuses it, and names the value that decided",
        provider: "workshop",
        event: "push",
        body: include_str!("../../../fixtures/demo/push-branch.json"),
        proof: Proof::Gitea,
        delivery: 4,
        is_quoted: false,
    },
    Scene {
        heading: "A forged release",
        about: "signed with another secret: refused, and nothing is kept",
        provider: "workshop",
        event: "release",
        body: RELEASE,
        proof: Proof::Forged,
        delivery: 5,
        is_quoted: false,
    },
    Scene {
        heading: "A hostile commit message",
        about: "markup, terminal colours, mentions, a template and reversed text arrive as plain words",
        provider: "workshop",
        event: "push",
        body: include_str!("../../../fixtures/demo/push-hostile.json"),
        proof: Proof::Gitea,
        delivery: 6,
        is_quoted: true,
    },
    Scene {
        heading: "A hot thermometer",
        about: "any JSON can be mapped by expressions; this one is critical",
        provider: "greenhouse",
        event: "",
        body: include_str!("../../../fixtures/demo/heat.json"),
        proof: Proof::Bearer,
        delivery: 7,
        is_quoted: false,
    },
    Scene {
        heading: "A failing run, to a pager that is down",
        about: "a warning for two targets; one of them fails twice and then recovers",
        provider: "upstream",
        event: "workflow_run",
        body: include_str!("../../../fixtures/demo/run.json"),
        proof: Proof::GitHub,
        delivery: 8,
        is_quoted: false,
    },
];

impl Scene {
    /// The headers that its sender would send.
    pub fn headers(&self, secrets: &Secrets) -> Vec<(&'static str, String)> {
        let id = format!("{:016x}-{:04}", secrets.round, self.delivery);
        let mut headers = vec![("content-type", "application/json".to_owned())];
        match self.proof {
            Proof::Gitea | Proof::Forged => {
                let unknown = random();
                let secret = match self.proof {
                    Proof::Forged => unknown,
                    Proof::Gitea | Proof::GitHub | Proof::Bearer => secrets.workshop.clone(),
                };
                headers.push(("x-gitea-event", self.event.to_owned()));
                headers.push(("x-gitea-delivery", id));
                headers.push(("x-gitea-signature", signature(&secret, self.body)));
            }
            Proof::GitHub => {
                let signature = signature(&secrets.upstream, self.body);
                headers.push(("x-github-event", self.event.to_owned()));
                headers.push(("x-github-delivery", id));
                headers.push(("x-hub-signature-256", format!("sha256={signature}")));
            }
            Proof::Bearer => {
                let token = secrets.greenhouse.as_str();
                headers.push(("authorization", format!("Bearer {token}")));
            }
        }
        headers
    }

    /// How the request proves itself, in words.
    pub fn proof_words(&self) -> String {
        match self.proof {
            Proof::Gitea => format!("X-Gitea-Event: {}, signed", self.event),
            Proof::Forged => format!("X-Gitea-Event: {}, signed with a guess", self.event),
            Proof::GitHub => format!("X-GitHub-Event: {}, signed", self.event),
            Proof::Bearer => "with its bearer token".to_owned(),
        }
    }
}

fn signature(secret: &str, body: &str) -> String {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes a key of any length");
    mac.update(body.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}
