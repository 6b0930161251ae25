//! E-mail against a real SMTP receiver on this machine.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use contract::WallTime;
use contract::configuration::{ChannelConfiguration, ChannelKind, Email};
use mailin::{Action, Handler, Response, SessionBuilder, response};
use rules::Notification;
use rules::channels::{Channel, from_configuration};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::scene::{context, decay, notification};

/// A message as it came.
#[derive(Clone, Debug, Default)]
struct Received {
    from: String,
    to: Vec<String>,
    data: String,
}

/// Takes mail, and refuses some recipients.
#[derive(Clone, Default)]
struct Mailbox {
    received: Arc<Mutex<Vec<Received>>>,
    refused: Arc<Mutex<Vec<(String, Response)>>>,
}

/// One connection's handler.
struct Connection {
    mailbox: Mailbox,
    message: Received,
}

impl Handler for Connection {
    fn mail(&mut self, _ip: IpAddr, _domain: &str, from: &str) -> Response {
        self.message = Received { from: from.to_owned(), ..Received::default() };
        response::OK
    }

    fn rcpt(&mut self, to: &str) -> Response {
        let refused = self.mailbox.refused.lock().unwrap();
        if let Some((_, answer)) = refused.iter().find(|(address, _)| address == to) {
            return answer.clone();
        }
        self.message.to.push(to.to_owned());
        response::OK
    }

    fn data(&mut self, line: &[u8]) -> std::io::Result<()> {
        self.message.data.push_str(std::str::from_utf8(line).unwrap());
        Ok(())
    }

    fn data_end(&mut self) -> Response {
        self.mailbox.received.lock().unwrap().push(std::mem::take(&mut self.message));
        response::OK
    }
}

impl Mailbox {
    async fn start() -> (Self, SocketAddr) {
        let mailbox = Self::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = mailbox.clone();
        tokio::spawn(async move {
            while let Ok((stream, peer)) = listener.accept().await {
                tokio::spawn(serve(stream, peer.ip(), shared.clone()));
            }
        });
        (mailbox, address)
    }

    fn refuse(&self, address: &str, answer: Response) {
        self.refused.lock().unwrap().push((address.to_owned(), answer));
    }

    fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }
}

async fn serve(stream: TcpStream, peer: IpAddr, mailbox: Mailbox) -> std::io::Result<()> {
    let connection = Connection { mailbox, message: Received::default() };
    let mut session = SessionBuilder::new("mail.example.org").build(peer, connection);
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read);
    let mut answer = session.greeting();
    loop {
        let mut bytes = Vec::new();
        answer.write_to(&mut bytes)?;
        write.write_all(&bytes).await?;
        if answer.action == Action::Close {
            return Ok(());
        }
        let mut line = Vec::new();
        if lines.read_until(b'\n', &mut line).await? == 0 {
            return Ok(());
        }
        answer = session.process(&line);
    }
}

fn channel(server: SocketAddr, to: &[&str]) -> Arc<dyn Channel> {
    let email = Email {
        server: format!("smtp://{server}"),
        username: None,
        password: None,
        from: "Bellwether <bellwether@example.org>".to_owned(),
        to: to.iter().map(|to| (*to).to_owned()).collect(),
    };
    let configuration = ChannelConfiguration { name: "mail".to_owned(), kind: ChannelKind::Email(email) };
    from_configuration(&[configuration]).unwrap().remove("mail").unwrap()
}

#[tokio::test]
async fn r3_a_mail_arrives_whole_with_text_html_and_its_id() {
    let (mailbox, address) = Mailbox::start().await;
    channel(address, &["Ada <ada@example.org>"]).deliver(&notification(), WallTime::now()).await.unwrap();
    let received = mailbox.received();
    assert_eq!(received.len(), 1);
    assert_eq!(
        (received[0].from.as_str(), received[0].to.as_slice()),
        ("bellwether@example.org", &["ada@example.org".to_owned()][..])
    );
    let data = &received[0].data;
    for header in [
        "From: Bellwether <bellwether@example.org>\r\n",
        "Subject: [page] flights: PerformanceDecay\r\n",
        "To: Ada <ada@example.org>\r\n",
        "Auto-Submitted: auto-generated\r\n",
        "Date: Tue, 24 Nov 2026 12:00:00 +0000\r\n",
        &format!("Message-ID: <{}@example.org>\r\n", notification().id),
        "Content-Type: multipart/alternative;",
        "Content-Type: text/plain; charset=utf-8\r\n",
        "Content-Type: text/html; charset=utf-8\r\n",
    ] {
        assert!(data.contains(header), "{header} is missing in\n{data}");
    }
    assert!(data.contains("Retraining requested.") && data.contains("log loss 0.912 since 2013-06-17"), "{data}");
}

#[tokio::test]
async fn r2_the_end_answers_the_beginning() {
    let (mailbox, address) = Mailbox::start().await;
    let resolved = Notification::from_change(&decay().1, &context()).unwrap();
    channel(address, &["ada@example.org"]).deliver(&resolved, WallTime::now()).await.unwrap();
    let data = &mailbox.received()[0].data;
    let firing = format!("<{}@example.org>", notification().id);
    assert!(
        data.contains(&format!("In-Reply-To: {firing}\r\n")) && data.contains(&format!("References: {firing}\r\n")),
        "{data}"
    );
}

#[tokio::test]
async fn r3_a_refused_recipient_does_not_keep_the_others_from_being_told() {
    let (mailbox, address) = Mailbox::start().await;
    mailbox.refuse("gone@example.org", response::NO_MAILBOX);
    let channel = channel(address, &["gone@example.org", "ada@example.org"]);
    let error = channel.deliver(&notification(), WallTime::now()).await.unwrap_err();
    assert!(!error.is_retryable);
    assert!(error.message.starts_with("1 of 2 recipients have it; gone@example.org was refused"), "{error}");
    assert_eq!(mailbox.received().len(), 1);
}

#[tokio::test]
async fn r3_a_retry_tells_only_those_who_were_not_told() {
    let (mailbox, address) = Mailbox::start().await;
    mailbox.refuse("busy@example.org", response::OUT_OF_SPACE);
    let channel = channel(address, &["ada@example.org", "busy@example.org"]);
    let error = channel.deliver(&notification(), WallTime::now()).await.unwrap_err();
    assert!(error.is_retryable, "{error}");
    mailbox.refused.lock().unwrap().clear();
    channel.deliver(&notification(), WallTime::now()).await.unwrap();
    let to: Vec<_> = mailbox.received().into_iter().flat_map(|message| message.to).collect();
    assert_eq!(to, ["ada@example.org", "busy@example.org"]);
}

#[tokio::test]
async fn r3_a_server_that_is_down_is_tried_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = channel(address, &["ada@example.org"]).deliver(&notification(), WallTime::now()).await.unwrap_err();
    assert!(error.is_retryable && error.message.starts_with("0 of 1 recipients have it"), "{error}");
}

#[tokio::test]
async fn e2_names_cannot_add_headers() {
    let (mailbox, address) = Mailbox::start().await;
    let mut evil = notification();
    evil.model = "flights\r\nBcc: everyone@example.org\r\n\r\nhello".to_owned();
    channel(address, &["ada@example.org"]).deliver(&evil, WallTime::now()).await.unwrap();
    let received = mailbox.received();
    let headers = received[0].data.split("\r\n\r\n").next().unwrap();
    assert!(!headers.lines().any(|line| line.starts_with("Bcc:")), "{headers}");
}
