use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::*;
use crate::listen;

/// The app serves for as long as the sender lives.
fn serve() -> (SocketAddr, watch::Sender<bool>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, shutdown) = watch::channel(false);
    listen::spawn("app", SampleApp, listener, shutdown);
    (address, stop)
}

async fn echo(request: &str) -> Value {
    let (address, _stop) = serve();
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap()
}

#[tokio::test]
async fn the_answer_is_the_request_in_the_order_in_which_it_came() {
    let echoed = echo(
        "DELETE /a%2Fb?c=d HTTP/1.1\r\nHost: app\r\nX-User-Id: u1\r\nConnection: close\r\n\
         X_User_Id: forged\r\nx-user-id: u2\r\n\r\n",
    )
    .await;

    assert_eq!(echoed["method"], "DELETE");
    assert_eq!(echoed["target"], "/a%2Fb?c=d");
    assert_eq!(
        echoed["headers"],
        json!([
            ["host", "app"],
            ["x-user-id", "u1"],
            ["connection", "close"],
            ["x_user_id", "forged"],
            ["x-user-id", "u2"]
        ])
    );
    assert_eq!(echoed["identity"], json!({"x-user-id": "u1, u2"}));
}

#[tokio::test]
async fn a_credential_is_not_shown() {
    let echoed = echo(
        "GET / HTTP/1.1\r\nHost: app\r\nAuthorization: Bearer eyJhbGciOi.secret\r\n\
         Connection: close\r\n\r\n",
    )
    .await;

    assert_eq!(
        echoed["headers"][1],
        json!(["authorization", "Bearer eyJ…(17 bytes)"])
    );
    assert_eq!(shortened("Bearer static-secret"), "Bearer …(13 bytes)");
    assert_eq!(shortened("secret"), "…(6 bytes)");
}

#[tokio::test]
async fn a_json_body_is_shown_and_another_one_counted() {
    for (given, content_type, expected) in [
        ("json", "application/json", json!("{\"a\":1}")),
        ("text", "text/plain", Value::Null),
    ] {
        let echoed = echo(&format!(
            "POST / HTTP/1.1\r\nHost: app\r\nContent-Type: {content_type}\r\n\
             Content-Length: 7\r\nConnection: close\r\n\r\n{{\"a\":1}}"
        ))
        .await;

        assert_eq!(echoed["body"], expected, "given: {given}");
        assert_eq!(echoed["body_bytes"], 7, "given: {given}");
        assert_eq!(echoed["body_complete"], true, "given: {given}");
    }
}

#[tokio::test]
async fn of_a_large_body_one_mebibyte_is_read_and_the_answer_still_arrives() {
    let (address, _stop) = serve();

    let answer = reqwest::Client::builder()
        .build()
        .unwrap()
        .post(format!("http://{address}/"))
        .body(vec![b'x'; 3 * 1024 * 1024])
        .send()
        .await
        .unwrap();

    let echoed: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    assert_eq!(echoed["body_bytes"], 1024 * 1024);
    assert_eq!(echoed["body_complete"], false);
}

#[tokio::test]
async fn a_client_that_waits_for_leave_to_send_gets_it() {
    let (address, _stop) = serve();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = "POST / HTTP/1.1\r\nHost: app\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\
                Connection: close\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut leave = [0; 25];

    stream.read_exact(&mut leave).await.unwrap();
    assert_eq!(&leave, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"{}").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.contains("\"body_bytes\": 2"), "{answer}");
}
