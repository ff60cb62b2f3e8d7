//! The SMTP side of the mailbox: takes every mail from anyone, or refuses all of them when told to, or is slow to say that it
//! took one.
//!
//! No TLS, and any password is right. What it must get right is the conversation: commands in their order, AUTH in both
//! its forms, and the dots.

use std::{io, slice::Iter, sync::Arc, time::Duration};

use smtp_proto::{
    AUTH_LOGIN, AUTH_PLAIN, EXT_8BIT_MIME, EXT_AUTH, EXT_ENHANCED_STATUS_CODES, EXT_PIPELINING, EXT_SIZE,
    EXT_SMTP_UTF8, EhloResponse, Error, Request,
    request::receiver::{DataReceiver, LineReceiver, RequestReceiver},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_util::task::TaskTracker;

use super::state::World;

/// Biggest message taken, in bytes.
const SIZE: usize = 10 * 1024 * 1024;

/// Accepts until the sandbox stops.
pub(super) async fn serve(world: Arc<World>, listener: TcpListener, tracker: TaskTracker) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = world.stop.cancelled() => return,
        };
        match accepted {
            Ok((stream, _)) => {
                let world = Arc::clone(&world);
                tracker.spawn(async move {
                    if let Err(error) = talk(&world, stream).await {
                        tracing::debug!(%error, "an SMTP client went away");
                    }
                });
            }
            Err(error) => tracing::warn!(%error, "the sandbox could not accept an SMTP connection"),
        }
    }
}

async fn talk(world: &World, mut stream: TcpStream) -> io::Result<()> {
    stream.write_all(b"220 mailbox.sandbox ESMTP\r\n").await?;
    let mut session = Session::new(world);
    let mut buffer = vec![0; 16 * 1024];
    while !session.over {
        let count = tokio::select! {
            count = stream.read(&mut buffer) => count?,
            () = world.stop.cancelled() => return Ok(()),
        };
        if count == 0 {
            return Ok(());
        }
        let mut bytes = buffer[..count].iter();
        while !bytes.as_slice().is_empty() && !session.over {
            session.step(&mut bytes);
        }
        world.pause(std::mem::take(&mut session.delay)).await;
        stream.write_all(&std::mem::take(&mut session.replies)).await?;
    }
    Ok(())
}

/// What the next bytes are.
enum Hearing {
    Commands(RequestReceiver),
    /// This many more lines of a login.
    Login(LineReceiver<()>, u8),
    Message(DataReceiver, Vec<u8>),
}

struct Session<'a> {
    world: &'a World,
    hearing: Hearing,
    sender: Option<String>,
    recipients: Vec<String>,
    replies: Vec<u8>,
    /// How long the replies are held back.
    delay: Duration,
    over: bool,
}

impl<'a> Session<'a> {
    fn new(world: &'a World) -> Self {
        Self {
            world,
            hearing: Hearing::Commands(RequestReceiver::default()),
            sender: None,
            recipients: Vec::new(),
            replies: Vec::new(),
            delay: Duration::ZERO,
            over: false,
        }
    }

    fn say(&mut self, line: &str) {
        self.replies.extend_from_slice(line.as_bytes());
        self.replies.extend_from_slice(b"\r\n");
    }

    /// Takes as many bytes as make one step.
    fn step(&mut self, bytes: &mut Iter<'_, u8>) {
        match &mut self.hearing {
            Hearing::Commands(receiver) => match receiver.ingest(bytes).map(Request::into_owned) {
                Ok(request) => self.obey(request),
                Err(Error::NeedsMoreData { .. }) => (),
                Err(Error::UnknownCommand) => self.say("500 5.5.1 Unknown command"),
                Err(_) => self.say("501 5.5.4 Bad parameters"),
            },
            Hearing::Login(receiver, left) => {
                if receiver.ingest(bytes) {
                    receiver.buf.clear();
                    *left -= 1;
                    let more = *left > 0;
                    self.logging_in(more);
                }
            }
            Hearing::Message(receiver, message) => {
                if receiver.ingest(bytes, message) {
                    let message = std::mem::take(message);
                    self.keep(&message);
                }
            }
        }
    }

    fn obey(&mut self, request: Request<String>) {
        match request {
            Request::Ehlo { .. } => self.introduce(),
            Request::Helo { .. } => self.say("250 mailbox.sandbox"),
            Request::Auth { mechanism, initial_response } => {
                let lines = match mechanism {
                    AUTH_PLAIN => 1,
                    AUTH_LOGIN => 2,
                    _ => return self.say("504 5.5.4 Use PLAIN or LOGIN"),
                };
                let left = lines - u8::from(!initial_response.is_empty());
                self.hearing = Hearing::Login(LineReceiver::new(()), left);
                self.logging_in(left > 0);
            }
            Request::Mail { from } => {
                self.sender = Some(from.address);
                self.recipients.clear();
                self.say("250 2.1.0 OK");
            }
            Request::Rcpt { .. } | Request::Data if self.sender.is_none() => {
                self.say("503 5.5.1 MAIL first");
            }
            Request::Rcpt { to } => self.judge(to.address),
            Request::Data if self.recipients.is_empty() => self.say("503 5.5.1 RCPT first"),
            Request::Data => {
                self.hearing = Hearing::Message(DataReceiver::new(), Vec::new());
                self.say("354 End with a dot on a line of its own");
            }
            Request::Rset => {
                self.sender = None;
                self.recipients.clear();
                self.say("250 2.0.0 OK");
            }
            Request::Noop { .. } => self.say("250 2.0.0 OK"),
            Request::Quit => {
                self.over = true;
                self.say("221 2.0.0 Bye");
            }
            _ => self.say("502 5.5.1 Not here"),
        }
    }

    fn judge(&mut self, to: String) {
        let code = self.world.see(|state| state.mailbox.refusal.or_else(|| state.mailbox.gone.get(&to).copied()));
        match code {
            Some(code) if code < 500 => self.say(&format!("{code} 4.3.0 Try again later")),
            Some(code) => self.say(&format!("{code} 5.1.1 Mailbox unavailable")),
            None => {
                self.recipients.push(to);
                self.say("250 2.1.5 OK");
            }
        }
    }

    fn introduce(&mut self) {
        let mut response = EhloResponse::new("mailbox.sandbox");
        response.capabilities = EXT_8BIT_MIME | EXT_AUTH | EXT_ENHANCED_STATUS_CODES | EXT_PIPELINING | EXT_SIZE;
        if !self.world.see(|state| state.mailbox.ascii_only) {
            response.capabilities |= EXT_SMTP_UTF8;
        }
        response.auth_mechanisms = AUTH_PLAIN | AUTH_LOGIN;
        response.size = SIZE;
        if response.write(&mut self.replies).is_err() {
            self.over = true;
        }
    }

    fn logging_in(&mut self, more: bool) {
        if more {
            // "Username:" or "Password:"; no client reads which.
            self.say("334 VXNlcm5hbWU6");
        } else {
            self.hearing = Hearing::Commands(RequestReceiver::default());
            self.say("235 2.7.0 Welcome");
        }
    }

    fn keep(&mut self, message: &[u8]) {
        self.hearing = Hearing::Commands(RequestReceiver::default());
        let sender = self.sender.take().unwrap_or_default();
        let recipients = std::mem::take(&mut self.recipients);
        if message.len() > SIZE {
            return self.say("552 5.3.4 Too big");
        }
        let now = self.world.clock.now();
        self.delay = self.world.see(|state| state.mailbox.delay);
        self.world.change(|state| state.mailbox.deliver(&sender, recipients, message, now));
        self.say("250 2.0.0 Kept");
    }
}
