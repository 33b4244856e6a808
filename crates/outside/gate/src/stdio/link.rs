//! One server at the other end of a line. Every request of a program gets a number of the gate's own, so that two programs do
//! not hear each other's answers; what the server says is read once, and goes to who asked for it or nowhere.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use policy::mcp::{Id, Rpc};
use serde_json::{Map, Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::timeout;

use super::lines::{Lines, MAX_MESSAGE};
use super::object;

/// Requests that one server has not answered.
pub(super) const OPEN: usize = 64;
/// Bytes of messages to a server that are not said yet, and of answers that nobody took yet, in units.
const AT_ONCE: usize = 16 << 20;
const UNIT: usize = 64 << 10;
/// How long a message may wait until there is room for it.
const PATIENCE: Duration = Duration::from_secs(30);
/// Lines of a server that are no message before it is ended.
const JUNK: u32 = 64;
/// Words on how far a request came that wait for their program, and the most bytes of one.
const STEPS: usize = 32;
const MAX_STEP: usize = 64 << 10;
const BUFFER: usize = 32 << 10;

/// What JSON-RPC calls a method that is not known.
const NO_METHOD: i64 = -32601;

/// A message on its way to the server, and the room that it takes.
type Said = (Vec<u8>, Option<OwnedSemaphorePermit>);

/// One server.
#[derive(Debug)]
pub(super) struct Link {
    line: u32,
    mark: String,
    says: mpsc::UnboundedSender<Said>,
    said: RefCell<Option<mpsc::UnboundedReceiver<Said>>>,
    open: RefCell<HashMap<i64, Open>>,
    next: Cell<i64>,
    /// Room for what is said, and for what is heard.
    outward: Arc<Semaphore>,
    inward: Arc<Semaphore>,
    junk: Cell<u32>,
    ending: Notify,
    over: RefCell<Option<Over>>,
    /// What it answered when it was begun.
    begun: OnceCell<Map<String, Value>>,
}

/// A request that is not answered.
#[derive(Debug)]
struct Open {
    /// Who asked, and the id that he gave.
    by: (Option<String>, Option<Id>),
    /// By what he knows words on how far it came.
    token: Option<Value>,
    steps: mpsc::Sender<Value>,
    answer: oneshot::Sender<Answer>,
}

/// Why nothing is spoken with it any more.
#[derive(Debug, Clone)]
enum Over {
    /// It ended; how, its plane knows.
    Itself,
    /// By us: what it did.
    Cut(String),
    /// Nobody wants it.
    Unwanted,
}

/// What a server answered: a message whose id is not that of who asked, and the room that it takes.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) message: Map<String, Value>,
    pub(super) room: Option<OwnedSemaphorePermit>,
}

/// A request that waits for its answer. Dropped before that, the server is told.
#[derive(Debug)]
pub(super) struct Asking {
    link: Rc<Link>,
    number: i64,
    pub(super) steps: mpsc::Receiver<Value>,
    pub(super) answer: oneshot::Receiver<Answer>,
}

impl Link {
    pub(super) fn new(line: u32, mark: String) -> Rc<Link> {
        let (says, said) = mpsc::unbounded_channel();
        Rc::new(Link {
            line,
            mark,
            says,
            said: RefCell::new(Some(said)),
            open: RefCell::default(),
            next: Cell::new(0),
            outward: Arc::new(Semaphore::new(AT_ONCE / UNIT)),
            inward: Arc::new(Semaphore::new(AT_ONCE / UNIT)),
            junk: Cell::new(0),
            ending: Notify::new(),
            over: RefCell::default(),
            begun: OnceCell::new(),
        })
    }

    pub(super) const fn line(&self) -> u32 {
        self.line
    }

    /// How the name of each of its clients begins.
    pub(super) fn mark(&self) -> &str {
        &self.mark
    }

    /// Whether a client with this name was one of this very server.
    pub(super) fn knows(&self, client: &str) -> bool {
        client.strip_prefix(&self.mark).is_some_and(|rest| rest.starts_with('-'))
    }

    pub(super) fn is_over(&self) -> bool {
        self.over.borrow().is_some()
    }

    /// Why it is over.
    pub(super) fn why(&self) -> String {
        match &*self.over.borrow() {
            Some(Over::Cut(why)) => why.clone(),
            Some(Over::Unwanted) => "nobody speaks with it any more".into(),
            Some(Over::Itself) | None => "it ended".into(),
        }
    }

    /// Whether it was ended here, for what it said: how its program then went says nothing of why.
    pub(super) fn is_cut(&self) -> bool {
        matches!(*self.over.borrow(), Some(Over::Cut(_)))
    }

    /// Has no more use for it.
    pub(super) fn end(&self) {
        self.ending.notify_one();
    }

    /// What it answered when it was begun.
    pub(super) fn introduced(&self) -> Map<String, Value> {
        self.begun.get().cloned().unwrap_or_default()
    }

    /// Introduces the gate: gives the result, or what the server says against it.
    ///
    /// # Errors
    /// When the server ended first.
    pub(super) async fn introduce(
        self: &Rc<Self>,
        message: Value,
    ) -> Result<Result<Map<String, Value>, String>, String> {
        let asking = self.ask((None, None), message).await?;
        let Ok(answer) = asking.heard().await else { return Err(self.why()) };
        let Answer { mut message, .. } = answer;
        Ok(match message.remove("result") {
            Some(Value::Object(result)) => Ok(result),
            _ => Err(message
                .get("error")
                .and_then(|error| error.get("message"))
                .map_or_else(String::new, Value::to_string)),
        })
    }

    /// It may be spoken with.
    pub(super) fn begun(&self, result: Map<String, Value>) {
        let _ = self.begun.set(result);
        self.tell(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
    }

    /// Asks it something in a program's name.
    ///
    /// # Errors
    /// In words for the program: nothing was asked.
    pub(super) async fn ask(
        self: &Rc<Self>,
        by: (Option<String>, Option<Id>),
        message: Value,
    ) -> Result<Asking, String> {
        if self.open.borrow().len() >= OPEN {
            return Err(format!("the server has not answered {OPEN} requests yet"));
        }
        let number = self.next.get() + 1;
        self.next.set(number);
        let (message, token) = numbered(message, number);
        let line = message.to_string().into_bytes();
        if line.len() > MAX_MESSAGE {
            return Err(format!("a message to a server has at most {MAX_MESSAGE} bytes"));
        }
        let (step, steps) = mpsc::channel(STEPS);
        let (say, answer) = oneshot::channel();
        // Before it waits for room: whoever comes later is counted.
        self.open.borrow_mut().insert(number, Open { by, token, steps: step, answer: say });
        let asking = Asking { link: Rc::clone(self), number, steps, answer };
        let room = timeout(PATIENCE, Arc::clone(&self.outward).acquire_many_owned(units(line.len()))).await;
        let Ok(Ok(room)) = room else { return Err("the server does not take what is said to it".into()) };
        match self.is_over() || self.says.send((line, Some(room))).is_err() {
            true => Err(self.why()),
            false => Ok(asking),
        }
    }

    /// A program gives a request up.
    pub(super) fn cancel(&self, client: Option<&str>, id: &Id) {
        let is = |open: &Open| open.by.0.as_deref() == client && open.by.1.as_ref() == Some(id);
        let number = self.open.borrow().iter().find(|(_, open)| is(open)).map(|(number, _)| *number);
        // Who asked still waits: most servers answer nothing to what was given up.
        if let Some(number) = number {
            self.give_up(number);
        }
    }

    fn give_up(&self, number: i64) {
        if self.open.borrow_mut().remove(&number).is_some() {
            let params = json!({"requestId": number, "reason": "the program gave it up"});
            self.tell(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params}));
        }
    }

    /// Says something short, where there is room for it.
    fn tell(&self, message: &Value) {
        let line = message.to_string().into_bytes();
        if let Ok(room) = Arc::clone(&self.outward).try_acquire_many_owned(units(line.len())) {
            let _ = self.says.send((line, Some(room)));
        }
    }

    /// Carries what is said both ways until either side ends.
    pub(super) async fn carry(&self, stream: UnixStream) {
        let said = self.said.borrow_mut().take();
        let (from, to) = stream.into_split();
        let over = match said {
            None => Over::Unwanted,
            Some(said) => tokio::select! {
                over = self.hear(from) => over,
                over = say(to, said) => over,
                () = self.ending.notified() => Over::Unwanted,
            },
        };
        *self.over.borrow_mut() = Some(over);
        // Whoever waits for an answer hears that there is none.
        self.open.borrow_mut().clear();
    }

    /// Hears it until it ends; gives why.
    async fn hear(&self, mut from: OwnedReadHalf) -> Over {
        let (mut lines, mut bytes) = (Lines::default(), vec![0; BUFFER]);
        loop {
            let read = match from.read(&mut bytes).await {
                Ok(0) | Err(_) => return Over::Itself,
                Ok(read) => read,
            };
            if let Err(why) = lines.push(&bytes[..read]) {
                return Over::Cut(why.to_string());
            }
            loop {
                let line = match lines.next_line() {
                    Ok(Some(line)) => line,
                    Ok(None) => break,
                    Err(why) => return Over::Cut(why.to_string()),
                };
                // Nothing more is read of it while nobody takes what it said.
                let room = Arc::clone(&self.inward).acquire_many_owned(units(line.len())).await.ok();
                if !self.heard(&line, room) {
                    self.junk.set(self.junk.get() + 1);
                }
                tokio::task::yield_now().await;
                if self.junk.get() > JUNK {
                    let why = format!("it said more than {JUNK} times what is no message, or nobody asked for");
                    return Over::Cut(why);
                }
            }
            // Whatever it says without end, and be it nothing, connections of programs have their turn.
            tokio::task::yield_now().await;
        }
    }

    /// Takes one line; false where it is of no use to anybody.
    fn heard(&self, line: &[u8], room: Option<OwnedSemaphorePermit>) -> bool {
        let value = match crate::mcp::read(line) {
            Ok(value) => value,
            Err(_) => return answered(line).is_some_and(|number| self.unread(number)),
        };
        let number = match Rpc::read(&value) {
            Ok(Rpc::Result { id: Id::Number(number), .. } | Rpc::Error { id: Some(Id::Number(number)), .. }) => number,
            Ok(Rpc::Notification { method, params }) => {
                if let ("notifications/progress", Some(params)) = (method, params)
                    && line.len() <= MAX_STEP
                {
                    self.step(params);
                }
                // Of what it tells by itself nothing goes on.
                return true;
            }
            Ok(Rpc::Request { id, method, .. }) => {
                let mut answer = json!({"jsonrpc": "2.0", "id": id.json()});
                match method {
                    "ping" => answer["result"] = json!({}),
                    _ => answer["error"] = json!({"code": NO_METHOD, "message": "nothing is asked of a program here"}),
                }
                self.tell(&answer);
                return method == "ping";
            }
            Ok(Rpc::Result { .. } | Rpc::Error { .. }) => return false,
            Err(_) => return answers(&value).is_some_and(|number| self.unread(number)),
        };
        let open = self.open.borrow_mut().remove(&number);
        // One that was given up may be answered all the same.
        let known = open.is_some() || (1..=self.next.get()).contains(&number);
        if let Some(open) = open {
            let _ = open.answer.send(Answer { message: object(value), room });
        }
        known
    }

    /// What it answers cannot be read.
    fn unread(&self, number: i64) -> bool {
        let Some(open) = self.open.borrow_mut().remove(&number) else { return false };
        let error = json!({"code": -32603, "message": "what the server answered is no message"});
        let message = object(json!({"jsonrpc": "2.0", "id": number, "error": error}));
        let _ = open.answer.send(Answer { message, room: None });
        false
    }

    /// Words on how far a request came go to who asked, under the name that he gave them.
    fn step(&self, params: &Map<String, Value>) {
        let number = params.get("progressToken").and_then(Value::as_i64);
        let open = self.open.borrow();
        let Some(Open { token: Some(token), steps, .. }) = number.and_then(|number| open.get(&number)) else { return };
        let mut params = params.clone();
        params.insert("progressToken".into(), token.clone());
        // Who does not take them does without.
        let _ = steps.try_send(json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": params}));
    }
}

/// What a line answers of which more cannot be told, as where a name stands in it twice, or what is no UTF-8: who waits for it
/// hears that.
fn answered(line: &[u8]) -> Option<i64> {
    if !record::conversation::is_bounded(line) {
        return None;
    }
    answers(&serde_json::from_str(&String::from_utf8_lossy(line)).ok()?)
}

fn answers(value: &Value) -> Option<i64> {
    value.get("id").and_then(Value::as_i64).filter(|_| value.get("method").is_none())
}

impl Asking {
    /// Whom it was asked of.
    pub(super) fn link(&self) -> &Link {
        &self.link
    }

    /// The answer alone.
    ///
    /// # Errors
    /// When the server ended, or it was given up.
    async fn heard(mut self) -> Result<Answer, oneshot::error::RecvError> {
        (&mut self.answer).await
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        self.link.give_up(self.number);
    }
}

/// Says what is to be said, line by line, until it ended.
async fn say(mut to: OwnedWriteHalf, mut said: mpsc::UnboundedReceiver<Said>) -> Over {
    while let Some((mut line, _room)) = said.recv().await {
        line.push(b'\n');
        if to.write_all(&line).await.is_err() {
            return Over::Itself;
        }
    }
    Over::Unwanted
}

/// The same under a number of the gate's own, which words on how far it came are known by, too. Gives the name that the program
/// gave these.
fn numbered(mut message: Value, number: i64) -> (Value, Option<Value>) {
    let mut token = None;
    if let Some(meta) = message.pointer_mut("/params/_meta").and_then(Value::as_object_mut)
        && let Some(own) = meta.get_mut("progressToken")
    {
        token = Some(std::mem::replace(own, number.into()));
    }
    if let Some(fields) = message.as_object_mut() {
        fields.insert("id".into(), number.into());
    }
    (message, token)
}

fn units(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT).clamp(1, AT_ONCE / UNIT)).unwrap_or(1)
}
