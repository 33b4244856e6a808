//! gRPC: HTTP/2 up to its server, both sides speaking at once, and trailers behind the answer.

use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use h2::server::SendResponse;
use http::{HeaderMap, Request, Response};
use rustls::ServerConfig;
use tokio_rustls::TlsAcceptor;

use super::{Scene, echo};
use crate::fake::http2::{Answer, To, hear, one, say, with};
use crate::fake::server::{Ca, authority, certified, params};
use crate::fake::{OUTSIDE, outside};

/// Paths and headers that a server got.
type Got = Arc<Mutex<Vec<(String, HeaderMap)>>>;

/// A server of gRPC, within TLS or without, which answers by the path.
fn server(of: Option<&Ca>) -> (u16, Got) {
    outside();
    let config = of.map(|of| {
        let mut config = ServerConfig::clone(&certified(of, params(&["web.example"])));
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Arc::new(config)
    });
    let listener = TcpListener::bind((OUTSIDE, 0)).unwrap();
    let (port, got) = (listener.local_addr().unwrap().port(), Got::default());
    let kept = Arc::clone(&got);
    listener.set_nonblocking(true).unwrap();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                let (config, kept) = (config.clone(), Arc::clone(&kept));
                tokio::spawn(async move {
                    match config {
                        None => serve(stream, kept).await,
                        Some(config) => serve(TlsAcceptor::from(config).accept(stream).await.unwrap(), kept).await,
                    }
                });
            }
        });
    });
    (port, got)
}

async fn serve(stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin, kept: Got) {
    let mut connection = h2::server::handshake(stream).await.unwrap();
    while let Some(Ok((request, respond))) = connection.accept().await {
        kept.lock().unwrap().push((request.uri().to_string(), request.headers().clone()));
        tokio::spawn(answer(request, respond));
    }
}

async fn answer(request: Request<h2::RecvStream>, mut respond: SendResponse<Bytes>) {
    let path = request.uri().path().to_owned();
    let grpc = || Response::builder().header("content-type", "application/grpc");
    if path.ends_with("/Refuses") {
        let head = grpc().header("grpc-status", "7").header("grpc-message", "no").body(()).unwrap();
        respond.send_response(head, true).unwrap();
        return;
    }
    if path.ends_with("/Resets") {
        respond.send_reset(h2::Reason::ENHANCE_YOUR_CALM);
        return;
    }
    let Ok(mut send) = respond.send_response(grpc().body(()).unwrap(), false) else { return };
    let mut body = request.into_body();
    // Each piece comes back at once.
    while let Some(Ok(bytes)) = body.data().await {
        let _ = body.flow_control().release_capacity(bytes.len());
        let mut bytes = bytes;
        while !bytes.is_empty() {
            send.reserve_capacity(bytes.len());
            let Some(Ok(room)) = std::future::poll_fn(|context| send.poll_capacity(context)).await else { return };
            if send.send_data(bytes.split_to(room.min(bytes.len())), false).is_err() {
                return;
            }
        }
        if path.ends_with("/Breaks") {
            send.send_reset(h2::Reason::INTERNAL_ERROR);
            return;
        }
    }
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", "0".parse().unwrap());
    let _ = send.send_trailers(trailers);
}

fn call(to: &To, path: &str) -> http::request::Builder {
    to.ask("POST", path).header("content-type", "application/grpc").header("te", "trailers")
}

fn status(answer: &Answer) -> Option<&str> {
    let of = |fields: &HeaderMap| fields.contains_key("grpc-status");
    let fields = answer.trailers.as_ref().filter(|fields| of(fields)).unwrap_or(&answer.fields);
    fields.get("grpc-status").map(|status| status.to_str().unwrap())
}

#[test]
fn calls_are_judged_one_by_one_and_end_with_their_trailers() {
    for tls in [true, false] {
        let servers = authority("servers");
        let (port, got) = server(tls.then_some(&servers));
        let scene = Scene::of(port, &servers, |_| {});
        let to = if tls { scene.to() } else { scene.plain() };
        let large = vec![7; 3 << 20];
        let asked = vec![
            call(&to, "/a/Echo").body(b"\0\0\0\0\x02hi".to_vec()).unwrap(),
            call(&to, "/b/Echo").body(b"\0\0\0\0\x02hi".to_vec()).unwrap(),
            call(&to, "/a/Refuses").body(b"\0\0\0\0\0".to_vec()).unwrap(),
            call(&to, "/a/Echo").header("content-length", large.len()).body(large.clone()).unwrap(),
            call(&to, "/a/deep/Echo").body(b"\0\0\0\0\0".to_vec()).unwrap(),
        ];
        let answers: Vec<Answer> = say(&scene.cell, &to, asked).into_iter().map(Result::unwrap).collect();
        let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
        assert_eq!(statuses, [200, 403, 200, 200, 403], "{tls}");
        let told: Vec<_> = answers.iter().map(status).collect();
        assert_eq!(told, [Some("0"), None, Some("7"), Some("0"), None]);
        assert!(answers[0].body == b"\0\0\0\0\x02hi" && answers[3].body == large);
        let got = got.lock().unwrap().clone();
        assert_eq!(got.len(), 3, "{got:?}");
        let scheme = if tls { "https" } else { "http" };
        assert!(got.iter().all(|(uri, _)| uri.starts_with(&format!("{scheme}://web.example:{port}/a/"))), "{got:?}");
        assert!(got.iter().all(|(_, fields)| fields["te"] == "trailers" && !fields.contains_key("host")), "{got:?}");
        let record = scene.cell.wait_for("\"close\"");
        assert_eq!(record.matches("\"kind\":\"request\"").count(), 5, "{record}");
    }
}

#[test]
fn both_sides_speak_at_once_and_one_connection_serves_call_after_call() {
    let servers = authority("servers");
    let (port, got) = server(Some(&servers));
    let scene = Scene::of(port, &servers, |_| {});
    let to = scene.to();
    with(&scene.cell, &to.clone(), move |send| async move {
        for _ in 0..3 {
            let (response, mut stream) = send
                .clone()
                .ready()
                .await
                .unwrap()
                .send_request(call(&to, "/a/Echo").body(()).unwrap(), false)
                .unwrap();
            // The answer begins, and goes on, while the request does.
            let mut body = response.await.unwrap().into_body();
            for word in ["one", "two", "three"] {
                stream.send_data(Bytes::from(word), false).unwrap();
                let mut heard = Vec::new();
                while heard.len() < word.len() {
                    heard.extend_from_slice(&body.data().await.unwrap().unwrap());
                }
                assert_eq!(heard, word.as_bytes());
            }
            stream.send_data(Bytes::new(), true).unwrap();
            assert!(body.data().await.is_none());
            assert_eq!(body.trailers().await.unwrap().unwrap()["grpc-status"], "0");
        }
    });
    assert_eq!(got.lock().unwrap().len(), 3);
    let record = scene.cell.wait_for("\"close\"");
    assert_eq!(record.matches("\"kind\":\"connect\"").count(), 1, "{record}");
}

#[test]
fn a_call_that_breaks_off_never_looks_whole() {
    let servers = authority("servers");
    let (port, _) = server(Some(&servers));
    let scene = Scene::of(port, &servers, |_| {});
    let to = scene.to();
    let (broke, reset, left) = with(&scene.cell, &to.clone(), move |send| async move {
        let broke = one(send.clone(), call(&to, "/a/Breaks").body(b"hi".to_vec()).unwrap()).await;
        let reset = one(send.clone(), call(&to, "/a/Resets").body(b"hi".to_vec()).unwrap()).await.unwrap();
        // A program that leaves.
        let (response, mut stream) =
            send.clone().ready().await.unwrap().send_request(call(&to, "/a/Echo").body(()).unwrap(), false).unwrap();
        stream.send_data(Bytes::from_static(b"hi"), false).unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
        stream.send_reset(h2::Reason::CANCEL);
        let left = hear(response).await;
        (broke, reset, left.is_err() || left.is_ok_and(|answer| answer.broke.is_some()))
    });
    // A reset may overtake what came before it, on either side.
    match broke {
        Ok(broke) => assert!(broke.status == 502 || broke.broke.is_some() && broke.trailers.is_none(), "{broke:?}"),
        Err(error) => assert_eq!(error.reason(), Some(h2::Reason::INTERNAL_ERROR)),
    }
    assert_eq!(reset.status, 502, "{reset:?}");
    assert!(left);
    scene.cell.wait_for("the program left, or broke its request off");
}

/// Nothing hangs where the server speaks HTTP/1.1 alone, and the program is told.
#[test]
fn a_server_without_http_2_is_told_of() {
    for tls in [true, false] {
        let (scene, server) = Scene::serving(tls, echo, |leased| leased.bounds.idle = 5);
        let to = if tls { scene.to() } else { scene.plain() };
        let answer = super::say_one(&scene.cell, &to, call(&to, "/a/Echo").body(b"hi".to_vec()).unwrap());
        assert_eq!(answer.status, 502, "{tls} {answer:?}");
        assert!(!tls || answer.text().contains("it does not speak HTTP/2, which gRPC needs"), "{answer:?}");
        assert!(answer.text().contains("bastide why g"), "{answer:?}");
        // Without TLS it is told only by saying it.
        assert!(server.got().iter().all(|(head, _)| !head.contains("Echo")));
        // What is like it and needs no HTTP/2 goes on as ever.
        let web = to.ask("POST", "/a/x").header("content-type", "application/grpc-web").header("content-length", "2");
        assert_eq!(super::say_one(&scene.cell, &to, web.body(b"hi".to_vec()).unwrap()).text(), "/a/xhi");
    }
}
