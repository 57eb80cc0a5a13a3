//! Whom a TLS connection trusts.
//!
//! **Invariant:** the roots come with the program, and from files the operator named; never from the
//! machine, so that the program trusts the same wherever it is copied to.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

/// Largest file of certificates, in bytes. The bundle of a whole system has a quarter of it.
pub const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Why a file of certificates is not usable.
#[derive(Debug, thiserror::Error)]
pub enum RootsError {
    #[error("ca_file {} cannot be read", .file.display())]
    Read {
        file: PathBuf,
        source: std::io::Error,
    },
    #[error("ca_file {} has more than {FILE_BYTES_MAX} bytes; name a file with the CA alone", .file.display())]
    TooLarge { file: PathBuf },
    #[error("ca_file {} is not in PEM form", .file.display())]
    Form {
        file: PathBuf,
        source: rustls::pki_types::pem::Error,
    },
    #[error("ca_file {} holds no certificate; it has to be in PEM form, with BEGIN CERTIFICATE", .file.display())]
    Empty { file: PathBuf },
    #[error("certificate {number} of ca_file {} cannot be a root", .file.display())]
    Certificate {
        file: PathBuf,
        /// From 1.
        number: usize,
        source: rustls::Error,
    },
}

/// The roots of trust: those that come with the program, and the operator's own.
#[derive(Debug, Clone)]
pub struct Roots(Arc<RootCertStore>);

impl Default for Roots {
    /// Only those that come with the program.
    fn default() -> Self {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().cloned());
        Roots(Arc::new(roots))
    }
}

impl Roots {
    /// Those of these files as well. A file without a usable certificate is refused, so that a wrong
    /// path is noticed at the start and not at the first call.
    pub fn with_files(files: &[PathBuf]) -> Result<Roots, RootsError> {
        let Roots(bundled) = Roots::default();
        if files.is_empty() {
            return Ok(Roots(bundled));
        }
        let mut roots = Arc::unwrap_or_clone(bundled);
        for file in files {
            for (index, certificate) in certificates(file)?.into_iter().enumerate() {
                roots
                    .add(certificate)
                    .map_err(|source| RootsError::Certificate {
                        file: file.clone(),
                        number: index + 1,
                        source,
                    })?;
            }
        }
        Ok(Roots(Arc::new(roots)))
    }

    /// How a connection greets with these roots. It shows no certificate of its own.
    pub fn tls(&self) -> Result<ClientConfig, rustls::Error> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        Ok(ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(Arc::clone(&self.0))
            .with_no_client_auth())
    }
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, RootsError> {
    let unreadable = |source| RootsError::Read {
        file: file.to_owned(),
        source,
    };
    let mut bytes = Vec::new();
    std::fs::File::open(file)
        .map_err(unreadable)?
        .take(FILE_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(RootsError::TooLarge {
            file: file.to_owned(),
        });
    }
    let found = CertificateDer::pem_slice_iter(&bytes)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|source| RootsError::Form {
            file: file.to_owned(),
            source,
        })?;
    if found.is_empty() {
        return Err(RootsError::Empty {
            file: file.to_owned(),
        });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bundled_root_is_usable() {
        let Roots(bundled) = Roots::default();
        assert!(!bundled.is_empty());
        assert_eq!(
            bundled.len(),
            webpki_root_certs::TLS_SERVER_ROOT_CERTS.len()
        );
    }
}
