//! The HTTP API on its socket: who may ask, what is asked, and the answer of the plane that was asked it.

use std::convert::Infallible;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::{UnixListener as Listener, UnixStream as Socket};
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::poll_fn;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::Serialize;
use tokio::io::AsyncReadExt;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::timeout;
use wire::api::{self, Answer, Asked, Unread};
use wire::command::{LogLine, Problem, Reply};

use super::post::Post;
use super::verb::Verb;
use crate::peer::{self, Stranger};
use crate::problem::{NO, NOT_RUN, problem};

/// Connections at once.
const CONNECTIONS: usize = 64;
/// Planes that answer at once.
const VERBS: usize = 16;
/// Bytes of the longest head.
const HEAD: usize = 16 * 1024;
/// How long a head may take to come, and a body.
const PATIENCE: Duration = Duration::from_secs(10);
/// Events that may wait for a client that reads slowly; beyond that the plane waits.
const EVENTS: usize = 64;
/// How long accepting rests when the kernel has no descriptor or memory left for one more.
const REST: Duration = Duration::from_millis(50);

/// Of lines for a program: what Prometheus wants to hear, and true of any text.
const PAGE: &str = "text/plain; version=0.0.4; charset=utf-8";

type Body = UnsyncBoxBody<Bytes, io::Error>;

/// Serves until the client at `end` leaves.
///
/// # Errors
/// When the socket cannot be waited for.
pub(super) async fn serve(post: &Post, end: BorrowedFd<'_>) -> io::Result<()> {
    let listener = UnixListener::from_std(Listener::from(post.as_fd().try_clone_to_owned()?))?;
    let end = Socket::from(end.try_clone_to_owned()?);
    end.set_nonblocking(true)?;
    let mut end = UnixStream::from_std(end)?;
    let (places, verbs) = (Arc::new(Semaphore::new(CONNECTIONS)), Arc::new(Semaphore::new(VERBS)));
    let accept = async {
        loop {
            // Taken before accepting: beyond the bound, connections wait in the kernel's backlog.
            let Ok(place) = places.acquire().await else { return };
            place.forget();
            let Ok((stream, _)) = listener.accept().await else {
                places.add_permits(1);
                tokio::time::sleep(REST).await;
                continue;
            };
            let (places, verbs) = (Arc::clone(&places), Arc::clone(&verbs));
            tokio::task::spawn_local(async move {
                connection(stream, verbs).await;
                places.add_permits(1);
            });
        }
    };
    let left = async {
        let mut words = [0; 512];
        // What a client says while it waits for its answer means nothing here; only its end counts.
        while end.read(&mut words).await.is_ok_and(|length| length > 0) {}
    };
    tokio::select! {
        () = accept => {}
        () = left => {}
    }
    Ok(())
}

async fn connection(stream: UnixStream, verbs: Arc<Semaphore>) {
    // Before one byte of it is read.
    let known = peer::operator(&stream).map(drop).map_err(|stranger| stranger.to_string());
    let service = service_fn(|request| {
        let (verbs, known) = (Arc::clone(&verbs), known.clone());
        async move {
            Ok::<_, Infallible>(match known {
                Ok(_) => answer(request, &verbs).await,
                Err(why) => refused(403, &problem("E-PLANE-095", why, Stranger::HINT, NO)),
            })
        }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(PATIENCE).max_buf_size(HEAD).keep_alive(known.is_ok());
    // A connection that breaks is its client's loss.
    let _ = http.serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(request: Request<Incoming>, verbs: &Arc<Semaphore>) -> Response<Body> {
    let (head, body) = request.into_parts();
    let body = match timeout(PATIENCE, Limited::new(body, api::MAX_BODY).collect()).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            return refused(413, &unasked(&format!("the body is longer than {} bytes", api::MAX_BODY)));
        }
        _ => return refused(400, &unasked("the body did not come")),
    };
    let asked = match api::read(head.method.as_str(), &head.uri.to_string(), &body) {
        Ok(asked) => asked,
        Err(unread) => {
            let mut response = refused(unread.status(), &unasked(&unread.to_string()));
            if let Unread::Method { takes, .. } = unread
                && let Ok(takes) = takes.parse()
            {
                response.headers_mut().insert(ALLOW, takes);
            }
            return response;
        }
    };
    let request = match &asked {
        Asked::Version => return json(200, &Versions { api: [api::VERSION], build: env!("CARGO_PKG_VERSION") }),
        Asked::Once(request) | Asked::Events { request, .. } | Asked::Stream { request, .. } => request,
    };
    let Ok(place) = Arc::clone(verbs).try_acquire_owned() else {
        return refused(503, &problem("E-PLANE-098", "too much is asked at once", "ask again in a moment", NO));
    };
    let answered = match Verb::ask(request).await {
        Ok(verb) => match &asked {
            Asked::Events { goes_on: true, .. } => stream(verb, Form::Events, place).await,
            Asked::Events { .. } | Asked::Stream { lines: true, .. } => stream(verb, Form::Lines, place).await,
            Asked::Stream { .. } => stream(verb, Form::Bytes, place).await,
            _ => once(verb).await,
        },
        Err(error) => Err(error),
    };
    answered.unwrap_or_else(|error| {
        refused(500, &problem("E-PLANE-098", format!("nothing answered: {error}"), "ask again", NOT_RUN))
    })
}

async fn once(mut verb: Verb) -> io::Result<Response<Body>> {
    let mut notices = Vec::new();
    loop {
        match verb.reply().await? {
            Reply::Notice { text } => notices.push(text),
            Reply::Refused(problem) => return Ok(refused(api::status(&Reply::Refused(problem.clone())), &problem)),
            Reply::Page { text } => return Ok(said(200, PAGE, whole(text.into()))),
            answer if answer.is_last() => return Ok(json(200, &Answer { notices: &notices, answer: &answer })),
            _ => {}
        }
    }
}

/// How what comes is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Lines of JSON.
    Lines,
    /// Server-sent events.
    Events,
    /// As it is.
    Bytes,
}

/// What comes, as it comes. A refusal comes before the first.
async fn stream(mut verb: Verb, form: Form, place: OwnedSemaphorePermit) -> io::Result<Response<Body>> {
    let first = verb.reply().await?;
    if let Reply::Refused(problem) = &first {
        return Ok(refused(api::status(&first), problem));
    }
    let (says, mut heard) = mpsc::channel(EVENTS);
    tokio::task::spawn_local(async move {
        let mut reply = Some(first);
        loop {
            let said = match reply.take() {
                Some(said) => Ok(said),
                None => tokio::select! {
                    said = verb.reply() => said,
                    () = says.closed() => break,
                },
            };
            // A plane that ended early breaks the stream off: a part must not pass for the whole.
            let (piece, broken) = match said {
                Ok(reply) => (piece(&reply, form).map(Ok), false),
                Err(error) => (Some(Err(error)), true),
            };
            let Some(piece) = piece else { break };
            if says.send(piece).await.is_err() || broken {
                break;
            }
        }
        verb.leave().await;
        drop(place);
    });
    let stream =
        poll_fn(move |context| heard.poll_recv(context).map(|piece| piece.map(|piece| piece.map(Frame::data))));
    let kind = match form {
        Form::Lines => "application/x-ndjson",
        Form::Events => "text/event-stream",
        Form::Bytes => "application/octet-stream",
    };
    Ok(said(200, kind, UnsyncBoxBody::new(StreamBody::new(stream))))
}

/// One reply of such a stream; none where nothing follows.
fn piece(reply: &Reply, form: Form) -> Option<Bytes> {
    if form == Form::Bytes {
        return match reply {
            Reply::Output { bytes } => Some(Bytes::copy_from_slice(bytes)),
            Reply::Notice { .. } => Some(Bytes::new()),
            _ => None,
        };
    }
    let (name, id, text) = match reply {
        Reply::Event(line) => (None, Some(&line.id), serde_json::to_string::<LogLine>(line).ok()?),
        Reply::Notice { text } => (Some("notice"), None, serde_json::to_string(text).ok()?),
        Reply::Line { text } => (None, None, text.clone()),
        _ => return None,
    };
    if form == Form::Lines {
        // Words for the operator are no events.
        return Some(if name.is_none() { format!("{text}\n") } else { String::new() }.into());
    }
    // JSON holds no line end.
    let id = id.map(|id| format!("id: {id}\n")).unwrap_or_default();
    let name = name.map(|name| format!("event: {name}\n")).unwrap_or_default();
    Some(format!("{name}{id}data: {text}\n\n").into())
}

/// What there is to speak with.
#[derive(Serialize)]
struct Versions<'a> {
    /// Of this API.
    api: [&'a str; 1],
    /// Of the programs.
    build: &'a str,
}

fn json(status: u16, value: &impl Serialize) -> Response<Body> {
    let text = serde_json::to_vec(value).unwrap_or_default();
    said(status, "application/json", whole(text.into()))
}

fn whole(bytes: Bytes) -> Body {
    UnsyncBoxBody::new(Full::new(bytes).map_err(|never: Infallible| match never {}))
}

fn said(status: u16, kind: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn refused(status: u16, problem: &Problem) -> Response<Body> {
    json(status, problem)
}

fn unasked(cause: &str) -> Problem {
    problem("E-PLANE-099", cause, "docs/reference/api.yaml tells what can be asked", NO)
}
