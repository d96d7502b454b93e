"""Turns certificate files into gRPC credentials that follow their renewal."""

import grpc

from inspector.gateway.certificates import Certificates, Pem, TlsFiles


def server_credentials(files: TlsFiles) -> grpc.ServerCredentials:
    """gRPC checks for renewed files at each handshake. Raises CertificateError."""
    certificates = Certificates(files)

    def fetch() -> grpc.ServerCertificateConfiguration | None:
        return _configuration(certificates.pem) if certificates.renewed() else None

    return grpc.dynamic_ssl_server_credentials(
        _configuration(certificates.pem),
        fetch,  # type: ignore[arg-type]  # None, which the stubs do not know, means unchanged
        require_client_authentication=files.client_ca is not None,
    )


def _configuration(pem: Pem) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration([(pem.key, pem.cert)], root_certificates=pem.client_ca)
