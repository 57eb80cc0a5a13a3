//! The webhook of a workflow of Immich 3: something happened, so it is looked at at once.
//!
//! It carries one asset, as it was before Immich has worked it through and without the album it is in.
//! So nothing is told of it by itself; the look finds what there is to tell, and what comes twice finds
//! nothing new.

use std::borrow::Cow;

use serde_json::Value;

use super::Immich;
use crate::domain::notice::NoticeDraft;
use crate::domain::spec::{ProviderSpec, Verify};
use crate::providers::{Keys, RawRequest, Readable, Unreadable, Unverified, Verified, Webhook};

impl Webhook for Immich {
    fn default_verify(&self) -> Verify {
        Verify::Bearer
    }

    fn accepts(&self, verify: &Verify) -> bool {
        match verify {
            Verify::Bearer | Verify::Path | Verify::None => true,
            Verify::Signature | Verify::Basic | Verify::Hmac(_) => false,
        }
    }

    fn verify_signature(
        &self,
        _request: &RawRequest<'_>,
        _keys: &Keys<'_>,
    ) -> Result<(), Unverified> {
        Err(Unverified::MethodNotAccepted)
    }

    /// The action has one header, whose name its user chooses.
    fn takes_any_header(&self) -> bool {
        true
    }

    fn wakes(&self) -> bool {
        true
    }

    fn document<'r>(&self, request: &Verified<'r>) -> Result<Cow<'r, [u8]>, Unreadable> {
        Ok(Cow::Borrowed(request.request().body))
    }

    fn sender_key(&self, _request: &Verified<'_>) -> Option<String> {
        None
    }

    fn notices(
        &self,
        _spec: &ProviderSpec,
        request: &Readable,
    ) -> Result<Vec<NoticeDraft>, Unreadable> {
        match &request.body {
            Value::Object(_) => Ok(Vec::new()),
            _other => Err(Unreadable::Field {
                field: "body".into(),
                why: "is no object; a workflow's webhook sends one".into(),
            }),
        }
    }
}
