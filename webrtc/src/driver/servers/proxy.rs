//! The way to a relay through the proxy that the environment names for signalling: a tunnel by CONNECT (RFC 9110, section
//! 9.3.6). Where the proxy gives none, the relay is connected to directly.

use std::{io, time::Duration};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use percent_encoding::percent_decode_str;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use url::Url;
use zeroize::Zeroizing;

/// So long a proxy may take; then there is still time to connect directly.
const TUNNEL_TIMEOUT: Duration = Duration::from_secs(3);
/// A longer answer is none.
const MAX_ANSWER_BYTES: usize = 8 * 1_024;

/// A proxy. No `Debug`: the password is nobody's business.
#[derive(Clone)]
pub(super) struct Proxy {
    host: String,
    port: u16,
    /// Name and password, as the header has them.
    authorization: Option<Zeroizing<String>>,
}

/// The proxies for connections without TLS and with it.
#[derive(Clone, Default)]
pub(super) struct Proxies {
    pub(super) plain: Option<Proxy>,
    pub(super) secure: Option<Proxy>,
}

impl Proxies {
    /// Those of `HTTP_PROXY` and `HTTPS_PROXY`, or the same in small letters, as `livekit` reads them for signalling.
    pub(super) fn of_environment() -> Self {
        let named = |names: [&str; 2]| {
            let text = names.into_iter().find_map(|name| std::env::var(name).ok())?;
            let proxy = Proxy::parse(&text);
            if proxy.is_none() && !text.is_empty() {
                tracing::warn!(
                    variable = names[0],
                    "no address of a proxy (http://HOST:PORT): passed over"
                );
            }
            proxy
        };
        Self {
            plain: named(["HTTP_PROXY", "http_proxy"]),
            secure: named(["HTTPS_PROXY", "https_proxy"]),
        }
    }

    /// The one that the way to this server goes through.
    pub(super) fn of(&self, server: &rtc::ice::url::Url) -> Option<&Proxy> {
        let proxy = if server.is_secure() {
            &self.secure
        } else {
            &self.plain
        };
        proxy.as_ref()
    }
}

impl Proxy {
    /// One that is spoken to without TLS, `http://[NAME:PASSWORD@]HOST[:PORT]`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let url = Url::parse(text).ok().filter(|url| url.scheme() == "http")?;
        let decoded = |text: &str| Zeroizing::new(percent_decode_str(text).collect::<Vec<u8>>());
        let authorization = url.password().map(|password| {
            let both = Zeroizing::new([&decoded(url.username())[..], b":", &decoded(password)].concat());
            let encoded = Zeroizing::new(BASE64_STANDARD.encode(&both));
            Zeroizing::new(format!("Basic {}", *encoded))
        });
        let host = url.host_str()?;
        Some(Self {
            host: host.trim_matches(['[', ']']).to_owned(),
            port: url.port_or_known_default()?,
            authorization,
        })
    }

    async fn tunnel(&self, host: &str, port: u16) -> io::Result<TcpStream> {
        let mut stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
        open(&mut stream, host, port, self.authorization.as_ref()).await?;
        Ok(stream)
    }
}

/// Connects to a relay, through the proxy if there is one.
pub(super) async fn connect(proxy: Option<&Proxy>, host: &str, port: u16) -> io::Result<TcpStream> {
    if let Some(proxy) = proxy {
        match timeout(TUNNEL_TIMEOUT, proxy.tunnel(host, port)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => tracing::debug!(%error, host, port, "no tunnel through the proxy"),
            Err(_) => tracing::debug!(host, port, "the proxy does not answer"),
        }
    }
    // Of a name with several addresses, the first that answers.
    TcpStream::connect((host, port)).await
}

/// Asks for a tunnel. What is read is the answer and nothing behind it.
async fn open(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    host: &str,
    port: u16,
    authorization: Option<&Zeroizing<String>>,
) -> io::Result<()> {
    if !host.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "no name of a host"));
    }
    let target = if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    };
    stream
        .write_all(format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n").as_bytes())
        .await?;
    if let Some(authorization) = authorization {
        stream.write_all(b"Proxy-Authorization: ").await?;
        stream.write_all(authorization.as_bytes()).await?;
        stream.write_all(b"\r\n").await?;
    }
    stream.write_all(b"\r\n").await?;
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        if answer.len() >= MAX_ANSWER_BYTES {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "an answer without end",
            ));
        }
        answer.push(stream.read_u8().await?);
    }
    match status(&answer) {
        Some(200..300) => Ok(()),
        Some(status) => Err(io::Error::other(format!("the proxy answers {status}"))),
        None => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "not an answer of HTTP/1",
        )),
    }
}

/// The status of an answer, `HTTP/1.1 200 ...`.
fn status(answer: &[u8]) -> Option<u16> {
    let [_, b' ', status @ ..] = answer.strip_prefix(b"HTTP/1.")? else {
        return None;
    };
    let status = std::str::from_utf8(status.get(..3)?).ok()?;
    status.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What is asked of a proxy that answers so, and whether it opens.
    async fn asked(host: &str, proxy: &str, answer: &[u8]) -> (String, io::Result<()>, Vec<u8>) {
        let (mut ours, mut theirs) = tokio::io::duplex(64 * 1_024);
        theirs.write_all(answer).await.expect("room");
        let proxy = Proxy::parse(proxy).expect("a proxy");
        let opened = open(&mut ours, host, 443, proxy.authorization.as_ref()).await;
        theirs.shutdown().await.expect("an end");
        let mut behind = Vec::new();
        ours.read_to_end(&mut behind).await.expect("the rest");
        drop(ours);
        let mut request = String::new();
        theirs.read_to_string(&mut request).await.expect("a request");
        (request, opened, behind)
    }

    const OPEN: &[u8] = b"HTTP/1.1 200 Connection established\r\nVia: somebody\r\n\r\n";

    #[tokio::test]
    async fn a_tunnel_is_asked_for_by_name_and_with_the_password() {
        let (request, opened, _) = asked("relay.example", "http://proxy:3128", OPEN).await;
        assert!(opened.is_ok());
        assert_eq!(
            request,
            "CONNECT relay.example:443 HTTP/1.1\r\nHost: relay.example:443\r\n\r\n"
        );
        let (request, ..) = asked("::1", "http://me:s%3Acret@proxy", OPEN).await;
        assert_eq!(
            request,
            "CONNECT [::1]:443 HTTP/1.1\r\nHost: [::1]:443\r\nProxy-Authorization: Basic bWU6czpjcmV0\r\n\r\n"
        );
    }

    #[tokio::test]
    async fn what_comes_behind_the_answer_is_the_relays() {
        let (_, opened, behind) = asked("relay", "http://proxy", &[OPEN, b"\x01\x02"].concat()).await;
        assert!(opened.is_ok());
        assert_eq!(behind, b"\x01\x02");
    }

    #[tokio::test]
    async fn what_is_no_consent_is_an_error() {
        let long = [
            b"HTTP/1.1 200 OK\r\nA: ".as_slice(),
            &[b'a'; MAX_ANSWER_BYTES],
            b"\r\n\r\n",
        ]
        .concat();
        let cut = b"HTTP/1.1 200 OK\r\n".as_slice();
        let refused = b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n".as_slice();
        for (answer, said) in [
            (refused, "the proxy answers 407"),
            (&long, "an answer without end"),
            (b"SSH-2.0-server\r\n\r\n", "not an answer of HTTP/1"),
        ] {
            let (_, opened, _) = asked("relay", "http://proxy", answer).await;
            assert_eq!(opened.expect_err("no tunnel").to_string(), said);
        }
        let (mut ours, mut theirs) = tokio::io::duplex(1_024);
        theirs.write_all(cut).await.expect("room");
        theirs.shutdown().await.expect("an end");
        assert!(open(&mut ours, "relay", 443, None).await.is_err());
        let (request, opened, _) = asked("relay\r\nX: y", "http://proxy", OPEN).await;
        assert!(opened.is_err() && request.is_empty());
    }

    #[test]
    fn only_proxies_that_are_spoken_to_without_tls_are_known() {
        let parsed = |text| Proxy::parse(text).map(|proxy| (proxy.host, proxy.port));
        assert_eq!(parsed("http://proxy"), Some(("proxy".into(), 80)));
        assert_eq!(parsed("http://[::1]:3128/"), Some(("::1".into(), 3_128)));
        for text in ["", "proxy:3128", "https://proxy", "socks5://proxy:1080"] {
            assert_eq!(parsed(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_answer_has_a_status_or_none(answer in prop::collection::vec(any::<u8>(), 0..40)) {
            let status = status(&[b"HTTP/1.".as_slice(), &answer].concat());
            prop_assert!(status.is_none_or(|status| status < 1_000));
        }
    }
}
