//! TLS 1.3 with pinned certificates.
//!
//! A certificate is accepted if it is the configured one, byte for byte; names and dates in it are ignored.
//! The signature of the handshake is checked with its key.

use std::collections::BTreeMap;
use std::sync::Arc;

use rcgen::{CertificateParams, DnType, KeyPair};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError as Refusal, ClientConfig, DigitallySignedStruct, DistinguishedName, Error, ServerConfig,
    SignatureScheme,
};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::Setup;

/// A TLS certificate, which holds the public key, and its private key; both in DER.
pub struct TlsKeyPair {
    /// The certificate.
    pub certificate: Vec<u8>,
    /// The private key.
    pub key: Vec<u8>,
}

impl std::fmt::Debug for TlsKeyPair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a TLS key pair with a certificate of {} bytes", self.certificate.len())
    }
}

/// A certificate could not be generated.
#[derive(Debug, thiserror::Error)]
#[error("cannot make a TLS certificate: {0}")]
pub struct CertificateError(#[from] rcgen::Error);

/// Generates a key and a self-signed certificate, with the name that v0.5 uses for a guardian's.
///
/// # Errors
/// Fails if the system provides no randomness.
pub fn new_tls_key_pair(guardian: &str) -> Result<TlsKeyPair, CertificateError> {
    let plain = guardian.replace(|c: char| !c.is_ascii_alphanumeric(), "_");
    let name = format!("peer{plain}");
    let key = KeyPair::generate()?;
    let mut parameters = CertificateParams::new(vec![name.clone()])?;
    parameters.distinguished_name.push(DnType::CommonName, name);
    let certificate = parameters.self_signed(&key)?;
    Ok(TlsKeyPair { certificate: certificate.der().to_vec(), key: key.serialize_der() })
}

/// This guardian's side of all handshakes.
pub(crate) struct Tls {
    provider: Arc<CryptoProvider>,
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
    peers: BTreeMap<Vec<u8>, u16>,
    server: TlsAcceptor,
}

impl Tls {
    pub(crate) fn new(setup: &Setup) -> Result<Self, String> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let certificate = CertificateDer::from(setup.tls_key_pair.certificate.clone());
        let key = PrivateKeyDer::try_from(setup.tls_key_pair.key.clone()).map_err(str::to_owned)?;
        let certificates: Vec<_> = setup.others.values().map(|other| other.certificate.clone()).collect();
        let pinned = Arc::new(Pinned::new(certificates, &provider));
        let mut server = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .and_then(|server| {
                let server = server.with_client_cert_verifier(pinned);
                server.with_single_cert(vec![certificate.clone()], key.clone_key())
            })
            .map_err(|error| error.to_string())?;
        server.send_tls13_tickets = 0;
        let peers = setup.others.iter().map(|(peer, other)| (other.certificate.clone(), *peer)).collect();
        let server = TlsAcceptor::from(Arc::new(server));
        let tls = Self { provider, certificate, key, peers, server };
        // Dialling uses the same certificate and key: this shows early whether they work.
        tls.client(Vec::new()).map_err(|error| error.to_string())?;
        Ok(tls)
    }

    pub(crate) fn acceptor(&self) -> &TlsAcceptor {
        &self.server
    }

    /// Returns the guardian with this certificate.
    pub(crate) fn peer(&self, certificate: &CertificateDer<'_>) -> Option<u16> {
        self.peers.get(certificate.as_ref()).copied()
    }

    /// Returns a connector for dialling the guardian with that certificate.
    pub(crate) fn connector(&self, certificate: &[u8]) -> TlsConnector {
        let config =
            self.client(certificate.to_vec()).expect("certificate and key were tried when this was made");
        TlsConnector::from(Arc::new(config))
    }

    fn client(&self, certificate: Vec<u8>) -> Result<ClientConfig, Error> {
        let pinned = Arc::new(Pinned::new(vec![certificate], &self.provider));
        let mut client = ClientConfig::builder_with_provider(self.provider.clone())
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(pinned)
            .with_client_auth_cert(vec![self.certificate.clone()], self.key.clone_key())?;
        client.enable_sni = false;
        Ok(client)
    }
}

/// Accepts these certificates and no others.
#[derive(Debug)]
struct Pinned {
    certificates: Vec<Vec<u8>>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Pinned {
    fn new(certificates: Vec<Vec<u8>>, provider: &CryptoProvider) -> Self {
        Self { certificates, algorithms: provider.signature_verification_algorithms }
    }

    fn check(&self, certificate: &CertificateDer<'_>) -> Result<(), Error> {
        let known = self.certificates.iter().any(|known| known == certificate.as_ref());
        if known { Ok(()) } else { Err(Refusal::ApplicationVerificationFailure.into()) }
    }
}

fn no_tls12() -> Result<HandshakeSignatureValid, Error> {
    Err(Error::General("TLS 1.2 is not spoken".to_owned()))
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.check(certificate).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        no_tls12()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

impl ClientCertVerifier for Pinned {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.check(certificate).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        no_tls12()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
