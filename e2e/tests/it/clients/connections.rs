//! Connections without a complete request.

use super::check_others_are_served;
use crate::fixture::TestApp;
use crate::fixture::raw_client::RawClient;

#[tokio::test]
async fn connections_without_a_request_make_room_for_others_and_end_after_a_while() {
    let limits = [("APRENDIZ_MAX_CLIENT_CONNECTIONS", "20"), ("APRENDIZ_HEADER_TIMEOUT_SECONDS", "5")];
    let app = TestApp::start_with(&[], &limits).await;
    let mut clients = Vec::new();
    for number in 0..60 {
        let mut client = RawClient::connect(&app).await;
        if number % 2 == 0 {
            client.send(b"GET /healthz HTTP/1.1\r\nhost: te").await;
        }
        clients.push(client);
    }
    check_others_are_served(&app).await;
    // forty at once, the others after the timeout
    for client in &mut clients {
        client.wait_until_closed().await;
    }
    app.finish().await;
}

#[tokio::test]
async fn an_address_has_a_limit_of_its_own() {
    let app = TestApp::start_with(&[], &[("APRENDIZ_MAX_CLIENT_CONNECTIONS_PER_ADDRESS", "5")]).await;
    let mut first = RawClient::connect(&app).await;
    let mut clients = Vec::new();
    for _ in 0..5 {
        clients.push(RawClient::connect(&app).await);
    }
    first.wait_until_closed().await;
    check_others_are_served(&app).await;
    app.finish().await;
}
