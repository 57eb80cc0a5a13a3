//! A name server that knows a handful of names.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::UdpSocket;

/// Bytes of a message's head.
const HEAD: usize = 12;
/// Largest message that is read.
const MESSAGE_BYTES_MAX: usize = 1_232;
const TYPE_A: [u8; 2] = [0, 1];
const TTL_SECONDS: u32 = 60;
const NO_ERROR: u8 = 0;
const NO_SUCH_NAME: u8 = 3;

/// Answers at this address until the program ends.
pub async fn serve(
    address: SocketAddr,
    names: BTreeMap<String, Vec<Ipv4Addr>>,
) -> std::io::Result<()> {
    let socket = UdpSocket::bind(address).await?;
    tokio::spawn(async move {
        let mut message = [0; MESSAGE_BYTES_MAX];
        while let Ok((length, from)) = socket.recv_from(&mut message).await {
            if let Some(answer) = answer(&message[..length], &names) {
                // Who asked asks again when nothing comes.
                let _lost = socket.send_to(&answer, from).await;
            }
        }
    });
    Ok(())
}

/// The answer to a question, with the question in it as it was asked. `None` when it is none.
fn answer(asked: &[u8], names: &BTreeMap<String, Vec<Ipv4Addr>>) -> Option<Vec<u8>> {
    let (name, end) = name_at(asked, HEAD)?;
    let kind = asked.get(end..end + 2)?;
    let question = asked.get(HEAD..end + 4)?;
    let known = names.get(&name);
    let addresses: &[Ipv4Addr] = match known {
        Some(addresses) if kind == TYPE_A => addresses,
        Some(_) | None => &[],
    };
    let code = if known.is_some() {
        NO_ERROR
    } else {
        NO_SUCH_NAME
    };
    let mut answer = asked.get(..2)?.to_vec();
    // An answer, recursion wished for and given; one question, so many records.
    answer.extend_from_slice(&[
        0x81,
        0x80 | code,
        0,
        1,
        0,
        addresses.len() as u8,
        0,
        0,
        0,
        0,
    ]);
    answer.extend_from_slice(question);
    for address in addresses {
        // The name is the one at the head's end.
        answer.extend_from_slice(&[0xC0, HEAD as u8, 0, 1, 0, 1]);
        answer.extend_from_slice(&TTL_SECONDS.to_be_bytes());
        answer.extend_from_slice(&[0, 4]);
        answer.extend_from_slice(&address.octets());
    }
    Some(answer)
}

/// The name that begins here, in small letters, and where it ends.
fn name_at(message: &[u8], mut at: usize) -> Option<(String, usize)> {
    let mut labels = Vec::new();
    loop {
        let length = usize::from(*message.get(at)?);
        at += 1;
        if length == 0 {
            return Some((labels.join("."), at));
        }
        let label = std::str::from_utf8(message.get(at..at + length)?).ok()?;
        labels.push(label.to_ascii_lowercase());
        at += length;
    }
}
