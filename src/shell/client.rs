use std::time::Duration;
pub struct Client;
#[derive(Debug, thiserror::Error)]
#[error("x")]
pub struct ClientError;
impl Client {
    pub fn new(_: super::address::AddressPolicy) -> Result<Client, ClientError> {
        Ok(Client)
    }
    pub async fn perform(
        &self,
        _: &crate::targets::Call,
        _: bool,
        _: &super::redact::Redactor,
    ) -> (crate::targets::Reply, Duration) {
        (
            crate::targets::Reply::NotSent { why: String::new() },
            Duration::ZERO,
        )
    }
}
