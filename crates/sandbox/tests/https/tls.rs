//! The connection itself.

use std::io::{Read, Write};
use std::net::TcpStream;

use http::Version;

use crate::{administrator_token, client, start};

fn address(authority: &str) -> String {
    authority.replace("https://localhost", "127.0.0.1")
}

#[tokio::test]
async fn every_name_of_this_machine_is_certified() {
    let sandbox = start().await;
    let authority = &sandbox.ready().authority;
    for base in [authority.clone(), authority.replace("localhost", "127.0.0.1")] {
        let url = format!("{base}/{}/discovery/keys", sandbox.ready().tenant_id);
        let response = client(sandbox.ready()).get(&url).send().await.unwrap();
        assert_eq!((response.status().as_u16(), response.version()), (200, Version::HTTP_2), "{url}");
    }
    sandbox.shutdown().await;
}

#[tokio::test]
async fn another_sandboxs_authority_certifies_nothing_here() {
    let (sandbox, other) = (start().await, start().await);
    let stranger = client(other.ready());
    assert!(stranger.get(&sandbox.ready().authority).send().await.unwrap_err().is_connect());
    sandbox.shutdown().await;
    other.shutdown().await;
}

#[tokio::test]
async fn what_is_not_tls_harms_nobody_else() {
    let sandbox = start().await;
    let address = address(&sandbox.ready().authority);
    for noise in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"", &[0x16, 3, 1, 0xff, 0xff, 0]] {
        let address = address.clone();
        tokio::task::spawn_blocking(move || {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.write_all(noise).unwrap();
            stream.shutdown(std::net::Shutdown::Write).unwrap();
            let _ = stream.read_to_end(&mut Vec::new());
        })
        .await
        .unwrap();
    }
    administrator_token(sandbox.ready()).await;
    sandbox.shutdown().await;
}

#[tokio::test]
async fn idle_connections_do_not_hold_the_shutdown() {
    let sandbox = start().await;
    let kept_alive = client(sandbox.ready());
    kept_alive.get(&sandbox.ready().authority).send().await.unwrap();
    let silent = TcpStream::connect(address(&sandbox.ready().authority)).unwrap();
    sandbox.shutdown().await;
    drop((kept_alive, silent));
}

// authority 1: strict clients want a whole and exact chain
#[tokio::test]
async fn the_chain_has_what_strict_clients_look_for() {
    use x509_cert::der::DecodePem;
    use x509_cert::ext::pkix::{BasicConstraints, KeyUsage, NameConstraints, SubjectKeyIdentifier};
    let sandbox = start().await;
    let pem = std::fs::read(&sandbox.ready().ca_file).unwrap();
    let authority = x509_cert::Certificate::from_pem(&pem).unwrap();
    let authority = authority.tbs_certificate();
    let (is_critical, constraints) = authority.get_extension::<BasicConstraints>().unwrap().unwrap();
    assert!(is_critical && constraints.ca);
    assert!(authority.get_extension::<KeyUsage>().unwrap().unwrap().1.key_cert_sign());
    assert!(authority.get_extension::<SubjectKeyIdentifier>().unwrap().is_some());
    assert!(authority.get_extension::<NameConstraints>().unwrap().is_some());
    sandbox.shutdown().await;
}
