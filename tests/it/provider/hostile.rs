//! A token endpoint that answers with anything but a reply. Whatever it sends, the spend ends within its deadline, the
//! stored token stays what it was, and the next honest reply renews it.

use std::time::{Duration, Instant};

use lamplighter::{app::App, provider::Provider::Quickbooks, store::connections::Status, vault};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use crate::harness::{REALM, TestApp, minutes};

/// Far above what an honest reply takes, far below what a test may last.
const DEADLINE: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug)]
enum Trick {
    EndlessBody,
    EndlessHeaders,
    SlowDrip,
    TooLarge,
    TornChunks,
    TornLength,
    GarbageStatus,
    NotHttp,
    GzipBomb,
    BrokenGzip,
    HeadersOnly,
    Silence,
    HangsUp,
}

const TRICKS: [Trick; 13] = [
    Trick::EndlessBody,
    Trick::EndlessHeaders,
    Trick::SlowDrip,
    Trick::TooLarge,
    Trick::TornChunks,
    Trick::TornLength,
    Trick::GarbageStatus,
    Trick::NotHttp,
    Trick::GzipBomb,
    Trick::BrokenGzip,
    Trick::HeadersOnly,
    Trick::Silence,
    Trick::HangsUp,
];

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
/// A whole access token, and a refresh token that is cut off.
const HALF: &[u8] = b"{\"access_token\":\"eyJ-half\",\"expires_in\":3600,\"refresh_token\":\"RT1-half";

/// Plays one trick on whoever has sent its request; an error is the client hanging up.
async fn play(trick: Trick, socket: &mut TcpStream) -> std::io::Result<()> {
    let chunked = [OK, b"transfer-encoding: chunked\r\n\r\n"].concat();
    match trick {
        Trick::EndlessBody => {
            socket.write_all(&chunked).await?;
            let chunk = [b"10000\r\n".as_slice(), &[b' '; 0x10000], b"\r\n"].concat();
            loop {
                socket.write_all(&chunk).await?;
            }
        }
        Trick::EndlessHeaders => {
            socket.write_all(OK).await?;
            loop {
                socket.write_all(b"x-more: and-more-of-it-until-somebody-gives-up\r\n").await?;
            }
        }
        Trick::SlowDrip => {
            socket.write_all(&chunked).await?;
            let mut tick = tokio::time::interval(Duration::from_millis(20));
            loop {
                tick.tick().await;
                socket.write_all(b"1\r\n \r\n").await?;
            }
        }
        Trick::TooLarge => {
            let size = 9 * 1024 * 1024;
            socket.write_all(&[OK, format!("content-length: {size}\r\n\r\n").as_bytes()].concat()).await?;
            socket.write_all(&vec![b' '; size]).await?;
        }
        Trick::TornChunks => socket.write_all(&[&chunked, b"ff\r\n".as_slice(), HALF].concat()).await?,
        Trick::TornLength => socket.write_all(&[OK, b"content-length: 500\r\n\r\n", HALF].concat()).await?,
        Trick::GarbageStatus => socket.write_all(b"HTTP/9.9 99999 invalid_grant\r\n\r\n").await?,
        Trick::NotHttp => socket.write_all(b"\x00\xff\x16\x03\x01 {\"error\":\"invalid_grant\"}\r\n\r\n").await?,
        Trick::GzipBomb => {
            socket.write_all(&[OK, b"content-encoding: gzip\r\nconnection: close\r\n\r\n"].concat()).await?;
            socket.write_all(&gzip_of_spaces(64 * 1024 * 1024)).await?;
        }
        Trick::BrokenGzip => {
            let head = [OK, b"content-encoding: gzip\r\nconnection: close\r\n\r\n\x1f\x8b\x08"].concat();
            socket.write_all(&[&head, HALF].concat()).await?;
        }
        Trick::HeadersOnly => {
            socket.write_all(&[OK, b"content-length: 300\r\n\r\n"].concat()).await?;
            std::future::pending::<()>().await;
        }
        Trick::Silence => std::future::pending::<()>().await,
        Trick::HangsUp => {}
    }
    Ok(())
}

/// A gzip stream of this many spaces and no end: one literal, then the longest repetition over and over (13 bits each).
fn gzip_of_spaces(spaces: usize) -> Vec<u8> {
    let mut bits = vec![true, true, false];
    let literal = 0x30 + u16::from(b' ');
    bits.extend((0..8).rev().map(|bit| literal >> bit & 1 == 1));
    let repetition = [0b1100_0101u16 << 5];
    for code in repetition.iter().cycle().take(spaces / 258) {
        bits.extend((0..13).rev().map(|bit| code >> bit & 1 == 1));
    }
    let bytes = bits.chunks(8).map(|byte| byte.iter().rev().fold(0, |byte, bit| byte << 1 | u8::from(*bit)));
    [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255].into_iter().chain(bytes).collect()
}

/// Answers every connection with what `play` does; never ends.
async fn serve(listener: &TcpListener, play: impl AsyncFn(&mut TcpStream) -> std::io::Result<()>) -> ! {
    loop {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut request = [0; 8192];
        if socket.read(&mut request).await.is_ok_and(|length| length > 0) {
            // The client may hang up in the middle: that is what it should do.
            drop(play(&mut socket).await);
        }
    }
}

/// An app with QuickBooks connected, and a daemon beside it that spends at another address.
async fn misled() -> (TestApp, App, TcpListener) {
    let app = TestApp::start_with(&[("outage.open_after", "1000")]).await;
    let account = app.account("Harbor Books").await;
    app.connect(&account, Quickbooks, REALM).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut config = app.config.clone();
    config.keeper.deadline = DEADLINE;
    let quickbooks = config.providers.quickbooks.as_mut().unwrap();
    quickbooks.token_url = format!("http://{}/token", listener.local_addr().unwrap()).parse().unwrap();
    let misled = App::build(&config, app.app.pool.clone(), app.clock.clone(), &[]).await.unwrap();
    (app, misled, listener)
}

/// Everything of a token that a reply could harm.
async fn stored(app: &TestApp) -> (i64, String, String, String) {
    sqlx::query_as("select generation, refresh_fingerprint, refresh_sealed, access_sealed from tokens")
        .fetch_one(&app.app.pool)
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_answer_outlasts_the_deadline_or_harms_the_token() {
    let (app, misled, listener) = misled().await;
    let before = stored(&app).await;
    for trick in TRICKS {
        app.advance(minutes(40));
        let begun = Instant::now();
        let report = tokio::select! {
            report = misled.keeper.round() => report.unwrap(),
            never = serve(&listener, async |socket: &mut TcpStream| play(trick, socket).await) => never,
        };
        let took = begun.elapsed();
        assert!(took < DEADLINE + Duration::from_secs(2), "{trick:?} took {took:?}");
        assert_eq!((report.unknown, report.spent()), (1, 1), "{trick:?}: {report:?}");
        assert_eq!(stored(&app).await, before, "{trick:?}");
        let row = app.connection(Quickbooks).await;
        assert_eq!((row.status, row.cause), (Status::Failing, None), "{trick:?}");
    }
    app.advance(minutes(40));
    assert_eq!(app.app.keeper.round().await.unwrap().renewed, 1, "the token is as good as it was");
    assert_eq!(app.connection(Quickbooks).await.status, Status::Connected);
    app.mails(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_that_tears_behind_its_tokens_is_kept() {
    let (app, misled, listener) = misled().await;
    let answer = async |socket: &mut TcpStream| {
        let body = b"{\"access_token\":\"eyJ-new\",\"expires_in\":3600,\"refresh_token\":\"RT1-new\",\"x_refresh_tok";
        socket.write_all(&[OK, b"content-length: 500\r\n\r\n", body].concat()).await
    };
    app.advance(minutes(40));
    let report = tokio::select! {
        report = misled.keeper.round() => report.unwrap(),
        never = serve(&listener, answer) => never,
    };
    assert_eq!((report.renewed, report.spent()), (1, 1), "{report:?}");
    let (generation, fingerprint, ..) = stored(&app).await;
    assert_eq!((generation, fingerprint), (2, vault::fingerprint(&"RT1-new".into())));
    let row = app.connection(Quickbooks).await;
    assert_eq!((row.status, row.access_expires_at - app.clock.now()), (Status::Connected, minutes(60)));
}
