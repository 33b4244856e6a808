//! A server's front: MCP over streamable HTTP, as far as a server on standard input and output has it. Requests that come here
//! were read and decided; what is answered is heard and judged on its way like that of any server.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use policy::mcp::{Id, Rpc};
use policy::{Host, SERVER_PATH, SERVER_PORT, SERVERS};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::time::timeout;

use super::Stdio;
use super::lines::MAX_MESSAGE;
use super::link::{Answer, Asking, Link};
use crate::forward::read_head;
use crate::head::{self, Body, Direct, Place};

/// How long the gate's own side may take for what it began, both ways.
const PATIENCE: Duration = Duration::from_secs(60);
/// What is answered where there is no result: a server's own code, outside of those that JSON-RPC gives out.
const UNABLE: i64 = -32000;

/// How something is answered.
enum Reply {
    /// Without a body.
    Bare(&'static str),
    /// One message, and by what the program is known from here on.
    Message(Value, Option<String>),
    /// When it is there, and how far it is until then.
    Later(Id, Asking, bool),
}

/// Serves one connection until either side ends.
pub(super) async fn serve(stdio: Rc<Stdio>, server: String, mut stream: DuplexStream) {
    let Ok(host) = Host::parse(&format!("{server}{SERVERS}")) else { return };
    let mut bytes = Vec::new();
    while let Ok(Some(rest)) = one(&stdio, &server, &host, &mut stream, bytes).await {
        bytes = rest;
    }
}

/// Answers one request. Gives what has come of the next, unless there can be none.
async fn one(
    stdio: &Rc<Stdio>,
    server: &str,
    host: &Host,
    stream: &mut DuplexStream,
    mut bytes: Vec<u8>,
) -> io::Result<Option<Vec<u8>>> {
    if bytes.is_empty() && stream.read_buf(&mut bytes).await? == 0 {
        return Ok(None);
    }
    let place = Place { host, port: SERVER_PORT, tls: false };
    let parse = |bytes: &[u8], looked| head::parse_direct(bytes, looked, &place);
    let direct = timeout(PATIENCE, read_head(stream, &mut bytes, parse)).await??.map_err(io::Error::other)?;
    bytes.drain(..direct.length);
    let length = match direct.asks.body {
        Body::Length(length) => usize::try_from(length).ok().filter(|length| *length <= MAX_MESSAGE),
        Body::Chunked => None,
    };
    let Some(length) = length else {
        // Nothing that follows can be told from it.
        say(stream, &head_of("413 Content Too Large", Some(0), "Connection: close\r\n")).await?;
        return Ok(None);
    };
    while bytes.len() < length {
        if timeout(PATIENCE, stream.read_buf(&mut bytes)).await?? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    let rest = bytes.split_off(length);
    match answer(stdio, server, &direct, &bytes).await {
        Reply::Bare(status) => say(stream, &head_of(status, Some(0), "")).await?,
        Reply::Message(message, client) => {
            let client = client.map(|client| format!("Mcp-Session-Id: {client}\r\n")).unwrap_or_default();
            say(stream, &whole(&message, &client)).await?;
        }
        Reply::Later(id, asking, streams) => return later(stdio, stream, (id, asking, streams), rest).await,
    }
    Ok(Some(rest))
}

async fn answer(stdio: &Rc<Stdio>, server: &str, direct: &Direct, body: &[u8]) -> Reply {
    let request = &direct.asks.request;
    if request.path() != SERVER_PATH {
        return Reply::Bare("404 Not Found");
    }
    match request.method().as_str() {
        "POST" => {}
        // It says nothing by itself that would go on, and there is nothing to let go of.
        "DELETE" => return Reply::Bare("200 OK"),
        _ => return Reply::Bare("405 Method Not Allowed"),
    }
    let header = |wanted: &str| {
        let mut found = request.headers().filter(|(name, _)| *name == wanted).map(|(_, value)| value);
        found.next().map(|value| String::from_utf8_lossy(value).into_owned())
    };
    // Judged from the same bytes by the same reader; what is said to the server is written anew, in one way.
    let Ok(message) = crate::mcp::read(body) else { return Reply::Bare("400 Bad Request") };
    let client = header("mcp-session-id");
    if let Some(client) = &client
        && !stdio.there(server).await.is_some_and(|link| link.knows(client))
    {
        // What it was begun with is gone: programs then begin anew.
        return Reply::Bare("404 Not Found");
    }
    let (id, method) = match Rpc::read(&message) {
        Ok(Rpc::Request { id, method, .. }) => (id, method.to_owned()),
        Ok(Rpc::Notification { method, params }) => {
            let id = params.and_then(|params| params.get("requestId")).and_then(Id::of);
            if let ("notifications/cancelled", Some(id), Some(link)) = (method, id, stdio.there(server).await) {
                link.cancel(client.as_deref(), &id);
            }
            return Reply::Bare("202 Accepted");
        }
        Ok(Rpc::Result { .. } | Rpc::Error { .. }) => return Reply::Bare("202 Accepted"),
        Err(_) => return Reply::Bare("400 Bad Request"),
    };
    let version = message.pointer("/params/protocolVersion").and_then(Value::as_str);
    let link = match stdio.running(server, version.filter(|_| method == "initialize")).await {
        Ok(link) => link,
        Err(why) => return Reply::Message(unable(&id, &format!("the server `{server}` does not run: {why}")), None),
    };
    if method == "initialize" {
        let result = json!({"jsonrpc": "2.0", "id": id.json(), "result": link.introduced()});
        let client = stdio.client(&link);
        return Reply::Message(result, Some(client));
    }
    let streams = header("accept").is_some_and(|accept| accept.contains("text/event-stream"));
    let streams = streams && message.pointer("/params/_meta/progressToken").is_some();
    match Link::ask(&link, (client, Some(id.clone())), message).await {
        Ok(asking) => Reply::Later(id, asking, streams),
        Err(why) => Reply::Message(unable(&id, &why), None),
    }
}

/// Waits for an answer, and leaves with who asked for it.
async fn later(
    stdio: &Stdio,
    stream: &mut DuplexStream,
    (id, mut asking, streams): (Id, Asking, bool),
    mut rest: Vec<u8>,
) -> io::Result<Option<Vec<u8>>> {
    if streams {
        say(stream, &head_of("200 OK", None, "Content-Type: text/event-stream\r\n")).await?;
    }
    let answered = loop {
        tokio::select! {
            biased;
            Some(step) = asking.steps.recv() => if streams {
                say(stream, &event(&step)).await?;
            },
            answered = &mut asking.answer => break answered,
            read = stream.read_buf(&mut rest) => if read? == 0 {
                return Ok(None);
            },
        }
    };
    let (message, _room) = match answered {
        Ok(Answer { mut message, room }) => {
            message.insert("id".into(), id.json());
            (Value::Object(message), room)
        }
        Err(_) if asking.link().is_over() => {
            let why = stdio.unable(asking.link(), asking.link().why()).await;
            (unable(&id, &format!("the server ended before it answered: {why}")), None)
        }
        Err(_) => (unable(&id, "it was given up"), None),
    };
    match streams {
        true => say(stream, &[event(&message), b"0\r\n\r\n".to_vec()].concat()).await?,
        false => say(stream, &whole(&message, "")).await?,
    }
    Ok(Some(rest))
}

fn unable(id: &Id, why: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": id.json(), "error": {"code": UNABLE, "message": why}})
}

/// A head; without a length what follows comes in chunks.
fn head_of(status: &str, length: Option<usize>, more: &str) -> Vec<u8> {
    let frame = match length {
        Some(length) => format!("Content-Length: {length}"),
        None => "Transfer-Encoding: chunked".into(),
    };
    format!("HTTP/1.1 {status}\r\n{more}{frame}\r\n\r\n").into_bytes()
}

fn whole(message: &Value, more: &str) -> Vec<u8> {
    let body = message.to_string();
    let head = head_of("200 OK", Some(body.len()), &format!("Content-Type: application/json\r\n{more}"));
    [head, body.into_bytes()].concat()
}

/// A message as one event, in one chunk.
fn event(message: &Value) -> Vec<u8> {
    let event = format!("event: message\ndata: {message}\n\n");
    format!("{:x}\r\n{event}\r\n", event.len()).into_bytes()
}

/// Says it to the gate's own side, which ends with its program.
async fn say(stream: &mut DuplexStream, bytes: &[u8]) -> io::Result<()> {
    timeout(PATIENCE, stream.write_all(bytes)).await?
}
