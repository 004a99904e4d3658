//! Markets and tiers over HTTP.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::api_service::{Service, path_of};
use crate::support::service::{SMALL_OUTPUT, TestService, config};

async fn text(service: &Service, path: &str) -> String {
    service.get(path, "").await.ok(200).text().to_owned()
}

fn germany() -> Value {
    json!({ "id": "at", "title": "Austria", "sound_language": "de", "text_language": "de", "games": ["a", "b"], "skin": "gold",
        "tier": { "max_height": 540, "features": ["dolby"] } })
}

#[tokio::test]
async fn markets_are_made_changed_and_forgotten() {
    let service = Service::start().await;
    let path = "/v1/operator/markets";
    let made = service.post(path, "op-acme", germany()).await.ok(201);
    assert_eq!(made.header("location"), "/v1/operator/markets/at");
    let mut expected = germany();
    expected["regions"] = Value::Null;
    expected["origin"] = json!("operator");
    expected["breaks"] =
        json!({ "policy": "programme", "decision_url": null, "decided_for": "market", "layout": null, "skin": null });
    assert_eq!(made.json(), expected);
    service.post(path, "op-acme", germany()).await.refused(409, "market_exists");
    assert_eq!(service.get("/v1/operator/markets/at", "op-acme").await.ok(200).json(), expected);
    let all = service.get(path, "op-acme").await.ok(200).json();
    let ids: Vec<_> = all.as_array().unwrap().iter().map(|market| (&market["id"], &market["origin"])).collect();
    assert_eq!(ids, [(&json!("at"), &json!("operator")), (&json!("de"), &json!("config"))]);

    let put = json!({ "title": "Austria, again" });
    let changed = service.tell("PUT", "/v1/operator/markets/at", "op-acme", &[], put.clone()).await.ok(200).json();
    assert_eq!((&changed["games"], &changed["tier"]), (&Value::Null, &json!({ "max_height": null, "features": null })));
    service.tell("PUT", "/v1/operator/markets/ch", "op-acme", &[], put.clone()).await.ok(201);
    service.tell("PUT", "/v1/operator/markets/de", "op-acme", &[], put.clone()).await.refused(409, "market_read_only");
    service.ask("DELETE", "/v1/operator/markets/de", "op-acme").await.refused(409, "market_read_only");

    // Another tenant sees none of it, and devices do not see them.
    service.get("/v1/operator/markets/at", "op-other").await.refused(404, "market_unknown");
    assert_eq!(service.get(path, "op-other").await.ok(200).json(), json!([]));
    service.get(path, "dev-acme").await.refused(403, "forbidden");

    service.ask("DELETE", "/v1/operator/markets/at", "op-acme").await.ok(204);
    service.ask("DELETE", "/v1/operator/markets/at", "op-acme").await.refused(404, "market_unknown");
}

#[tokio::test]
async fn devices_are_told_the_markets_that_they_may_name() {
    let service = Service::start().await;
    service.post("/v1/operator/markets", "op-acme", germany()).await.ok(201);
    let told = async |key: &str| service.get("/v1/markets", key).await.ok(200).json();
    let (at, de) = (
        json!({ "id": "at", "title": "Austria", "skin": "gold", "regions": null }),
        json!({ "id": "de", "title": "Germany", "skin": null, "regions": null }),
    );
    assert_eq!(told("dev-acme").await, json!([at, de]));
    assert_eq!(told("dev-free").await, json!([de]), "a key with a market has that one");
    assert_eq!(told("dev-other").await, json!([]));
    // What others sell is not told to a key of one market.
    service.tell("PUT", "/v1/operator/skins/gold", "op-acme", &[], json!({ "art": {} })).await.ok(201);
    for (key, skins) in
        [("dev-acme", json!([{ "id": "gold", "slots": [] }])), ("dev-free", json!([])), ("dev-other", json!([]))]
    {
        assert_eq!(service.get("/v1/skins", key).await.ok(200).json(), skins);
    }
    service.get("/v1/markets", "").await.refused(401, "unauthorized");
}

#[tokio::test]
async fn a_market_that_is_wrong_is_refused_with_the_field() {
    let service = Service::start().await;
    let with = |field: &str, value: Value| {
        let mut market = germany();
        market[field] = value;
        market
    };
    for (market, field) in [
        (with("id", json!("a/b")), "id"),
        (with("title", json!(" ")), "title"),
        (with("sound_language", json!("deutsch, bitte")), "sound_language"),
        (with("text_language", json!("")), "text_language"),
        (with("games", json!(["a", "b/c"])), "games[1]"),
        (with("games", json!(vec!["a"; 1001])), "games"),
        (with("regions", json!(["AT", "UK"])), "regions[1]"),
        (with("regions", json!([])), "regions"),
        (with("tier", json!({ "max_height": 100 })), "tier.max_height"),
        (with("tier", json!({ "features": ["dolby", "8k"] })), "tier.features[1]"),
        (with("tier", json!({ "colour": 1 })), "tier.colour"),
        (with("breaks", json!({ "policy": "adverts" })), "breaks.policy"),
        (with("breaks", json!({ "colour": 1 })), "breaks.colour"),
        (with("breaks", json!({ "policy": "advertisement" })), "breaks.decision_url"),
        (with("breaks", json!({ "policy": "advertisement", "decision_url": "ftp://a/" })), "breaks.decision_url"),
        (with("breaks", json!({ "policy": "slate", "decided_for": "session" })), "breaks.decided_for"),
        (with("breaks", json!({ "policy": "squeeze_back" })), "breaks.layout"),
        (with("breaks", json!({ "policy": "squeeze_back", "layout": "1L", "skin": "a/b" })), "breaks.skin"),
        (with("breaks", json!({ "policy": "squeeze_back", "layout": "zzz" })), "breaks.layout"),
        (with("breaks", json!({ "policy": "squeeze_back", "layout": "4E" })), "breaks.layout"),
        (with("breaks", json!({ "policy": "squeeze_back", "layout": "1" })), "breaks.layout"),
    ] {
        let code = if field.ends_with("colour") { "field_unknown" } else { "field_invalid" };
        let refused = service.post("/v1/operator/markets", "op-acme", market).await.refused(422, code);
        assert_eq!(refused["field"], field, "{refused}");
    }
    let squeezed = with("breaks", json!({ "policy": "squeeze_back", "layout": "4ES" }));
    let refused = service.tell("PUT", "/v1/operator/markets/xx", "op-acme", &[], {
        let mut market = squeezed;
        market["id"] = json!("xx");
        market
    });
    let refused = refused.await.refused(422, "field_invalid");
    assert_eq!(refused["allowed"], json!(["1F", "1L", "1B"]), "{refused}");
    let more = with("tier", json!({ "features": ["8k"] }));
    let refused = service.post("/v1/operator/markets", "op-acme", more).await.refused(422, "field_invalid");
    assert!(refused["detail"].as_str().unwrap().contains("\"hdr\" are allowed"), "{refused}");
}

#[tokio::test]
async fn a_market_asks_for_decisions_nowhere_that_sources_may_not_lead() {
    let service = Service::start_with("[sources]\nnetworks = [\"10.9.0.0/16\"]\n").await;
    let market = |url: &str| json!({ "title": "Sold", "breaks": { "policy": "advertisement", "decision_url": url } });
    let put = async |url: &str| service.tell("PUT", "/v1/operator/markets/ad", "op-acme", &[], market(url)).await;
    for url in [
        "http://127.0.0.1:9/vast",
        "http://[::1]/vast?game=[GAME]",
        "http://10.1.2.3/",
        "http://169.254.169.254/latest?r=[CACHEBUSTING]",
        "http://0x7f000001/",
    ] {
        let refused = put(url).await.refused(422, "decision_forbidden");
        assert_eq!(refused["field"], "breaks.decision_url", "{refused}");
        let detail = refused["detail"].as_str().unwrap();
        assert!(detail.contains("not allowed here") && !detail.contains("source"), "{refused}");
        let made = service.post("/v1/operator/markets", "op-acme", {
            let mut market = market(url);
            market["id"] = json!("ad");
            market
        });
        made.await.refused(422, "decision_forbidden");
    }
    service.get("/v1/operator/markets/ad", "op-acme").await.refused(404, "market_unknown");
    // What the configuration allows; a name is judged by what it leads to, each time it is asked.
    for url in ["http://10.9.0.1/vast", "http://localhost:9/vast", "https://ads.example/vast?game=[GAME]"] {
        let is_first = url.contains("10.9.");
        let kept = put(url).await.ok(if is_first { 201 } else { 200 }).json();
        assert_eq!(kept["breaks"]["decision_url"], url);
    }
}

#[tokio::test]
async fn a_session_is_made_in_a_market_and_keeps_to_it() {
    let service = Service::start().await;
    let ask = |games: Value, market: &str| json!({ "games": games, "market": market });
    let made = service.post("/v1/sessions", "dev-acme", ask(json!(["a"]), "de")).await.ok(201).json();
    assert_eq!(
        (&made["market"], &made["max_height"], &made["features"]),
        (&json!("de"), &json!(720), &json!(["dolby"]))
    );
    let path = format!("/v1/sessions/{}", made["id"].as_str().unwrap());
    assert_eq!(service.get(&path, "dev-acme").await.ok(200).json()["market"], "de");
    let listed = service.get("/v1/operator/sessions", "op-acme").await.ok(200).json();
    assert_eq!(listed["sessions"][0]["market"], "de");

    let unknown =
        service.post("/v1/sessions", "dev-acme", ask(json!(["a"]), "xx")).await.refused(404, "market_unknown");
    assert_eq!((&unknown["field"], &unknown["allowed"]), (&json!("market"), &json!(["de"])));
    let restricted = service.post("/v1/sessions", "dev-acme", ask(json!(["a", "c"]), "de")).await;
    let restricted = restricted.refused(403, "game_restricted");
    assert_eq!(
        (&restricted["game"], &restricted["market"], &restricted["reason"]),
        (&json!("c"), &json!("de"), &json!("not_in_market"))
    );
    let swap = service.tell("PATCH", &path, "dev-acme", &[], json!({ "games": ["c"] })).await;
    let swap = swap.refused(403, "game_restricted");
    assert_eq!(
        (&swap["game"], &swap["field"], &restricted["field"]),
        (&json!("c"), &json!("games[0]"), &json!("games[1]"))
    );
    service.post("/v1/sessions", "dev-other", ask(json!(["a"]), "de")).await.refused(404, "market_unknown");

    // What devices may pick from is told the same way.
    let ids = |games: Value| -> Vec<String> {
        games.as_array().unwrap().iter().map(|game| game["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ids(service.get("/v1/games?market=de", "dev-acme").await.ok(200).json()), ["a", "b"]);
    service.get("/v1/games?market=xx", "dev-acme").await.refused(404, "market_unknown");
    assert_eq!(ids(service.get("/v1/games", "dev-free").await.ok(200).json()), ["a", "b"]);
    service.get("/v1/games/a/cues", "dev-free").await.ok(200);
    service.get("/v1/games/c/cues", "dev-free").await.refused(404, "game_unknown");
    service.get("/v1/games/c/cues", "dev-acme").await.ok(200);
}

#[tokio::test]
async fn a_session_is_where_its_market_may_be() {
    let service = Service::start().await;
    let mut market = germany();
    market["regions"] = json!(["AT", "DE"]);
    let made = service.post("/v1/operator/markets", "op-acme", market).await.ok(201).json();
    assert_eq!(made["regions"], json!(["AT", "DE"]));
    let told = service.get("/v1/markets", "dev-acme").await.ok(200).json();
    assert_eq!((&told[0]["regions"], &told[1]["regions"]), (&json!(["AT", "DE"]), &Value::Null));

    let ask = |region: Value| json!({ "games": ["a"], "market": "at", "region": region });
    for (region, reason) in [(json!("FR"), "not_in_market"), (Value::Null, "region_missing")] {
        let refused =
            service.post("/v1/sessions", "dev-acme", ask(region.clone())).await.refused(403, "region_restricted");
        assert_eq!((&refused["field"], &refused["allowed"]), (&json!("region"), &json!(["AT", "DE"])), "{refused}");
        assert_eq!((&refused["region"], &refused["market"]), (&region, &json!("at")));
        assert_eq!(refused["reason"], reason);
    }
    for region in ["UK", "at", "AUT", ""] {
        let refused = service.post("/v1/sessions", "dev-acme", ask(json!(region))).await.refused(422, "field_invalid");
        assert_eq!(refused["field"], "region");
        assert!(refused["detail"].as_str().unwrap().contains("ISO 3166-1"), "{refused}");
    }
    let made = service.post("/v1/sessions", "dev-acme", ask(json!("AT"))).await.ok(201).json();
    assert_eq!((&made["region"], &made["market"]), (&json!("AT"), &json!("at")));
    let url = "/v1/multiview.m3u8?games=a&market=at&key=dev-acme";
    service.get(url, "").await.refused(403, "region_restricted");
    service.get(&format!("{url}&region=FR"), "").await.refused(403, "region_restricted");
    let refused = service.get(&format!("{url}&region=UK"), "").await.refused(422, "parameter_invalid");
    assert_eq!(refused["parameter"], "region", "{refused}");
    service.get(&format!("{url}&region=DE"), "").await.ok(302);
}

#[tokio::test]
async fn of_key_and_market_the_lower_counts_whatever_is_asked_for() {
    let service = Service::start().await;
    // The key's own: its market is `de`, which has Dolby up to 720 rows; the key has neither feature, and 540.
    let body = json!({ "games": ["a"], "max_height": 1080 });
    let made = service.post("/v1/sessions", "dev-free", body.clone()).await.ok(201).json();
    assert_eq!((&made["market"], &made["max_height"], &made["features"]), (&json!("de"), &json!(540), &json!([])));
    let elsewhere = json!({ "games": ["a"], "market": "at" });
    let refused = service.post("/v1/sessions", "dev-free", elsewhere).await.refused(403, "forbidden");
    assert_eq!((&refused["field"], &refused["allowed"]), (&json!("market"), &json!(["de"])));

    let playback = path_of(&made["playback_url"]);
    let multivariant = text(&service, &format!("{playback}?low_latency=true&sounds=as_came")).await;
    assert!(multivariant.contains("960x540") && !multivariant.contains("1920x1080"), "{multivariant}");
    assert!(!multivariant.contains("low_latency"), "{multivariant}");
    let of = |name: &str| playback.replace("index.m3u8", name);
    let video = text(&service, &of("video/540p.m3u8?low_latency=true")).await;
    assert!(!video.contains("#EXT-X-PART") && video.contains("#EXTINF"), "{video}");
    for rendition in ["video/1080p.m3u8", "keys/1080p.m3u8", "video/1080p.m3u8?low_latency=true"] {
        service.get(&of(rendition), "").await.refused(404, "rendition_unknown");
    }
    // The same by the route for clients that can only open a URL, and no market of its own choice there.
    let opened = service.get("/v1/multiview.m3u8?games=a&max_height=1080&key=dev-free", "").await.ok(302);
    let opened = text(&service, &path_of(&json!(opened.header("location")))).await;
    assert!(!opened.contains("1920x1080"), "{opened}");
    service.get("/v1/multiview.m3u8?games=a&market=at&key=dev-free", "").await.refused(403, "forbidden");
    service.get("/v1/multiview.m3u8?games=c&market=de&key=dev-acme", "").await.refused(403, "game_restricted");

    // What a better key made is not found again with this one.
    let keyed = [("idempotency-key", "k")];
    service.tell("POST", "/v1/sessions", "dev-acme", &keyed, body.clone()).await.ok(201);
    let replayed = service.tell("POST", "/v1/sessions", "dev-free", &keyed, body).await;
    replayed.refused(422, "idempotency_conflict");
}

#[tokio::test]
async fn an_address_of_a_better_session_opens_nothing_for_another() {
    let service = Service::start().await;
    let better = service.post("/v1/sessions", "dev-acme", json!({ "games": ["a"] })).await.ok(201).json();
    let free = service.post("/v1/sessions", "dev-free", json!({ "games": ["a"] })).await.ok(201).json();
    let its = |session: &Value| path_of(&session["playback_url"]).split('/').nth(3).unwrap().to_owned();
    service.clock.advance(Duration::from_secs(20));
    let listed = text(&service, &path_of(&better["playback_url"]).replace("index.m3u8", "video/1080p.m3u8")).await;
    let segment = listed.lines().find(|line| line.contains("/v1/media/") && line.contains(".m4s")).unwrap();
    service.get(segment, "").await.ok(200);
    // Everybody's signature is no session's own.
    for session in [&better, &free] {
        let own = segment.replace("/v1/media/", &format!("/v1/play/{}/media/", its(session)));
        service.get(&own, "").await.refused(404, "not_found");
        // A session's own token is no address of a player.
        let bare = own.replacen(&its(session), its(session).split('~').next().unwrap(), 1);
        service.get(&bare, "").await.refused(404, "session_unknown");
    }
}

#[tokio::test]
async fn a_report_says_what_was_watched_at_which_tier() {
    let service = Service::start().await;
    let mut sessions = Vec::new();
    for key in ["dev-acme", "dev-free"] {
        sessions.push(service.post("/v1/sessions", key, json!({ "games": ["a"] })).await.ok(201).json());
    }
    for _ in 0..30 {
        for session in &sessions {
            let playlist = path_of(&session["playback_url"]).replace("index.m3u8", "video/540p.m3u8");
            service.get(&playlist, "").await.ok(200);
        }
        service.clock.advance(Duration::from_secs(2));
        service.sessions.sweep().await;
    }
    let report = service.get("/v1/operator/usage?from=2020-01-01&group_by=tier", "op-acme").await.ok(200).json();
    let rows: Vec<_> = report["rows"].as_array().unwrap().iter().map(|row| row["tier"].as_str().unwrap()).collect();
    assert_eq!(rows, ["1080p", "540p"], "{report}");
    let records = service.get("/v1/operator/usage/records?from=2020-01-01", "op-acme").await.ok(200).json();
    for (session, tier) in sessions.iter().zip(["1080p", "540p"]) {
        let of_session = |record: &&Value| record["session_id"] == session["id"];
        let its: Vec<_> = records["records"].as_array().unwrap().iter().filter(of_session).collect();
        assert!(!its.is_empty() && its.iter().all(|record| record["tier"] == tier), "{records}");
    }
}

/// Two tiers with a price each, and a market that has the lower one.
const TWO_TIERS: &str = "[[markets]]\ntenant = \"acme\"\nid = \"de\"\ntitle = \"Germany\"\ngames = [\"a\"]\nmax_height = 300\n\
    features = []\n[[tariffs]]\ntenant = \"acme\"\ncurrency = \"EUR\"\n[[tariffs.prices]]\ntier = \"small\"\n\
    per_minute = \"0.001\"\n[[tariffs.prices]]\nper_minute = \"0.004\"\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_service_offers_less_charges_less_and_knows_its_markets_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let game = |id| (id, "test://ball?size=160x90&fps=30".to_owned());
    let config = config(dir.path(), &[game("a"), game("b")], &format!("{SMALL_OUTPUT}{TWO_TIERS}"));
    let service = TestService::start(&config).await;
    let post = |body: Value| service.device(Method::POST, "/v1/sessions", Some(body), StatusCode::CREATED);
    let low = post(json!({ "games": ["a"], "market": "de", "max_height": 540 })).await;
    let high = post(json!({ "games": ["a"] })).await;
    let body = Some(json!({ "games": ["b"], "market": "de" }));
    let refused = service.device(Method::POST, "/v1/sessions", body, StatusCode::FORBIDDEN).await;
    assert_eq!(refused["code"], "game_restricted");
    let made = json!({ "id": "at", "title": "Austria", "games": ["b"] });
    service.operator(Method::POST, "/v1/operator/markets", Some(made), StatusCode::CREATED).await;

    let path = |session: &Value, name: &str| {
        let url = session["playback_url"].as_str().unwrap();
        url[url.find("/v1/play").unwrap()..].replace("index.m3u8", name)
    };
    for _ in 0..6 {
        service.crank_segments(1).await;
        service.text(&path(&low, "video/small.m3u8?low_latency=true")).await;
        service.text(&path(&high, "video/big.m3u8")).await;
    }
    let listed = service.text(&path(&low, "video/small.m3u8?low_latency=true")).await;
    assert!(!listed.contains("#EXT-X-PART"), "{listed}");
    let uri = listed.lines().rfind(|line| line.ends_with(".m4s")).unwrap();
    assert!(service.bytes(uri).await.len() > 500);
    let above = service.send(Method::GET, &path(&low, "video/big.m3u8"), "", None).await;
    assert_eq!(above.status(), StatusCode::NOT_FOUND);

    let now = service.stop().await;
    let service = TestService::start_at(&config, now + Duration::from_secs(2)).await;
    service.crank_segments(2).await;
    let again = service.text(&path(&low, "index.m3u8")).await;
    assert!(again.contains("480x270") && !again.contains("960x540"), "{again}");
    let markets = service.operator(Method::GET, "/v1/operator/markets", None, StatusCode::OK).await;
    let ids: Vec<_> = markets.as_array().unwrap().iter().map(|market| &market["id"]).collect();
    assert_eq!(ids, ["at", "de"]);
    let path = format!("/v1/sessions/{}", low["id"].as_str().unwrap());
    let body = Some(json!({ "games": ["b"] }));
    let refused = service.device(Method::PATCH, &path, body, StatusCode::FORBIDDEN).await;
    assert_eq!(refused["reason"], "not_in_market");

    let report = service.operator(Method::GET, "/v1/operator/usage?group_by=tier", None, StatusCode::OK).await;
    let row = |tier: &str| report["rows"].as_array().unwrap().iter().find(|row| row["tier"] == tier).unwrap().clone();
    let (small, big) = (row("small"), row("big"));
    let minutes = |row: &Value| row["billed_minutes"].as_u64().unwrap() as f64;
    let cost = |row: &Value| row["cost"].as_str().unwrap().parse::<f64>().unwrap();
    assert!(minutes(&small) > 0.0 && minutes(&big) > 0.0, "{report}");
    assert!((cost(&small) - 0.001 * minutes(&small)).abs() < 1e-9, "{report}");
    assert!((cost(&big) - 0.004 * minutes(&big)).abs() < 1e-9, "{report}");

    // By market it is the same, and beside it stands what breaks came to.
    let report = service.operator(Method::GET, "/v1/operator/usage?group_by=market", None, StatusCode::OK).await;
    let rows: Vec<_> =
        report["rows"].as_array().unwrap().iter().map(|row| (&row["market"], &row["sessions"])).collect();
    assert_eq!(rows, [(&json!(""), &json!(1)), (&json!("de"), &json!(1))]);
    let german = &report["rows"][1];
    assert_eq!((&german["billable_seconds"], &german["cost"]), (&small["billable_seconds"], &small["cost"]));
    let breaks = service.operator(Method::GET, "/v1/operator/breaks/report", None, StatusCode::OK).await;
    let markets = breaks["markets"].as_array().unwrap();
    assert_eq!(
        (markets.len(), &markets[0]["market"], &breaks["state"]),
        (1, &json!("de"), &json!("draft")),
        "{breaks}"
    );
    assert_eq!((&markets[0]["sessions"], &markets[0]["fill"]), (&json!(1), &Value::Null));
    assert_eq!(markets[0]["billable_seconds"], german["billable_seconds"]);
    assert_eq!(markets[0]["costs"], json!([{ "currency": "EUR", "cost": german["cost"] }]));
}
