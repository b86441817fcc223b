//! Ways out of the network.

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use unattended_core::{HttpClient as _, HttpErrorKind};
use unattended_transport::{ProxySetting, Transport};

use crate::exchange::answer_all_with;
use crate::support::{HTTP_1, Pki, chain, get, read_head};

// HP-1
#[tokio::test]
async fn https_goes_through_the_proxy_and_this_machine_does_not() {
    let (proxy, heads) = answer_all_with(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n").await;
    let pki = Pki::new();
    let transport = Transport::builder()
        .extra_ca_pem(pki.ca_pem.as_bytes())
        .unwrap()
        .proxy(ProxySetting::through(&proxy).except("direct.invalid"))
        .build()
        .unwrap();

    let refused = transport.send(get("https://api.invalid/x")).await.unwrap_err();
    assert_eq!(refused.kind(), HttpErrorKind::Connect, "{}", chain(&refused));
    assert!(heads.lock().unwrap()[0].starts_with("CONNECT api.invalid:443 "));

    transport.send(get("https://direct.invalid/x")).await.unwrap_err();
    let port = pki
        .serve(HTTP_1, async |mut connection| {
            read_head(&mut connection).await;
            connection.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
        })
        .await;
    let local = transport.send(get(&format!("https://localhost:{port}/"))).await.unwrap();
    assert_eq!((local.status().as_u16(), heads.lock().unwrap().len()), (204, 1));
}

// HP-1
#[tokio::test]
async fn a_proxy_may_be_spoken_to_over_tls() {
    let pki = Pki::new();
    let proxy = pki
        .serve(&[b"h2", b"http/1.1"], async |mut connection| {
            assert_eq!(connection.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
            let head = read_head(&mut connection).await;
            let target = head.split_whitespace().nth(1).unwrap().to_owned();
            assert!(head.contains("proxy-authorization: Basic YSB1c2VyOmh1bnRlcjI=\r\n"), "{head}");
            let mut server = TcpStream::connect(target).await.unwrap();
            connection.write_all(b"HTTP/1.1 200 Go on\r\n\r\n").await.unwrap();
            let _ = tokio::io::copy_bidirectional(&mut connection, &mut server).await;
        })
        .await;
    let server = pki
        .serve(HTTP_1, async |mut connection| {
            let head = read_head(&mut connection).await.to_ascii_lowercase();
            assert!(!head.contains("proxy-authorization"), "{head}");
            connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello").await.unwrap();
        })
        .await;
    let transport = Transport::builder()
        .extra_ca_pem(pki.ca_pem.as_bytes())
        .unwrap()
        .proxy(ProxySetting::through(&format!("https://a%20user:hunter2@localhost:{proxy}")))
        .build()
        .unwrap();
    // This machine, by an address that is not among those that are always reached directly.
    let answer = transport.send(get(&format!("https://0.0.0.0:{server}/"))).await.unwrap();
    assert_eq!(answer.into_body().collect(5).await.unwrap(), "hello");
}

#[tokio::test]
async fn what_fails_at_the_proxy_is_said_of_the_proxy() {
    let pki = Pki::new();
    for (answer, said) in [
        (
            &b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n"[..],
            "refused a connection to api.invalid:443 (502)",
        ),
        (b"HTTP/1.1 407 No\r\nproxy-authenticate: Negotiate\r\ncontent-length: 0\r\n\r\n", "wants Negotiate"),
        (b"HTTP/1.1 200 OK\r\n\r\nmore than was asked", "before the tunnel was used"),
        (b"", "connection closed"),
    ] {
        let (proxy, _) = answer_all_with(answer).await;
        let proxy = ProxySetting::through(&proxy.replace("//", "//user:hunter2@"));
        let builder = Transport::builder().extra_ca_pem(pki.ca_pem.as_bytes()).unwrap();
        let error = builder
            .proxy(proxy)
            .build()
            .unwrap()
            .send(get("https://api.invalid/x?key=hunter3"))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), HttpErrorKind::Connect);
        assert!(chain(&error).contains(said) && !chain(&error).contains("hunter"), "{}", chain(&error));
    }
    let builder = Transport::builder().extra_ca_pem(pki.ca_pem.as_bytes()).unwrap();
    let nobody = builder.proxy(ProxySetting::through("http://user:hunter2@127.0.0.1:1")).build().unwrap();
    let error = nobody.send(get("https://api.invalid/")).await.unwrap_err();
    assert!(chain(&error).contains("the proxy 127.0.0.1:1 cannot be used"), "{}", chain(&error));
    assert!(chain(&error).contains("refused") && !chain(&error).contains("hunter"), "{}", chain(&error));
}

#[test]
fn a_proxy_that_is_no_url_is_refused_without_its_password() {
    let pki = Pki::new();
    let builder = Transport::builder().extra_ca_pem(pki.ca_pem.as_bytes()).unwrap();
    let error = builder.proxy(ProxySetting::through("http://user:hunter2@:x")).build().unwrap_err();
    assert!(
        error.to_string().contains("not a URL") && !chain(&error).contains("hunter2"),
        "{}",
        chain(&error)
    );
}

#[test]
fn a_proxy_of_another_kind_is_refused() {
    let pki = Pki::new();
    for (address, said) in
        [("socks5://proxy:1080", "does not speak HTTP"), ("ftp://proxy", "not a URL"), ("", "not a URL")]
    {
        let builder = Transport::builder().extra_ca_pem(pki.ca_pem.as_bytes()).unwrap();
        let error = builder.proxy(ProxySetting::through(address)).build().unwrap_err();
        assert!(error.to_string().contains(said), "{error}");
    }
}
