//! Why the certificate of a server is not trusted, in words.

use rustls::{CertificateError, Error as TlsError};
use tokio_tungstenite::tungstenite::Error as SocketError;
use tokio_tungstenite::tungstenite::error::TlsError as SocketTlsError;

/// Returns why a connection failed, if that is the server's certificate.
pub(crate) fn distrust(error: &SocketError) -> Option<&'static str> {
    let error = match error {
        SocketError::Io(error) => error.get_ref()?.downcast_ref::<TlsError>()?,
        SocketError::Tls(SocketTlsError::Rustls(error)) => error.as_ref(),
        _ => return None,
    };
    let TlsError::InvalidCertificate(reason) = error else { return None };
    Some(match reason {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "it has expired",
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => "it is not valid yet",
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "it is the certificate of another host"
        }
        CertificateError::UnknownIssuer | CertificateError::Other(_) => {
            "it was not issued by an authority that is publicly trusted"
        }
        _ => "it does not hold",
    })
}
